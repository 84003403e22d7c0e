"""Cones of liftings: what holes change, each row with one of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowkit.bijections import Lifting
from flowkit.exceptions import ShapeError

from ..tensors import rows_in
from .test_lifting import lifting_of

SHAPES = [(1, 6), (7, 1), (3, 5), (9, 11), (4, 4, 3), (5, 3, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES)
OPTIONS = {"mixture": {"n_boxes": 1}, "affine": {"n_components": 0}}
every_map = pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))


def cone_of(shape, options, n=4, seed=0):
    """A lifting, rows, holes of about a third of each but for one without any, and their cone."""
    d = math.prod(shape)
    masks = np.random.default_rng(seed).random((n, d)) < 0.3
    masks[0, 0], masks[1] = True, False
    lifting = lifting_of(shape, **options)
    return lifting, rows_in("real", n, d), masks, lifting.cone(masks)


def with_values(x, cone, values):
    changed = x.clone()
    changed.view(-1)[cone.hole] = values
    return changed


@every_map
@every_shape
def test_a_cone_maps_holes_as_the_whole_does(shape, options):
    lifting, x, _, cone = cone_of(shape, options)
    values = torch.randn(len(cone.hole), 3, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        kept = cone.frame(x)
        latents, log_slopes = cone.forward(values, kept)
        _, before = cone.forward(x.reshape(-1)[cone.hole, None], kept)
        z, log_det = lifting(x)
        for j in range(3):
            changed, changed_log_det = lifting(with_values(x, cone, values[:, j]))
            torch.testing.assert_close(latents[:, j], changed.reshape(-1)[cone.latents])
            torch.testing.assert_close(
                log_slopes[:, j] - before[:, 0], changed_log_det - log_det, rtol=1e-9, atol=1e-9
            )
            outside = torch.ones(x.numel(), dtype=bool)
            outside[cone.latents] = False
            assert torch.equal(z.reshape(-1)[outside], changed.reshape(-1)[outside])


@every_map
@every_shape
def test_latents_of_holes_come_back(shape, options):
    _, x, masks, cone = cone_of(shape, options)
    assert sorted(cone.hole.tolist()) == np.flatnonzero(masks).tolist()
    with torch.no_grad():
        kept = cone.frame(x)
        values = x.reshape(-1)[cone.hole, None]
        latents, log_slopes = cone.forward(values, kept)
        back, every, known = cone.inverse(latents[cone.hole_latents], kept)
    torch.testing.assert_close(back, values, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(every, latents, rtol=1e-6, atol=1e-6)
    # What the hole adds is left out.
    own = torch.zeros_like(known)
    rows, (z, step) = cone.rows, (latents[cone.hole_latents], 1e-5)
    for i in range(len(cone.hole)):
        moved = values.clone()
        moved[i] += step
        with torch.no_grad():
            own[rows[i]] += ((cone.forward(moved, kept)[0][cone.hole_latents] - z)[i] / step).log()
    torch.testing.assert_close(log_slopes, known + own, rtol=1e-3, atol=1e-3)


@every_shape
def test_what_holes_held_has_no_say(shape):
    _, x, masks, cone = cone_of(shape, {})
    other = torch.where(torch.from_numpy(masks), 5.0, x)
    values = torch.zeros(len(cone.hole), 1).double()
    with torch.no_grad():
        one, another = (cone.forward(values, cone.frame(rows)) for rows in (x, other))
    for found, expected in zip(one, another, strict=True):
        torch.testing.assert_close(found, expected)


def test_rows_do_not_know_of_each_other():
    lifting, x, masks, cone = cone_of((4, 4, 3), {"n_boxes": 1})
    values = torch.randn(len(cone.hole), 2, generator=torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        _, together = cone.forward(values, cone.frame(x))
        for i in (0, 2, 3):
            alone = lifting.cone(masks[i : i + 1])
            own = values[cone.rows == i]
            torch.testing.assert_close(
                alone.forward(own, alone.frame(x[i : i + 1]))[1][0], together[i]
            )


def test_cones_are_small_parts_of_large_images():
    lifting = lifting_of((64, 64))
    hole = np.zeros((1, 64, 64), dtype=bool)
    hole[0, 30:34, 29:33] = True
    n = len(lifting.cone(hole.reshape(1, -1)).latents)
    assert 100 < n < 0.75 * 64 * 64


@pytest.mark.parametrize("options", [{"n_components": 0}, {"n_components": 2}])
def test_links_are_the_linear_part_of_the_map(options):
    """Latents of holes whose networks and scales see nothing have these derivatives exactly."""
    lifting, x, _, _ = cone_of((5, 6), options)
    for parameter in lifting.parameters():
        parameter.data.zero_()
    for phase in lifting.phases:
        phase.steer[:, :, 1:] = 0.0
    masks = np.random.default_rng(3).random((4, 30)) < 0.3
    cone = lifting.cone(masks)
    kept, values, slopes = cone.frame(x), x.reshape(-1)[cone.hole, None], []
    with torch.no_grad():
        z = cone.forward(values, kept)[0]
        cone.inverse(z[cone.hole_latents], kept, slopes)
    by_value, by_location = (torch.cat(part)[:, 0] for part in zip(*slopes, strict=True))
    jacobian = torch.zeros(len(cone.latents), len(cone.hole)).double()
    links = cone.links
    change = links.weight * by_location[links.latent]
    jacobian.index_put_((links.latent, links.value), change, accumulate=True)
    jacobian[cone.hole_latents, torch.arange(len(cone.hole))] = by_value[cone.hole_latents]
    exact = torch.autograd.functional.jacobian(lambda v: cone.forward(v, kept)[0][:, 0], values)
    torch.testing.assert_close(jacobian, exact[:, :, 0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "masks",
    [
        np.zeros((2, 9), dtype=bool),
        np.ones((2, 8), dtype=bool),
        np.ones(9, dtype=bool),
        np.ones((2, 9)),
    ],
    ids=["no_hole", "width", "one_row", "floats"],
)
def test_masks_that_are_none_are_refused(masks):
    with pytest.raises(ShapeError, match="masks must be bools of shape"):
        Lifting(9, image_shape=(3, 3)).cone(masks)
