"""Batches in parts: what they add up to, and what counts as memory that ran out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowkit.exceptions import BatchMemoryError
from flowkit.training import Rows, train
from flowkit.training.net import DensityNet
from flowkit.training.parts import BatchParts, in_parts, is_out_of_memory

from .examples import Shift, generator, options, rows


def weighted(n=50):
    return Rows(rows(n).x, torch.linspace(0.5, 1.5, n))


def limited(monkeypatch, name, max_rows, error=torch.OutOfMemoryError):
    """Let a step fail after its work, as it is where most memory is taken, for more rows."""
    step = getattr(DensityNet, name)

    def fails(self, part, *args):
        done = step(self, part, *args)
        if len(part[0]) > max_rows:
            raise error("CUDA out of memory. Tried to allocate 3 GiB.")
        return done

    monkeypatch.setattr(DensityNet, name, fails)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
@pytest.mark.parametrize("rows_of", [rows, weighted])
def test_training_in_parts_makes_the_same_steps(rows_of, error, monkeypatch):
    whole, parted = Shift().double(), Shift().double()
    data = Rows(*(None if t is None else t.double() for t in vars(rows_of()).values()))
    reference = train(whole, data, data, options(), generator())
    limited(monkeypatch, "_add_gradient", 6, error)
    limited(monkeypatch, "_valid_loss", 6, error)
    record = train(parted, data, data, options(), generator())
    torch.testing.assert_close(parted.mean, whole.mean, rtol=1e-9, atol=0)
    for name in ("train_log_density", "valid_log_density"):
        np.testing.assert_allclose(record.history[name], reference.history[name], rtol=1e-9)
    assert (reference.n_parts, record.n_parts) == (1, 4)


def test_rows_that_never_fit_are_told(monkeypatch):
    limited(monkeypatch, "_add_gradient", 0)
    with pytest.raises(BatchMemoryError, match=r"1 rows at once .* 3 GiB.* smaller network"):
        train(Shift(), rows(), None, options(), generator())


def test_parts_have_the_rows_that_a_module_needs(monkeypatch):
    sizes = []

    def mean(part, share, is_first):
        sizes.append(len(part[0]))
        raise MemoryError

    with pytest.raises(BatchMemoryError):
        BatchParts(min_rows=2).mean(mean, (torch.zeros(20, 2), None), 20)
    assert sizes == [20, 10, 5, 3, 2]


def test_other_errors_pass(monkeypatch):
    limited(monkeypatch, "_add_gradient", 0, ValueError)
    with pytest.raises(ValueError, match="3 GiB"):
        train(Shift(), rows(), None, options(), generator())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_what_says_that_memory_ran_out_is_known():
    for allocate in (torch.empty, np.empty):
        with pytest.raises((RuntimeError, MemoryError)) as info:
            allocate(2**50)
        assert is_out_of_memory(info.value)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_parts_are_all_of_a_batch(n):
    batch = weighted(20).x, weighted(20).weight
    parts = in_parts(batch, n)
    assert len(parts) == n
    sizes = [len(x) for x, _ in parts]
    assert max(sizes) - min(sizes) <= 1
    for i in range(2):
        assert torch.equal(torch.cat([part[i] for part in parts]), batch[i])
    assert math.isclose(sum(len(x) / 20 for x, _ in parts), 1)
