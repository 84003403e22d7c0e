"""Marginals of flows: exact where the map mixes no columns and the prior has marginals."""

from __future__ import annotations

import math

import torch

from flowkit import bijections as b
from flowkit import priors as p
from flowkit.modules import Flow, KernelFlow

from ..table import NET
from ..tensors import perturbed


def test_the_marginal_of_a_flow_is_the_integral_of_its_density():
    flow = perturbed(Flow(b.SinhArcsinh(2), p.GaussianMixture(2, 3))).requires_grad_(False)
    t = torch.linspace(-14, 14, 20_001, dtype=torch.float64)
    x = torch.sinh(t)
    rows = torch.stack((torch.full_like(x, 0.4), x), 1)
    expected = torch.trapezoid(flow.log_prob(rows).exp() * torch.cosh(t), t)
    z = torch.tensor([[0.4, math.nan]], dtype=torch.float64)
    torch.testing.assert_close(
        flow.log_prob_marginal(z, ~z.isnan()).exp(), expected[None], rtol=1e-4, atol=0
    )


def test_marginals_need_a_map_of_columns_and_a_prior_that_has_them():
    assert Flow(b.ElementwiseAffine(2), p.Laplace(2)).has_marginals
    assert not Flow(b.SplineCoupling(2, **NET), p.Laplace(2)).has_marginals
    assert not KernelFlow(b.ElementwiseAffine(2), p.Kernel(2, 5)).has_marginals
