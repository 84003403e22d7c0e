"""Several that train together make the steps of one; threads stand for processes here."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from flowkit import PHVAE, FlowDensity
from flowkit.training import (
    Checkpoint,
    FitRun,
    Processes,
    Rows,
    train,
    trained_by,
)
from flowkit.training.processes import current_processes

from .examples import Shift, generator, options, rows


class Thread(Processes):
    """One of several threads that meet at a table."""

    def __init__(self, rank, n, table, barrier):
        self.rank, self.n, self.table, self.barrier = rank, n, table, barrier
        self.n_files = 0

    def gather(self, value):
        self.barrier.wait()
        self.table[self.rank] = value
        self.barrier.wait()
        return list(self.table)

    def add_up(self, tensor):
        return sum(self.gather(tensor.clone()))

    def from_main(self, value):
        # Processes have no tensors in common.
        return copy.deepcopy(self.gather(value)[0])

    def copy_from_main(self, tensor):
        tensor.copy_(self.gather(tensor.clone())[0])


def together(n, work):
    """What each of n threads makes of work(rank), in the context of them all."""
    table, barrier = [None] * n, threading.Barrier(n, timeout=300)

    def run(rank):
        try:
            with trained_by(Thread(rank, n, table, barrier)):
                return work(rank)
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


@pytest.mark.parametrize("n", [2, 3, 30])
@pytest.mark.parametrize("weight", [None, torch.linspace(0.5, 1.5, 103)])
def test_all_make_the_steps_of_one(n, weight):
    data = Rows(rows().x.double(), None if weight is None else weight.double())

    def work(rank):
        module = Shift().double()
        # Those of the first are taken, whatever the others begin with.
        module.mean.data += rank
        settings = options(max_epochs=2 if n == 30 else 5)
        return module, train(module, data, data, settings, generator())

    (alone, reference), *_ = together(1, work)
    for module, record in together(n, work):
        torch.testing.assert_close(module.mean, alone.mean, rtol=1e-9, atol=0)
        for name in ("train_log_density", "valid_log_density"):
            np.testing.assert_allclose(record.history[name], reference.history[name], rtol=1e-9)


def test_shares_are_all_of_a_batch_and_none_is_too_small():
    batch = rows(7).x, None
    for n in (1, 2, 3, 9):
        for min_rows in (1, 2, 10):
            shares = [Thread(r, n, None, None).share_of(batch, min_rows) for r in range(n)]
            counted = [share[0] for share, n_rows in shares if n_rows == 7]
            assert torch.equal(torch.cat(counted), batch[0])
            assert min(len(x) for x in counted) >= min(min_rows, 7)
            assert all(len(share[0]) for share, _ in shares)


@pytest.mark.parametrize(
    "density",
    [
        FlowDensity(n_transforms=1, hidden_units=8, dropout=0.0, dtype="float64", max_epochs=4),
        PHVAE(hidden_units=8, max_epochs=2),
    ],
    ids=lambda density: type(density).__name__,
)
def test_estimators_are_the_same_in_all(density):
    X = np.random.default_rng(0).normal(size=(200, 3)) ** 3

    def work(rank):
        # Seeds that nobody gave are those of the first.
        return type(density)(**density.get_params()).fit(X)

    with_seed = density.set_params(random_state=0)
    alone = together(1, work)[0]
    first, second = together(2, work)
    np.testing.assert_array_equal(first.score_samples(X), second.score_samples(X))
    for name, column in first.history_.items():
        if name != "seconds":
            np.testing.assert_array_equal(column, second.history_[name])
    if isinstance(density, FlowDensity):
        np.testing.assert_allclose(first.score_samples(X), alone.score_samples(X), rtol=1e-8)
    with_seed.set_params(random_state=None)


def test_seeds_and_masks():
    seeds = together(2, lambda rank: FitRun(None))
    assert seeds[0].batches == seeds[1].batches
    assert seeds[0].dropout != seeds[1].dropout
    assert current_processes().n == 1
    assert current_processes().is_main


class Dies(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise OverflowError


def test_one_writes_the_checkpoint_and_all_go_on_from_it(tmp_path, monkeypatch):
    writers = []
    write = Checkpoint._write

    def watched(self, state):
        writers.append(current_processes().rank)
        write(self, state)

    monkeypatch.setattr(Checkpoint, "_write", watched)

    def fit(path, callbacks, n=2):
        def work(rank):
            # Only the first sees the file, as on machines without a common disk.
            file = path if rank == 0 else tmp_path / "none" / "file"
            settings = options(
                batch_size=40, checkpoint=Checkpoint(file, "same"), callbacks=callbacks
            )
            module = Shift()
            train(module, rows(), rows(30, seed=1), settings, generator())
            return module.mean.detach()

        return together(n, work)

    path = tmp_path / "file"
    whole = fit(tmp_path / "other", [])
    with pytest.raises((OverflowError, threading.BrokenBarrierError)):
        fit(path, [Dies()])
    kept = path.read_bytes()
    for n in (2, 1, 3):
        path.write_bytes(kept)
        for mean in fit(path, [], n):
            torch.testing.assert_close(mean, whole[0], rtol=0, atol=0 if n == 2 else 1e-6)
    assert set(writers) == {0}


def test_time_is_that_of_the_first():
    data = rows(400)

    def work(rank):
        module = Shift()
        # Only the first runs out of time.
        settings = options(max_epochs=10**6, max_time=0.5 if rank == 0 else 1e6)
        return module, train(module, data, None, settings, generator())

    (first, record), (second, other) = together(2, work)
    assert record.ended_by == other.ended_by == "max_time"
    assert record.n_epochs == other.n_epochs
    assert torch.equal(first.mean, second.mean)
