"""Nodes: every bijection says where its log-determinant arises."""

from __future__ import annotations

import pytest
import torch

from flowkit import bijections as b
from flowkit.exceptions import ShapeError

from ..table import BIJECTIONS, NET
from ..tensors import context_for, perturbed, rows_in

every_bijection = pytest.mark.parametrize("case", BIJECTIONS, ids=str)


@every_bijection
@pytest.mark.parametrize("d", [1, 5])
def test_shares_of_the_nodes_sum_to_the_log_det(case, d):
    bijection = perturbed(case.build(d), 0.1)
    x, context = rows_in(case.domain, 10, d), context_for(case.n_context, 10)
    z, shares = bijection.forward_by_node(x, context)
    expected, log_det = bijection(x, context)
    assert shares.shape == (10, len(bijection.nodes))
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(shares.sum(1), log_det)
    assert len({node.key for node in bijection.nodes}) == len(bijection.nodes)
    assert {j for node in bijection.nodes for j in node.columns} == set(range(d))


@every_bijection
def test_rows_of_another_width_are_refused(case):
    with pytest.raises(ShapeError, match=r"\(n, 3\), got \(5, 4\)"):
        case.build(3).forward_by_node(torch.zeros(5, 4), context_for(case.n_context, 5))


def test_what_mixes_columns_is_one_node():
    for mixing in (b.LULinear(3), b.Permutation(3), b.SplineCoupling(3, **NET)):
        (node,) = mixing.nodes
        assert (node.level, node.kind, node.columns) == (0, "mixing", (0, 1, 2))


def test_nodes_of_a_stack_within_a_stack_are_its_own():
    fractal = perturbed(b.FractalCoupling(4, n_levels=1, **NET))
    inner = [b.LULinear(4).double(), fractal]
    flat = b.Compose([*inner, b.SinhArcsinh(4).double()])
    nested = b.Compose([b.Compose(inner), b.SinhArcsinh(4).double()])
    x = rows_in("real", 6, 4)
    assert nested.nodes == flat.nodes
    assert [node.kind for node in flat.nodes] == ["mixing", *["coupling"] * 3, *["leaf"] * 4]
    torch.testing.assert_close(nested.log_det_tree(x), flat.log_det_tree(x))


def test_a_stack_has_its_first_and_last_nodes_whatever_it_is_made_of():
    stack = b.Compose([b.FractalAutoregressive(4, n_levels=1, **NET)])
    assert [node.kind for node in stack.nodes] == ["mixing", *["block"] * 4, *["leaf"] * 4]
    shares = perturbed(stack).log_det_tree(rows_in("real", 3, 4))
    assert (shares[:, [0, 5, 6, 7, 8]] == 0).all()
