"""Rows that are known again by their values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowkit.priors.known_rows import KnownRows


def normal(n, k, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, k)))


def knowing(rows):
    known = KnownRows(len(rows))
    known.remember(rows)
    return known


def nearest_within_rounding(x, rows):
    """By comparing all with all."""
    gaps = (x[:, None] - rows).abs().amax(2)
    near = gaps.amin(1) < 1e-6 * x.abs().amax(1).clamp_min(1)
    return torch.where(near, gaps.argmin(1), -1)


TABLES = {
    "normal": normal(300, 4),
    "one_column": normal(300, 1),
    "levels": normal(300, 3).round(),
    "heavy_tails": normal(300, 2) ** 15,
    "far_value": torch.cat([normal(300, 1), torch.full((300, 1), 1e9).double()], 1),
    "collapsed": 1 + 1e-6 * normal(300, 2),
    "huge": normal(300, 2) * 1e200,
}


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_the_search_agrees_with_comparing_all(name, rounded):
    rows = TABLES[name]
    if rounded and name != "huge":
        rows = rows.float().double()
    x = torch.cat([TABLES[name], TABLES[name] * (1 + 1e-3)])
    found, expected = knowing(rows).find(x), nearest_within_rounding(x, rows)
    assert torch.equal(found < 0, expected < 0)
    known = expected >= 0
    assert known[:300].all()
    gaps = [(x[known] - rows[index[known]]).abs().amax(1) for index in (found, expected)]
    assert torch.equal(*gaps)


def test_of_equal_rows_the_first_is_found():
    rows = torch.cat([normal(50, 3), normal(50, 3, seed=1), normal(50, 3)])
    known = knowing(rows)
    first = torch.cat([torch.arange(100), torch.arange(50)])
    assert torch.equal(known.first, first)
    assert torch.equal(known.find(rows), first)


def test_what_is_found_does_not_depend_on_neighbours():
    rows = TABLES["collapsed"].float().double()
    known, x = knowing(rows), TABLES["collapsed"]
    together = known.find(x)
    some = torch.arange(0, len(x), 10)
    assert torch.equal(torch.cat([known.find(x[i : i + 1]) for i in some]), together[some])


def test_new_rows_and_rows_without_numbers_are_none():
    known = knowing(normal(100, 2))
    x = torch.tensor([[0.0, 9.0], [torch.inf, 0.0], [torch.inf, -torch.inf], [torch.nan, 0.0]])
    assert (known.find(x.double()) == -1).all()


def test_rounding_makes_rows_equal():
    rows = torch.cat([normal(20, 2), normal(20, 2) * (1 + 1e-9)])
    known = knowing(rows)
    assert torch.equal(known.first, torch.arange(40))
    known = known.float()
    known.remember(rows.float())
    assert torch.equal(known.first, torch.arange(20).repeat(2))
    known = known.double()
    assert torch.equal(known.find(rows), torch.arange(20).repeat(2))


def test_other_rows_take_the_place_of_those_before():
    known = knowing(normal(30, 2))
    known.remember(normal(30, 3, seed=1))
    assert torch.equal(known.find(normal(30, 3, seed=1)), torch.arange(30))
