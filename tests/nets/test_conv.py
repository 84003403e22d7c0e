"""Convolutions: groups, neighbourhoods, dropout."""

from __future__ import annotations

import pytest
import torch

from flowkit.nets import ConvNet, set_generator

from ..tensors import perturbed
from .examples import normal, seeded


def _conv(n_groups, tied=False, **options):
    options = {"grid": (4, 6), "hidden_units": 5, "n_hidden_layers": 3, **options}
    return ConvNet(2 * 24, 3 * 24, n_groups, tied=tied, **options)


@pytest.mark.parametrize("tied", [False, True])
def test_convolutions_start_at_zero_and_treat_rows_alone(tied):
    net = _conv(4, tied).train()
    out = net(normal(4, 48, 7, dtype=torch.float32))
    assert torch.equal(out, torch.zeros(4, 72, 7))
    net = perturbed(net)
    x = normal(4, 48, 7)
    torch.testing.assert_close(net(x)[:, :, 2:3], net(x[:, :, 2:3]))
    assert net(x[:, :, :0]).shape == (4, 72, 0)


@pytest.mark.parametrize("tied", [False, True])
def test_groups_of_convolutions_are_networks_of_their_own(tied):
    net = perturbed(_conv(4, tied))
    x = normal(4, 48, 7)
    out = net(x)
    for group in range(4):
        alone = _conv(1).double().eval()
        state = {}
        for name, value in net.state_dict().items():
            size = alone.state_dict()[name].shape[0]
            shared = tied and name != "bias"
            state[name] = value if shared else value[group * size : (group + 1) * size]
        alone.load_state_dict(state)
        torch.testing.assert_close(out[group : group + 1], alone(x[group : group + 1]))


def test_convolutions_see_their_neighbourhood_in_the_order_channel_row_column():
    net = perturbed(ConvNet(2 * 63, 3 * 63, grid=(7, 9), hidden_units=5, n_hidden_layers=1))
    x = normal(1, 126, 1)
    shifted = x.clone()
    shifted[0, 63 + 3 * 9 + 4] += 1.0
    change = (net(shifted) - net(x)).view(3, 7, 9).abs().sum(0) > 0
    # Two layers of width three reach two pixels.
    expected = torch.zeros(7, 9, dtype=torch.bool)
    expected[1:6, 2:7] = True
    assert torch.equal(change, expected)


def test_convolutions_drop_units_by_their_generator():
    net = _conv(2, dropout=0.5, generator=seeded()).train()
    with torch.no_grad():
        net.last.weight.fill_(1.0)
    outs = []
    for seed in (0, 0, 1):
        set_generator(net, seeded(seed))
        outs.append(net(normal(2, 48, 5, dtype=torch.float32)))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
