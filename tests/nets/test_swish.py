"""Swish networks and their weight norm."""

from __future__ import annotations

import torch

from flowkit.nets import SwishResNet
from flowkit.nets.swish import Swish, WeightNormLinear, without_weight_norm

from ..tensors import perturbed


def test_swish_has_the_gradient_of_its_formula():
    swish = Swish(2, 3).double()
    with torch.no_grad():
        swish.slope.copy_(torch.tensor([1.0, -0.5, 0.0, 2.0, 1.5, -3.0]).view(2, 3, 1))
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, slope: swish(x), (x, swish.slope))
    expected = x * torch.sigmoid(swish.slope * x)
    torch.testing.assert_close(swish(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(swish(x), expected)


def test_weight_norm_separates_length_and_direction():
    layer = WeightNormLinear(5, 3, 2)
    with torch.no_grad():
        layer.length.fill_(2.0)
        layer.direction.mul_(7.0)
    torch.testing.assert_close(layer.weight().norm(dim=2), torch.full((2, 3), 2.0))
    net = perturbed(SwishResNet(5, 2, hidden_units=4), 0.3)
    plain = without_weight_norm(net)
    assert not any(isinstance(m, WeightNormLinear) for m in plain.modules())
    assert not any(p.requires_grad for p in plain.parameters())
    x = torch.randn(5, 6, dtype=torch.float64)
    torch.testing.assert_close(plain(x), net(x))
