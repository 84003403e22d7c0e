"""Cumulative distributions and quantiles of independent columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from flowkit import priors as p
from flowkit.exceptions import InvalidParameterError, ShapeError
from flowkit.priors.registry import FACTORISED
from flowkit.starts._column_target import ColumnTarget

from ..table import PRIORS
from ..tensors import perturbed

FACTORS = {name: build for name, build in PRIORS.items() if hasattr(build(1), "quantile")}
every_factor = pytest.mark.parametrize("build", FACTORS.values(), ids=FACTORS)


@every_factor
def test_the_cdf_is_the_integral_of_the_density(build):
    prior = perturbed(build(3), 0.2).requires_grad_(False)
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64)[:, None].expand(-1, 3)
    area = torch.cumulative_trapezoid(prior.log_prob_by_column(x).exp(), x[:, 0], dim=0)
    cdf = prior.cdf(x)
    torch.testing.assert_close(cdf[1:] - cdf[0], area, rtol=0, atol=1e-5)
    assert prior.cdf(torch.full((1, 3), -1e12, dtype=torch.float64)).max() < 1e-9
    assert prior.cdf(torch.full((1, 3), 1e12, dtype=torch.float64)).min() > 1 - 1e-9


@every_factor
def test_quantiles_undo_the_cdf(build):
    prior = perturbed(build(2), 0.2)
    chance = torch.linspace(0.001, 0.999, 99, dtype=torch.float64)[:, None].expand(-1, 2)
    quantile = prior.quantile(chance)
    assert (quantile.diff(dim=0) > 0).all()
    torch.testing.assert_close(prior.cdf(quantile), chance, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("prior", "reference"),
    [
        (p.Normal(1, 2.0, dtype=torch.float64), stats.norm(scale=2.0)),
        (p.Laplace(1, 0.5, dtype=torch.float64), stats.laplace(scale=0.5)),
        (p.StudentT(1, 1.5, dtype=torch.float64), stats.t(1.5)),
        (p.StudentT(1, 40.0, 3.0, dtype=torch.float64), stats.t(40.0, scale=3.0)),
    ],
)
def test_agrees_with_scipy(prior, reference):
    target, x = ColumnTarget(prior), np.linspace(-8, 8, 41)
    np.testing.assert_allclose(target.cdf(x), reference.cdf(x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(target.logpdf(x), reference.logpdf(x), rtol=1e-12)
    # Quantiles of Student's t are off by 1e-9 before scipy 1.11; those of the tails tell most.
    chance = np.linspace(0.002, 0.998, 21)
    quantile = target.ppf(chance)
    np.testing.assert_allclose(reference.cdf(quantile), chance, rtol=1e-12)
    np.testing.assert_allclose(reference.sf(quantile), 1 - chance, rtol=1e-12)
    assert np.ndim(target.ppf(0.3)) == 0


@pytest.mark.parametrize(
    ("df", "scale", "quantiles"),
    [
        (1.5, 1.0, [-32.8643023042474, -3.7051808200967518, -0.6517954826023571]),
        (40.0, 3.0, [-9.163533076772872, -5.051553040006958, -1.5858170386526875]),
    ],
)
def test_quantiles_of_students_t_have_the_digits_of_mpmath(df, scale, quantiles):
    target = ColumnTarget(p.StudentT(1, df, scale, dtype=torch.float64))
    np.testing.assert_allclose(target.ppf([0.002, 0.05, 0.3]), quantiles, rtol=1e-12)
    np.testing.assert_allclose(target.ppf([0.998, 0.95, 0.7]), np.negative(quantiles), rtol=1e-12)


@pytest.mark.parametrize("name", FACTORISED)
def test_every_named_factor_can_be_a_target(name):
    target = ColumnTarget(FACTORISED[name](1, dtype=torch.float64))
    np.testing.assert_allclose(target.cdf(target.ppf([0.1, 0.9])), [0.1, 0.9], rtol=1e-12)


def test_impossible_probabilities_and_shapes_are_refused():
    prior = p.Normal(2)
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(InvalidParameterError, match="between 0 and 1"):
            prior.quantile(torch.full((3, 2), wrong))
    with pytest.raises(ShapeError, match=r"\(n, 2\), got \(3, 1\)"):
        prior.quantile(torch.full((3, 1), 0.5))
    with pytest.raises(ShapeError, match=r"\(n, 2\), got \(3, 1\)"):
        prior.cdf(torch.zeros(3, 1))
