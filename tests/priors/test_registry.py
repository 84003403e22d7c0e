"""Priors by name: each name builds, and estimators take exactly the names there are."""

from __future__ import annotations

import pytest
import torch

from flowkit import FlowDensity, RGFlowDensity
from flowkit import priors as p
from flowkit.priors.registry import FACTORISED, PRIORS, build_prior

OFFERED = {"n_components": 3, "covariance": "diag", "n_centres": 7, "bandwidth_factor": None}


@pytest.mark.parametrize("name", PRIORS)
def test_every_name_builds_a_prior_that_can_be_drawn_from(name):
    prior = build_prior(name, 2, **OFFERED)
    draws = prior.sample(5, torch.Generator().manual_seed(0))
    assert torch.isfinite(prior.log_prob(draws)).all()
    assert isinstance(prior, p.LocationScale) == (name in FACTORISED)


def test_options_reach_the_constructors_that_take_them():
    mixture, kernel = (
        build_prior("gaussian_mixture", 2, **OFFERED),
        build_prior("kernel", 2, **OFFERED),
    )
    assert (mixture.n_components, mixture.covariance) == (3, "diag")
    assert (len(kernel.centres), kernel.bandwidth_factor) == (7, 1.0)


@pytest.mark.parametrize("name", ["laplace", "normal"])
def test_named_factors_have_unit_variance(name):
    draws = build_prior(name, 1).sample(100_000, torch.Generator().manual_seed(0))
    assert draws.var().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("estimator", "names"), [(FlowDensity, PRIORS), (RGFlowDensity, FACTORISED)]
)
def test_estimators_name_what_there_is_where_a_name_is_wrong(estimator, names):
    with pytest.raises(ValueError, match="prior") as caught:
        estimator(prior="nonsense").fit(torch.randn(30, 2).numpy())
    assert all(repr(name) in str(caught.value) for name in names)
