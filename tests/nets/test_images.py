"""Convolutional encoders and decoders."""

from __future__ import annotations

import math

import pytest
import torch

from flowkit.nets import ConvDecoder, ConvEncoder

from ..tensors import perturbed
from .examples import seeded


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 3), (3, 2, 1), (28, 28, 1)])
def test_convolutional_networks_keep_groups_and_rows_apart(shape):
    d = math.prod(shape)
    encoder = perturbed(ConvEncoder(shape, 4, 3, hidden_units=8, generator=seeded()), 0.1)
    x = torch.randn(3, d, 5, dtype=torch.float64, generator=seeded(1))
    out = encoder(x)
    assert out.shape == (3, 4, 5)
    changed = x.clone()
    changed[1, :, 2] += 1
    moved = (encoder(changed) != out).any(1)
    assert moved.nonzero().tolist() == [[1, 2]]
    decoder = perturbed(ConvDecoder(6, shape, 2, hidden_units=8, generator=seeded()), 0.1)
    z = torch.randn(5, 6, dtype=torch.float64, generator=seeded(2))
    assert decoder(z).shape == (5, 2 * d)
    torch.testing.assert_close(decoder(z[:2]), decoder(z)[:2])


def test_convolutional_decoder_places_pixels_where_they_belong():
    """A bias of one pixel changes that value of the row, channels last."""
    shape = (4, 6, 3)
    decoder = ConvDecoder(2, shape, hidden_units=4)
    image = torch.arange(72.0)
    with torch.no_grad():
        decoder.bias.copy_(image)
    torch.testing.assert_close(decoder(torch.zeros(1, 2))[0], image)
    encoder = ConvEncoder(shape, 1, hidden_units=4, n_hidden_layers=1)
    with torch.no_grad():
        encoder.last.weight.fill_(1.0)
        encoder.convolutions[0].weight.zero_()
        # The second channel alone, at the centre of the kernel.
        encoder.convolutions[0].weight[:, 1, 1, 1] = 1.0
    x = torch.rand(72, generator=seeded())
    expected = 4 * x.view(shape)[::2, ::2, 1].sum()
    torch.testing.assert_close(encoder(x[None, :, None])[0, 0, 0], expected)
