"""Fractal bijections: their trees, the shares of nodes, and their definition."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from flowkit import bijections as b
from flowkit.bijections.tree import column_levels, image_levels
from flowkit.exceptions import InvalidParameterError

from ..table import NET
from ..tensors import context_for, perturbed, rows_in

KINDS = {
    "coupling": b.FractalCoupling,
    "coupling_kan": lambda *a, **kw: b.FractalCoupling(*a, conditioner="kan", **kw),
    "coupling_affine_tied": lambda *a, **kw: b.FractalCoupling(
        *a, coupling="affine", tied=True, **kw
    ),
    "autoregressive": b.FractalAutoregressive,
    "autoregressive_kan": lambda *a, **kw: b.FractalAutoregressive(*a, conditioner="kan", **kw),
}
every_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)


# The tree
@pytest.mark.parametrize("n_levels", [0, 1, 3])
@pytest.mark.parametrize("d", [1, 2, 3, 7, 16, 33])
def test_every_level_halves_the_nodes_of_the_one_before(d, n_levels):
    levels = column_levels(d, n_levels)
    assert len(levels) == min(n_levels + 1, math.ceil(math.log2(d)))
    nodes = [list(range(d))]
    for level in levels:
        split = [
            sorted([*left, *right]) for left, right in zip(level.left, level.right, strict=True)
        ]
        assert split == [node for node in nodes if len(node) > 1]
        assert all(abs(len(a) - len(c)) <= 1 for a, c in zip(level.left, level.right, strict=True))
        nodes = [
            half.tolist() for pair in zip(level.left, level.right, strict=True) for half in pair
        ]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_split_into_every_second_row_and_column(channels):
    levels = image_levels((8, 12, channels), 5)
    # 12 halves twice only.
    assert [(len(level.left), level.grid) for level in levels] == [
        (1, (4, 6)),
        (2, (4, 6)),
        (4, (2, 3)),
        (8, (2, 3)),
    ]
    pixels = np.arange(8 * 12 * channels).reshape(8, 12, channels)
    diagonal = np.stack([pixels[::2, ::2], pixels[1::2, 1::2]]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(levels[0].left[0], diagonal.ravel())
    # Each pixel of the right half has its four neighbours in the left one.
    left = set(levels[0].left[0] // channels)
    for i in range(1, 7):
        for j in range(1, 11):
            if (i + j) % 2:
                around = [(i + 1) * 12 + j, (i - 1) * 12 + j, i * 12 + j + 1, i * 12 + j - 1]
                assert left.issuperset(around)
    np.testing.assert_array_equal(levels[1].left[0], pixels[::2, ::2].transpose(2, 0, 1).ravel())
    for level in levels:
        columns = np.concatenate([*level.left, *level.right])
        np.testing.assert_array_equal(np.sort(columns), np.arange(pixels.size))


def test_odd_images_are_refused():
    with pytest.raises(InvalidParameterError, match="even height and width, got"):
        b.FractalCoupling(15, image_shape=(3, 5))


@every_kind
@pytest.mark.parametrize("d", [1, 2, 5, 8])
@pytest.mark.parametrize("n_context", [0, 3])
def test_shares_of_the_tree_sum_to_the_log_determinant(build, d, n_context):
    bijection = perturbed(build(d, n_context, **NET))
    x, context = rows_in("real", 50, d), context_for(n_context, 50)
    shares = bijection.log_det_tree(x, context)
    _, log_det = bijection(x, context)
    assert shares.shape == (50, len(bijection.nodes))
    torch.testing.assert_close(shares.sum(1), log_det, rtol=0, atol=1e-10)


@every_kind
def test_a_node_depends_on_its_own_columns_and_changes_only_them(build):
    """The Jacobian is that of a tree: a leaf's column is steered by what lies to its left."""
    bijection = perturbed(build(8, **NET))
    x = rows_in("real", 1, 8)[0]
    jacobian = torch.autograd.functional.jacobian(lambda row: bijection(row[None])[0][0], x)
    above = jacobian.triu(1)
    assert (above == 0).all()
    assert (jacobian.tril(-1) != 0).any()


@every_kind
def test_the_share_of_a_node_does_not_depend_on_what_lies_right_of_it(build):
    bijection = perturbed(build(8, n_levels=2, **NET))
    x = rows_in("real", 20, 8)
    changed = x.clone()
    changed[:, 4:] += 1.0
    first, second = (bijection.log_det_tree(rows) for rows in (x, changed))
    for i, node in enumerate(bijection.nodes):
        if max(node.columns) < 4:
            torch.testing.assert_close(first[:, i], second[:, i])


def test_coupling_is_the_recursion_of_its_definition():
    """F(x): couple right to left, then F of both halves, then the splines: node by node."""
    fractal = perturbed(b.FractalCoupling(7, n_levels=2, **NET))
    x = rows_in("real", 10, 7)

    def network(depth, group, kept):
        net = fractal.couplings[depth]["net"]
        h = kept @ net.first.weight[group].t() + net.first.bias[group]
        for layer in net.hidden:
            h = h + h.relu() @ layer.weight[group].t() + layer.bias[group]
        return h.relu() @ net.last.weight[group].t() + net.last.bias[group]

    def recurse(depth, columns, values):
        if depth == len(fractal.levels) or len(columns) < 2:
            return {c: values[:, i] for i, c in enumerate(columns)}, 0.0
        level = fractal.levels[depth]
        group = [sorted([*a, *c]) for a, c in zip(level.left, level.right, strict=True)].index(
            columns
        )
        half = len(columns) // 2
        kept, moved = values[:, :half], values[:, half:]
        width = fractal.couplings[depth]["kept"].width
        padded = torch.cat((kept, kept[:, -1:].expand(-1, width - half)), 1)
        raw = network(depth, group, padded).t().reshape(fractal.univariate.n_parameters, -1, 10)
        raw = raw[:, : moved.shape[1]]
        moved, log_slope = fractal.univariate.forward(moved.t(), raw)
        left, left_log_det = recurse(depth + 1, columns[:half], kept)
        right, right_log_det = recurse(depth + 1, columns[half:], moved.t())
        return left | right, log_slope.sum(0) + left_log_det + right_log_det

    by_column, log_det = recurse(0, list(range(7)), x)
    columns = torch.stack([by_column[c] for c in range(7)])
    z, log_slope = fractal.leaf.forward(columns, fractal.raw[:, :, None])
    got, got_log_det = fractal(x)
    torch.testing.assert_close(got, z.t())
    torch.testing.assert_close(got_log_det, log_det + log_slope.sum(0))


def test_deeper_levels_are_narrower_and_tied_levels_have_one_set_of_weights():
    fractal = b.FractalCoupling(32, n_levels=3, hidden_units=64)
    widths = [coupling["net"].first.weight.shape[1] for coupling in fractal.couplings]
    assert widths == [64, 32, 16, 8]
    sets = [coupling["net"].first.weight.shape[0] for coupling in fractal.couplings]
    assert sets == [1, 2, 4, 8]
    tied = b.FractalCoupling(32, n_levels=3, hidden_units=64, tied=True)
    assert {coupling["net"].first.weight.shape[0] for coupling in tied.couplings} == {1}


@pytest.mark.parametrize("conditioner", ["mlp", "kan", "conv", "autoregressive"])
@pytest.mark.parametrize("shape", [(4, 4), (2, 6), (4, 4, 3)])
@pytest.mark.parametrize("options", [{}, {"tied": True, "reverse": True}])
def test_image_bijections_keep_the_contract(shape, conditioner, options):
    d = math.prod(shape)
    if conditioner == "autoregressive":
        build = b.FractalAutoregressive(d, image_shape=shape, **NET, **options)
    else:
        build = b.FractalCoupling(d, image_shape=shape, conditioner=conditioner, **NET, **options)
    x = rows_in("real", 12, d)
    z, log_det = copy.deepcopy(build).double().eval()(x)
    torch.testing.assert_close(z, x, atol=1e-6, rtol=0)
    assert log_det.abs().max() < 1e-6
    bijection = perturbed(build, 0.1)
    z, log_det = bijection(x)
    back, back_log_det = bijection.inverse(z)
    torch.testing.assert_close(back, x, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(back_log_det, -log_det, rtol=1e-7, atol=1e-7)
    jacobian = torch.autograd.functional.jacobian(lambda row: bijection(row[None])[0][0], x[0])
    assert log_det[0].item() == pytest.approx(jacobian.slogdet()[1].item(), abs=1e-8)
    torch.testing.assert_close(bijection.log_det_tree(x).sum(1), log_det)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_levels": -1}, "n_levels"),
        ({"coupling": "linear"}, "coupling"),
        ({"conditioner": "cnn"}, "conditioner"),
        ({"conditioner": "conv"}, "needs image_shape"),
        ({"image_shape": (2, 4)}, "image_shape"),
        ({"image_shape": (2,)}, "image_shape"),
        ({"image_shape": (2, 2), "conditioner": "conv", "n_context": 2}, "context"),
    ],
)
def test_impossible_fractals_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        b.FractalCoupling(4, **options)


def test_autoregressive_fractals_have_no_convolutions():
    with pytest.raises(InvalidParameterError, match="coupling kind"):
        b.FractalAutoregressive(4, image_shape=(2, 2), conditioner="conv")
