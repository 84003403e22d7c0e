"""Batches, and the noise that is put on them."""

from __future__ import annotations

import pytest
import torch

from flowkit.training import Noise, Rows
from flowkit.training.data import OrderedBatches, ShuffledBatches

from .examples import N, generator, rows


def test_shuffled_batches_cover_all_rows_once_in_nearly_equal_parts():
    data = Rows(torch.arange(N, dtype=torch.float32)[:, None], torch.arange(N))
    batches = list(ShuffledBatches(data, 20, Noise(), generator()))
    assert {len(x) for x, _ in batches} <= {17, 18}
    assert all(torch.equal(x[:, 0], w.float()) for x, w in batches)
    order = torch.cat([x for x, _ in batches])[:, 0]
    assert sorted(order.tolist()) == list(range(N))
    assert order.tolist() != list(range(N))


def test_shuffled_batches_differ_by_pass_and_repeat_by_seed():
    data = rows()
    batches = ShuffledBatches(data, 20, Noise(), generator())
    first, second = (torch.cat([x for x, _ in batches]) for _ in range(2))
    again = torch.cat([x for x, _ in ShuffledBatches(data, 20, Noise(), generator())])
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


@pytest.mark.parametrize("max_rows", [None, 1, 30, N, 10 * N])
def test_a_pass_visits_other_rows_where_it_visits_few(max_rows):
    data = Rows(torch.arange(N)[:, None])
    batches = ShuffledBatches(data, 20, Noise(), generator(), max_rows)
    expected = N if max_rows is None else min(N, max_rows)
    passes = [torch.cat([x for x, _ in batches])[:, 0].tolist() for _ in range(60)]
    assert all(len(set(rows)) == len(rows) == expected for rows in passes)
    assert len(list(batches)) == len(batches) == -(-expected // 20)
    if 1 < expected < N:
        assert set().union(*passes) == set(range(N))


def test_ordered_batches_keep_the_order():
    data = rows()
    parts = list(OrderedBatches(data, 20))
    assert torch.equal(torch.cat([x for x, _ in parts]), data.x)
    assert len(parts) == len(OrderedBatches(data, 20)) == 6


def test_noise_has_the_stated_size():
    x = torch.zeros(20_000, 2)
    uniform = Noise(uniform=torch.tensor([0.0, 2.0])).add(x, generator())
    assert (uniform[:, 0] == 0).all()
    assert uniform[:, 1].abs().max().item() == pytest.approx(1.0, abs=1e-3)
    assert uniform[:, 1].mean().item() == pytest.approx(0.0, abs=0.02)
    normal = Noise(normal=0.3).add(x, generator())
    assert normal.std().item() == pytest.approx(0.3, rel=0.02)
