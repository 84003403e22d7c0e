"""Laws of one column given others, against numerical integration and draws."""

from __future__ import annotations

import math

import pytest
import torch

from flowkit import priors as p
from flowkit.bijections import LULinear
from flowkit.exceptions import InvalidParameterError, NoMarginalError
from flowkit.modules import Flow

from .test_marginals import T, every_prior, integrated, moved, rows

KNOWN = torch.tensor([[False, True, False], [False, True, True], [False, False, False]])


@every_prior
def test_a_law_is_the_integral_of_the_conditional_density(build):
    prior = moved(build, 3)
    z = torch.where(KNOWN, rows(3, 3), math.nan)
    law = prior.law_given(z, KNOWN, 0)
    ends = torch.tensor([-0.8, 0.1, 1.3], dtype=torch.float64)
    for row, known, found in zip(z, KNOWN, law.cdf(ends.expand(3, 3)), strict=True):
        both = known.clone()
        both[0] = True

        def log_joint(x, row=row, both=both):
            full = row.repeat(len(x), 1)
            full[:, 0] = x
            return prior.log_prob_marginal(full, both.expand_as(full))

        below = [integrated(log_joint, T.clamp_max(torch.asinh(end).item())) for end in ends]
        expected = torch.stack(below) / integrated(log_joint)
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


@every_prior
def test_quantiles_of_a_law_undo_its_cumulative_distribution(build):
    prior = moved(build, 3)
    law = prior.law_given(torch.where(KNOWN, rows(3, 3), math.nan), KNOWN, 0)
    levels = torch.tensor([1e-6, 0.1, 0.5, 0.9, 1 - 1e-6], dtype=torch.float64).expand(3, 5)
    torch.testing.assert_close(law.cdf(law.quantile(levels)), levels, rtol=0, atol=1e-9)


@every_prior
def test_draws_of_a_law_are_spread_as_it_says(build):
    n, prior = 4000, moved(build, 3)
    z, known = rows(1, 3).repeat(n, 1), KNOWN[1].expand(n, 3)
    law = prior.law_given(z, known, 0)
    drawn = law.draw(torch.Generator().manual_seed(0))
    heights = law.cdf(drawn[:, None])[:, 0].sort().values
    even = (torch.arange(n) + 0.5) / n
    # The 0.1 % point of Kolmogorov's distribution.
    assert (heights - even).abs().max() < 1.95 / math.sqrt(n)


@every_prior
def test_laws_given_far_off_values_are_laws(build):
    prior = moved(build, 3)
    z = torch.tensor([[math.nan, 1e200, 0.0]], dtype=torch.float64)
    heights = prior.law_given(z, ~z.isnan(), 0).cdf(torch.tensor([[-1.0, 0.0]]).double())
    assert not heights.isnan().any()


def test_a_known_column_has_no_law():
    z = torch.zeros(1, 2)
    with pytest.raises(InvalidParameterError, match="column 0 is given"):
        p.Normal(2).law_given(z, torch.tensor([[True, False]]), 0)


class Shifted(p.Normal):
    """A density of its own, whose laws are not those that it inherits."""

    def _log_prob(self, z):
        return super()._log_prob(z - 1)


def test_a_density_of_its_own_inherits_no_laws():
    z = torch.zeros(1, 2)
    assert p.Normal(2).has_conditionals
    assert not Shifted(2).has_conditionals
    with pytest.raises(NoMarginalError, match="has_conditionals"):
        Shifted(2).law_given(z, z > 0, 0)
    assert p.Normal(2).gaussians() is not None
    assert Shifted(2).gaussians() is None
    assert Flow(LULinear(2), p.Normal(2)).unmixed() is not None
    assert Flow(LULinear(2), Shifted(2)).unmixed() is None


@every_prior
def test_gaussians_make_up_the_density(build):
    prior = moved(build, 3)
    found = prior.gaussians()
    if found is None:
        pytest.skip("is no mixture of Gaussians")
    log_weights, means, factors = found
    z = rows(20, 3)
    white = torch.einsum("nkd,kde->nke", z[:, None] - means, factors.expand(len(means), -1, -1))
    log_norm = torch.linalg.slogdet(factors)[1] - 1.5 * math.log(2 * math.pi)
    expected = (log_weights + log_norm - 0.5 * white.square().sum(2)).logsumexp(1)
    torch.testing.assert_close(prior.log_prob(z), expected)
