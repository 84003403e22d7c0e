"""Pixels given earlier neighbours: one law, drawn and scored, with the covariance that it has."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from flowkit import modules as m
from flowkit import priors as p
from flowkit.exceptions import InvalidParameterError, ShapeError

from ..nets.examples import seeded
from ..tensors import perturbed

SHAPES = [(2, 2, 1), (2, 1, 2), (1, 4, 1)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
PIXELS = {
    "bernoulli": m.BernoulliLikelihood,
    "normal": lambda d: m.LocationScaleLikelihood(p.Normal(d), "predicted"),
    "normal_fixed": lambda d: m.LocationScaleLikelihood(p.Normal(d), 0.4),
    "student_t": lambda d: m.LocationScaleLikelihood(p.StudentT(d)),
    "discretized_logistic": lambda d: m.DiscretizedLogisticLikelihood(d, "predicted"),
}
every_pixel = pytest.mark.parametrize("name", PIXELS)


def made(name, shape, n=1, amount=0.3, **options):
    d = math.prod(shape)
    likelihood = m.NeighbourLikelihood(PIXELS[name](d), shape, **options)
    outputs = torch.randn(n, likelihood.n_outputs * d, generator=seeded(), dtype=torch.float64)
    return perturbed(likelihood, amount), outputs


@torch.no_grad()
@every_shape
def test_all_images_sum_to_one_and_are_drawn_as_often_as_scored(shape):
    likelihood, outputs = made("bernoulli", shape, amount=2.0)
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    mass = likelihood.log_prob(images, outputs.expand(16, -1)).exp()
    assert mass.sum().item() == pytest.approx(1.0)
    assert not torch.allclose(mass, likelihood.likelihood.log_prob(images, outputs).exp())
    n = 20_000
    draws = likelihood.sample(outputs.expand(n, -1), seeded())
    share = (draws[:, None] == images).all(2).double().mean(0)
    assert ((share - mass).abs() < 5 * (mass * (1 - mass) / n).sqrt() + 1e-9).all()


@torch.no_grad()
@every_shape
def test_with_a_given_scale_rows_are_normal_with_the_covariance_of_the_maps(shape):
    likelihood, outputs = made("normal_fixed", shape)
    n, d = 40_000, 4
    draws = likelihood.sample(outputs.expand(n, -1), seeded())
    unit = outputs + torch.eye(d, dtype=torch.float64)
    quiet = likelihood.likelihood.log_prob(outputs, outputs)
    effect = likelihood.log_prob(unit, outputs.expand(d, -1)) - quiet
    covariance = draws.T.cov()
    normal = torch.distributions.MultivariateNormal(outputs[0], covariance)
    torch.testing.assert_close(draws.mean(0), outputs[0], atol=0.02, rtol=0)
    torch.testing.assert_close(
        normal.log_prob(unit) - normal.log_prob(outputs), effect, atol=0.2, rtol=0.05
    )
    torch.testing.assert_close(likelihood.mean(outputs), outputs)
    assert (covariance - covariance.diag().diag()).abs().max() > 0.01


@torch.no_grad()
@every_pixel
def test_scores_of_draws_are_those_of_the_law_that_is_scored(name):
    """Importance weights of draws, against another law, have mean one."""
    likelihood, outputs = made(name, (2, 2, 1), amount=0.1)
    many = outputs.expand(20_000, -1)
    draws = likelihood.sample(many, seeded())
    ratio = (likelihood.likelihood.log_prob(draws, many) - likelihood.log_prob(draws, many)).exp()
    error = ratio.std() / math.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 5 * error
    assert error < 0.05
    assert ratio.std() > 0


@torch.no_grad()
@every_pixel
def test_at_first_pixels_are_independent(name):
    d = 6
    pixel = PIXELS[name](d).double()
    likelihood = m.NeighbourLikelihood(pixel, (2, 3, 1)).double()
    outputs = torch.randn(7, likelihood.n_outputs * d, generator=seeded(), dtype=torch.float64)
    draws = likelihood.sample(outputs, seeded(1))
    torch.testing.assert_close(draws, pixel.sample(outputs, seeded(1)))
    torch.testing.assert_close(likelihood.log_prob(draws, outputs), pixel.log_prob(draws, outputs))
    torch.testing.assert_close(likelihood.mean(outputs), pixel.mean(outputs))


@every_pixel
def test_training_moves_the_decoder_as_if_pixels_were_independent(name):
    likelihood, outputs = made(name, (2, 2, 1), n=5)
    outputs.requires_grad_()
    x = likelihood.sample(outputs.detach(), seeded()).detach()
    trained = likelihood.training_log_prob(x, outputs)
    torch.testing.assert_close(trained, likelihood.log_prob(x, outputs))
    (got,) = torch.autograd.grad(trained.sum(), outputs, retain_graph=True)
    (wanted,) = torch.autograd.grad(likelihood.likelihood.log_prob(x, outputs).sum(), outputs)
    torch.testing.assert_close(got, wanted)
    maps = list(likelihood.parameters(recurse=False))
    got = torch.autograd.grad(trained.sum(), maps)
    wanted = torch.autograd.grad(likelihood.log_prob(x, outputs).sum(), maps)
    torch.testing.assert_close(got, wanted)
    assert all((g != 0).any() for g in got)


def test_impossible_neighbours_are_refused():
    with pytest.raises(InvalidParameterError, match="radius must be at least 1, got 0"):
        m.NeighbourLikelihood(m.BernoulliLikelihood(4), (2, 2, 1), 0)
    with pytest.raises(ShapeError, match="6 values, the likelihood has 4 columns"):
        m.NeighbourLikelihood(m.BernoulliLikelihood(4), (2, 3, 1))
