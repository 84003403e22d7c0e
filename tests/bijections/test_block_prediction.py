"""Linear prediction within the blocks of a lattice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowkit.bijections import Lattice
from flowkit.exceptions import InvalidParameterError

from ..tensors import perturbed, rows_in

SHAPES = [
    (256, {"image_shape": (16, 16)}),
    (98, {"image_shape": (7, 7, 2), "boundary": "open"}),
    (75, {"image_shape": (5, 5, 3)}),
    (21, {"kernel_size": 2}),
    (21, {"kernel_size": 3}),
]
every_shape = pytest.mark.parametrize(("d", "options"), SHAPES, ids=str)


def predicting(d, scale=0.05, **options):
    """A lattice with random predictions in front of random couplings."""
    lattice = Lattice(d, hidden_units=8, n_layers=1, n_predicting=9, **options)
    generator = torch.Generator().manual_seed(0)
    for bijector in lattice.bijectors:
        prediction, staying = bijector.prediction, bijector.prediction.n_staying
        weight = torch.randn(prediction.weight.shape, generator=generator).tril(-1)
        weight[:staying] = 0
        prediction.weight.copy_(0.3 * weight)
        prediction.bias[staying:] = 0.1
        prediction.log_scale[staying:] = torch.linspace(-0.3, 0.2, len(weight) - staying)
    return perturbed(lattice, scale)


@every_shape
def test_what_goes_on_to_the_next_level_stays(d, options):
    lattice = predicting(d, 0.0, **options)
    x = rows_in("real", 4, d)
    columns = x.t()
    for blocks, bijector in lattice.steps():
        values, log_slope = bijector.prediction(blocks.of(columns), blocks.present)
        after, slopes = blocks.put(columns, values), blocks.put(columns, log_slope)
        goes_on = lattice.levels > blocks.level
        assert torch.equal(after[goes_on], columns[goes_on])
        assert (slopes[goes_on] == 0).all()
        columns = after
    moved = (columns.t() != x).all(0).numpy()
    if options.get("kernel_size") != 3:
        assert moved[lattice.levels == 0].mean() > 0.7


@every_shape
def test_inverse_is_exact_and_shares_are_those_of_the_jacobian(d, options):
    lattice = predicting(d, **options)
    x = rows_in("real", 3, d)
    with torch.no_grad():
        z, log_det = lattice(x)
        back, back_log_det = lattice.inverse(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(back_log_det, -log_det)
    shares = lattice.log_det_map(x)[1]
    for row, share in zip(x[:1], shares, strict=False):
        jacobian = torch.autograd.functional.jacobian(lambda r: lattice(r[None])[0][0], row)
        assert share.sum().item() == pytest.approx(jacobian.slogdet()[1].item(), abs=1e-9)


@every_shape
def test_cone_gives_what_the_whole_lattice_gives(d, options):
    lattice = predicting(d, **options)
    hole = np.zeros(d, dtype=bool)
    hole[np.random.default_rng(0).choice(d // 3, 4, replace=False)] = True
    cone = lattice.cone(hole)
    before, values = rows_in("real", 5, d), rows_in("real", 5, 4, seed=3)
    after = before.clone()
    after[:, cone.hole] = values
    with torch.no_grad():
        kept, _ = cone.frame(before)
        z, log_det = cone.forward(values, kept)
        whole, whole_log_det = lattice(after)
        torch.testing.assert_close(z, whole[:, cone.columns])
        torch.testing.assert_close(cone.inverse(z), values)
        change = cone.forward(before[:, cone.hole], kept)[1] - log_det
        torch.testing.assert_close(change, lattice(before)[1] - whole_log_det)
        outside = np.setdiff1d(np.arange(d), cone.columns)
        assert torch.equal(whole[:, outside], lattice(before)[0][:, outside])


def test_derivatives_along_latents_go_through():
    lattice = predicting(49, image_shape=(7, 7), boundary="open")
    z = rows_in("real", 1, 49)
    jacobian = torch.autograd.functional.jacobian(lambda r: lattice.inverse(r[None])[0][0], z[0])

    def derivative(direction):
        return torch.func.jvp(lambda z: lattice.inverse(z)[0], (z,), (direction[None],))[1][0]

    with torch.no_grad():
        found = torch.func.vmap(derivative, chunk_size=20)(torch.eye(49, dtype=z.dtype))
    torch.testing.assert_close(found.t(), jacobian)


def test_predictions_are_the_identity_until_they_are_set():
    plain, other = (Lattice(64, image_shape=(8, 8), hidden_units=4, n_predicting=n) for n in (0, 2))
    assert [bijector.prediction is None for bijector in plain.bijectors] == [True] * 4
    x = rows_in("real", 3, 64).float()
    torch.testing.assert_close(other(x)[0], x)
    finest = Lattice(64, image_shape=(8, 8), hidden_units=4, n_predicting=1)
    without = [bijector.prediction is None for bijector in finest.bijectors]
    assert without == [False, False, True, True]


def test_levels_that_share_bijectors_do_not_predict():
    with pytest.raises(InvalidParameterError, match="n_predicting=1 needs share_levels=False"):
        Lattice(64, image_shape=(8, 8), share_levels=True, n_predicting=1)
