"""Marginals and conditionals of priors, against numerical integration."""

from __future__ import annotations

import math

import pytest
import torch

from flowkit import priors as p
from flowkit.exceptions import FlowkitError, InvalidParameterError, NoMarginalError, ShapeError

from ..table import PRIORS
from ..tensors import perturbed

every_prior = pytest.mark.parametrize("build", PRIORS.values(), ids=PRIORS)
# Sinh-spaced points reach far into heavy tails and stay dense in the middle.
T = torch.linspace(-16, 16, 20_001, dtype=torch.float64)
COARSE = torch.linspace(-9, 9, 301, dtype=torch.float64)
KNOWN = [(True, False, True), (False, True, True), (True, False, False)]


def moved(build, d):
    return perturbed(build(d), 0.2).requires_grad_(False)


def rows(n, d, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, dtype=torch.float64, generator=generator)


def integrated(function, t=T):
    """Integral of the exponential of a function of numbers over all numbers."""
    return torch.trapezoid((function(torch.sinh(t))).exp() * torch.cosh(t), t)


@every_prior
def test_a_marginal_integrates_to_one(build):
    prior = moved(build, 3)
    for column in range(3):

        def log_marginal(x, column=column):
            z = torch.full((len(x), 3), math.nan, dtype=torch.float64)
            z[:, column] = x
            return prior.log_prob_marginal(z, ~z.isnan())

        assert integrated(log_marginal).item() == pytest.approx(1, abs=1e-3)


@every_prior
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_marginal_is_the_integral_of_the_joint_density(build, column):
    prior, known = moved(build, 3), torch.arange(3) != column
    for row in rows(3, 3):

        def log_joint(x, row=row):
            z = row.repeat(len(x), 1)
            z[:, column] = x
            return prior.log_prob(z)

        marginal = prior.log_prob_marginal(row[None], known[None])
        assert marginal.exp().item() == pytest.approx(integrated(log_joint).item(), rel=1e-4)


@every_prior
def test_a_conditional_integrates_to_one(build):
    prior = moved(build, 3)
    x, weight = torch.sinh(COARSE), torch.cosh(COARSE)
    grid = torch.cartesian_prod(x, x)
    for column in (0, 2):
        z = torch.full((len(grid), 3), 0.7, dtype=torch.float64)
        known = torch.arange(3) == column
        z[:, ~known] = grid
        density = prior.log_prob_conditional(z, known.expand_as(z)).exp().view(len(x), -1)
        total = torch.trapezoid(torch.trapezoid(density * weight, COARSE) * weight, COARSE)
        assert total.item() == pytest.approx(1, abs=5e-3)


@every_prior
@pytest.mark.parametrize("known", KNOWN, ids=str)
def test_marginal_and_conditional_make_the_joint_density(build, known):
    prior, z = moved(build, 3), rows(20, 3)
    known = torch.tensor(known).expand_as(z)
    product = prior.log_prob_marginal(z, known) + prior.log_prob_conditional(z, known)
    torch.testing.assert_close(product, prior.log_prob(z))


@every_prior
def test_all_known_is_the_joint_and_nothing_known_is_certain(build):
    prior, z = moved(build, 3), rows(20, 3)
    every = torch.ones_like(z, dtype=torch.bool)
    torch.testing.assert_close(prior.log_prob_marginal(z, every), prior.log_prob(z))
    torch.testing.assert_close(prior.log_prob_conditional(z, ~every), prior.log_prob(z))
    assert (prior.log_prob_marginal(z, ~every) == 0).all()
    assert (prior.log_prob_conditional(z, every) == 0).all()


@every_prior
def test_rows_with_different_holes_are_scored_as_they_are_alone(build):
    prior, z = moved(build, 4), rows(60, 4)
    known = torch.rand(60, 4, generator=torch.Generator().manual_seed(0)) < 0.6
    z = torch.where(known, z, math.nan)
    together = prior.log_prob_marginal(z, known)
    alone = [prior.log_prob_marginal(z[i : i + 1], known[i : i + 1]) for i in range(60)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-10)
    assert prior.log_prob_marginal(z[:0], known[:0]).shape == (0,)


@every_prior
def test_far_off_rows_have_marginals_that_are_no_nan(build):
    prior = moved(build, 2)
    z = torch.tensor([[1e200, math.nan], [math.nan, -1e200]], dtype=torch.float64)
    assert not prior.log_prob_marginal(z, ~z.isnan()).isnan().any()


@every_prior
def test_gradients_of_marginals_are_finite(build):
    prior, z = perturbed(build(3), 0.2), rows(10, 3).requires_grad_()
    known = torch.tensor(KNOWN).repeat(4, 1)[:10]
    prior.log_prob_marginal(z, known).sum().backward()
    assert torch.isfinite(z.grad).all()
    assert (z.grad[~known] == 0).all()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


@every_prior
def test_shares_of_columns_sum_to_the_joint_density(build):
    prior, z = moved(build, 3), rows(10, 3)
    shares = prior.log_prob_by_column(z)
    assert shares.shape == z.shape
    torch.testing.assert_close(shares.sum(1), prior.log_prob(z))


@every_prior
def test_other_shapes_are_refused(build):
    prior, z = build(3), torch.zeros(5, 3)
    with pytest.raises(ShapeError, match=r"\(n, 3\), got \(5, 2\)"):
        prior.log_prob_marginal(z[:, :2], z > 0)
    with pytest.raises(ShapeError, match=r"\(n, 3\), got \(3,\)"):
        prior.log_prob_marginal(z, z[0] > 0)


@every_prior
def test_all_columns_of_a_prior_are_that_prior(build):
    prior, z = moved(build, 3), rows(10, 3)
    whole = prior.marginal(torch.arange(3))
    assert whole is not prior
    torch.testing.assert_close(whole.log_prob(z), prior.log_prob(z))


class Ring(p.Prior):
    """A density whose marginals have no closed form."""

    def _log_prob(self, z):
        return -((z.norm(dim=1) - 1) ** 2)


def test_a_prior_without_marginals_says_so():
    ring, z = Ring(2), torch.zeros(3, 2)
    assert not ring.has_marginals
    with pytest.raises(NoMarginalError, match=r"Ring has no marginals.*has_marginals") as caught:
        ring.log_prob_marginal(z, z == 0)
    assert isinstance(caught.value, (FlowkitError, TypeError))
    with pytest.raises(InvalidParameterError, match="1 of the 2 columns of Ring"):
        ring.marginal(torch.tensor([0]))
    assert not p.Product([p.Normal(1), Ring(2)], [[1], [0, 2]]).has_marginals


def test_a_child_with_a_density_of_its_own_does_not_inherit_marginals():
    class Tilted(p.GaussianMixture):
        def _log_prob(self, z):
            return super()._log_prob(z) - z.sum(1)

    class Renamed(p.GaussianMixture):
        pass

    assert Renamed(2, 2).has_marginals
    assert not Tilted(2, 2).has_marginals
