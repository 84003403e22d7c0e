"""Bijections that take more than a constructor to build."""

from __future__ import annotations

import torch

from flowkit import bijections as b

NET = {"hidden_units": 16, "n_hidden_layers": 2}


def two_steps(d):
    return b.Compose([b.LULinear(d), b.SplineCoupling(d, **NET), b.Permutation(d)])


def bent(d):
    """Bent in the first column, and where there are more not in the last."""
    bijection = b.Arcsinh(d)
    one = torch.ones(d)
    bijection.start(-0.5 * one, 0.1 * one, one, 2 * one, torch.arange(d) <= max(0, d - 2))
    return bijection


def predicting(d, **options):
    """A lattice whose blocks predict some of their values from others."""
    lattice = b.Lattice(d, hidden_units=8, n_layers=1, n_predicting=9, **options)
    generator = torch.Generator().manual_seed(0)
    for bijector in lattice.bijectors:
        prediction = bijector.prediction
        weight = torch.randn(prediction.weight.shape, generator=generator).tril(-1)
        weight[: prediction.n_staying] = 0
        prediction.weight.copy_(0.3 * weight)
        prediction.bias.copy_(0.1 * torch.arange(len(weight)))
        prediction.log_scale[prediction.n_staying :] = -0.2
    return lattice


def lifting(**options):
    """Images of one row, or of two by two pixels, whose neighbours predict each other."""

    def build(d):
        shape = (2, d // 2) if d % 2 == 0 else (1, d)
        lifting = b.Lifting(d, shape, hidden_units=8, **options)
        generator = torch.Generator().manual_seed(0)
        for phase in lifting.phases:
            weight = torch.randn(phase.weight.shape, generator=generator)
            phase.weight.copy_(0.1 * weight * phase.mask)
            phase.steer[:, :, 0] = 0.3 * torch.randn(phase.steer.shape[:2], generator=generator)
            phase.boxes.fill_(0.2)
        return lifting

    return build
