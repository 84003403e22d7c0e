"""Renormalization-group lattices: their layout, their cones, their Jacobians."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowkit import bijections as b
from flowkit.bijections.lattice_layout import ABSENT, lattice_layout
from flowkit.exceptions import InvalidParameterError, ShapeError
from flowkit.nets import SwishResNet

from ..tensors import perturbed, rows_in

SHAPES = [(1,), (2,), (5,), (13,), (32,), (8, 8), (5, 7), (4, 32), (28, 28)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_boundary = pytest.mark.parametrize("periodic", [True, False])


# The layout
def published_blocks(edge, level, shifted, kernel_size=4):
    """Sites of the blocks of a sub-layer, by the formula of the published code."""
    dilation = 2**level
    stride = kernel_size * dilation
    offset = stride // 2 if shifted else 0
    steps = range(edge // stride)
    local = range(kernel_size)

    def along(block):
        return [(block * stride + a * dilation + offset) % edge for a in local]

    return [[edge * i + j for i in along(p) for j in along(q)] for p in steps for q in steps]


@pytest.mark.parametrize("edge", [4, 8, 16, 32])
def test_layout_of_powers_of_two_is_the_published_one_site_by_site(edge):
    layout = lattice_layout((edge, edge), 4, periodic=True)
    assert layout.n_levels == int(math.log2(edge / 4)) + 1
    for i, sublayer in enumerate(layout.sublayers):
        published = published_blocks(edge, i // 2, bool(i % 2))
        assert sublayer.blocks.shape == (len(published), 16)
        for block, expected in zip(sublayer.blocks, published, strict=True):
            # The colours of the checkerboard come one after the other, else the order is theirs.
            even = [site for k, site in enumerate(expected) if (k // 4 + k % 4) % 2 == 0]
            odd = [site for site in expected if site not in even]
            assert block.tolist() == even + odd


def test_latents_leave_at_the_published_sites():
    levels = lattice_layout((32, 32), 4, periodic=True).levels
    assert np.bincount(levels).tolist() == [768, 192, 48, 16]
    rows, columns = np.nonzero(levels.reshape(32, 32) == 3)
    assert sorted(set(rows)) == sorted(set(columns)) == [0, 8, 16, 24]
    assert np.bincount(lattice_layout((64, 64), 4, True).levels).tolist() == [
        3072,
        768,
        192,
        48,
        16,
    ]


@every_shape
@every_boundary
@pytest.mark.parametrize("kernel_size", [2, 3, 4])
def test_every_sublayer_covers_its_lattice_once_and_leaves_latents_alone(
    shape, periodic, kernel_size
):
    layout = lattice_layout(shape, kernel_size, periodic)
    for sublayer in layout.sublayers:
        sites = sublayer.blocks[sublayer.blocks != ABSENT]
        on_lattice = np.all(
            [axis % 2**sublayer.level == 0 for axis in np.indices(shape)], axis=0
        ).ravel()
        assert sorted(sites) == np.flatnonzero(on_lattice).tolist()
        assert (layout.levels[sites] >= sublayer.level).all()
    # The last level ends in one block.
    assert len(layout.sublayers[-2].blocks) == 1
    assert layout.levels.max() == layout.n_levels - 1


def cone_sizes(layout, edge, size, step=1):
    """Latents in the cones of square patches, one for each position."""
    counts = []
    for i in range(0, edge, step):
        for j in range(0, edge, step):
            patch = np.zeros((edge, edge), dtype=bool)
            patch[np.ix_(np.arange(i, i + size) % edge, np.arange(j, j + size) % edge)] = True
            reached = np.append(patch, False)
            for sublayer, blocks in zip(layout.sublayers, layout.cone(patch.ravel()), strict=True):
                reached[sublayer.blocks[blocks]] = True
            counts.append(reached[:-1].sum())
    return counts


@pytest.mark.parametrize(("size", "mean", "low", "high"), [
    (1, 220, 220, 220), (4, 291.4375, 220, 364), (8, 412.9375, 280, 448), (16, 652.75, 556, 688),
])  # fmt: skip
def test_inference_cones_have_the_sizes_known_for_32_by_32(size, mean, low, high):
    layout = lattice_layout((32, 32), 4, periodic=True)
    counts = cone_sizes(layout, 32, size)
    assert (np.mean(counts), min(counts), max(counts)) == (mean, low, high)


@pytest.mark.parametrize(
    ("edge", "size", "mean", "low", "high"),
    [
        (16, 1, 112, 112, 112),
        (16, 4, 155, 112, 172),
        (16, 8, 233, 172, 256),
        (64, 1, 364, 328, 412),
    ],
)
def test_inference_cones_grow_with_the_logarithm(edge, size, mean, low, high):
    counts = cone_sizes(lattice_layout((edge, edge), 4, periodic=True), edge, size, step=edge // 16)
    assert np.mean(counts) == pytest.approx(mean, rel=0.01)
    assert low <= min(counts)
    assert max(counts) <= high


# The bijection
def test_networks_have_as_many_parameters_as_those_published():
    net = SwishResNet(48, hidden_units=512, n_res_blocks=4)
    assert sum(p.numel() for p in net.parameters()) == 1_258_096
    # One layer of a block: a network of scales and one of shifts.
    lattice = b.Lattice(3 * 16, image_shape=(4, 4, 3), n_layers=1, hidden_units=512, n_res_blocks=4)
    assert sum(p.numel() for p in lattice.bijectors[0].parameters()) == 2_516_192


@pytest.mark.parametrize("coupling", ["affine", "spline"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_inverse_of_images_is_exact(coupling, dtype, tolerance):
    lattice = b.Lattice(768, image_shape=(16, 16, 3), coupling=coupling, hidden_units=16)
    lattice = perturbed(lattice, 0.05 if coupling == "affine" else 0.01).to(dtype)
    x = rows_in("real", 4, 768).to(dtype)
    with torch.no_grad():
        z, log_det = lattice(x)
        back, back_log_det = lattice.inverse(z)
    assert (z - x).abs().max() > 0.1
    torch.testing.assert_close(back, x, rtol=0, atol=tolerance)
    torch.testing.assert_close(back_log_det, -log_det, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize(
    ("d", "options"),
    [
        (64, {"image_shape": (8, 8)}),
        (30, {"image_shape": (5, 3, 2), "boundary": "open", "coupling": "spline"}),
        (13, {"kernel_size": 3, "share_levels": True}),
    ],
    ids=str,
)
def test_shares_of_levels_and_columns_are_those_of_the_jacobian(d, options):
    lattice = perturbed(b.Lattice(d, hidden_units=8, n_layers=1, **options), 0.05)
    x = rows_in("real", 3, d)
    z, shares = lattice.log_det_map(x)
    torch.testing.assert_close(z, lattice(x)[0])
    assert shares.shape == (3, lattice.n_levels, d)
    for row, share in zip(x, shares, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda r: lattice(r[None])[0][0], row)
        assert share.sum().item() == pytest.approx(jacobian.slogdet()[1].item(), abs=1e-9)
    # A latent that has left has no share in later levels.
    for level in range(lattice.n_levels):
        assert (shares[:, level, lattice.levels < level] == 0).all()


def test_a_layer_is_two_checkerboard_couplings_of_the_same_networks():
    """Against the published formula, written out for one block."""
    lattice = perturbed(b.Lattice(16, image_shape=(4, 4), n_layers=1, hidden_units=8), 0.5)
    lattice.bijectors[1].nets[0].net.scale.data.zero_()
    blocks, bijector = lattice.steps()[0]
    x = rows_in("real", 5, 16)
    order = blocks.columns[:, 0]
    left = torch.tensor([(k // 4 + k % 4) % 2 == 0 for k in order]).double()
    values = x[:, order]

    def nets(masked):
        s, t = bijector.nets[0].net(masked.t())
        return torch.tanh(s.t()), t.t()

    total = 0.0
    for kept in (left, 1 - left):
        s, t = nets(kept * values)
        values = kept * values + (1 - kept) * (values * s.exp() + t)
        total = total + ((1 - kept) * s).sum(1)
    z, log_det = lattice(x)
    torch.testing.assert_close(z[:, order], values)
    torch.testing.assert_close(log_det, total)


def test_levels_can_share_their_bijectors():
    lattice = b.Lattice(32, share_levels=True, hidden_units=8)
    assert len(lattice.bijectors) == 2 < len(lattice.sublayers)
    with pytest.raises(InvalidParameterError, match="as many layers on every level"):
        b.Lattice(32, share_levels=True, n_layers=[1, 2, 1, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (3, 3)}, "has 9 values, but rows have 16"),
        ({"kernel_size": 1}, "kernel_size must be at least 2, got 1"),
        ({"boundary": "mirror"}, "boundary must be 'periodic' or 'open', got 'mirror'"),
        ({"coupling": "linear"}, "coupling must be 'affine' or 'spline', got 'linear'"),
        ({"n_layers": [1, 2]}, "list of 3 of them"),
        ({"n_layers": 0}, "int of at least 1"),
        ({"hidden_units": 0}, "hidden_units must be at least 1, got 0"),
    ],
)
def test_lattices_that_cannot_be_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        b.Lattice(16, **options)


def test_gradient_checkpointing_changes_no_gradient():
    x = torch.randn(8, 64)
    gradients, sizes = [], []
    for checkpointing in (False, True):
        lattice = b.Lattice(
            64,
            image_shape=(8, 8),
            hidden_units=8,
            gradient_checkpointing=checkpointing,
            generator=torch.Generator().manual_seed(0),
        )
        with torch.no_grad():
            for parameter in lattice.parameters():
                parameter.add_(0.1)
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: (kept.append(t.numel()), t)[1], lambda t: t
        ):
            z, log_det = lattice(x)
        sizes.append(sum(kept))
        (z.square().sum() - log_det.sum()).backward()
        gradients.append([p.grad for p in lattice.parameters()])
    assert sizes[1] < 0.7 * sizes[0]
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


# The cone
@pytest.mark.parametrize(
    ("d", "options"),
    [
        (256, {"image_shape": (16, 16)}),
        (98, {"image_shape": (7, 7, 2), "boundary": "open", "coupling": "spline"}),
        (21, {"kernel_size": 3}),
    ],
    ids=str,
)
def test_cone_gives_what_the_whole_lattice_gives(d, options):
    lattice = perturbed(b.Lattice(d, hidden_units=8, n_layers=1, **options), 0.05)
    rng = np.random.default_rng(0)
    hole = np.zeros(d, dtype=bool)
    hole[rng.choice(d // 3, 4, replace=False)] = True
    cone = lattice.cone(hole)
    assert len(cone.columns) < d
    for wrong in (hole[:-1], hole.astype(float)):
        with pytest.raises(ShapeError, match=f"must be {d} bools"):
            lattice.cone(wrong)
    before, values = rows_in("real", 5, d), rows_in("real", 5, 4, seed=3)
    after = before.clone()
    after[:, cone.hole] = values
    with torch.no_grad():
        kept, latents = cone.frame(before)
        z, log_det = cone.forward(values, kept)
        (z_before, full_before), (z_after, full_after) = lattice(before), lattice(after)
        torch.testing.assert_close(latents, z_before[:, cone.columns])
        torch.testing.assert_close(z, z_after[:, cone.columns])
        outside = np.setdiff1d(np.arange(d), cone.columns)
        assert torch.equal(z_after[:, outside], z_before[:, outside])
        change = cone.forward(before[:, cone.hole], kept)[1] - log_det
        torch.testing.assert_close(change, full_before - full_after)
        torch.testing.assert_close(cone.inverse(z), values)
        # Any latents of the cone lead to the pixels that the whole lattice gives.
        moved = z + 0.3 * torch.randn_like(z)
        full = z_after.clone()
        full[:, cone.columns] = moved
        torch.testing.assert_close(cone.inverse(moved), lattice.inverse(full)[0][:, cone.hole])
