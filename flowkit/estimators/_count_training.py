"""Training of densities of counts: expectation maximisation, with the best epoch kept."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from ..modules import CountEntries, CountStatistics, CountTopics
from ..starts import entries_of
from ..training import TrainingRecord

# Numbers that a chunk of entries may hold, one for each node.
_CHUNK = 2**20
# Each epoch sees all rows, so the curve is smooth and a part of the patience is enough.
_PATIENCE_SHARE = 0.25
# Iterations over the rows that a stream begins at, as topics of words are not those of the rows.
_FIRST_ITERATIONS = 10
# Rows of a stream that count alike, at least: so many, more by a power of their number, and so many
# times those of the last chunk. Older ones fade.
_MEMORY, _MEMORY_GROWTH, _CHUNKS = 2_000, 0.7, 10


@dataclass(frozen=True)
class CountRows:
    """Rows of counts, and their weights.

    Parameters
    ----------
    counts : csr_matrix of shape (n, V)
        The rows.
    weight : ndarray of shape (n,) or None, default=None
        Weights of mean one.
    """

    counts: sparse.csr_matrix
    weight: np.ndarray | None = None

    @property
    def n(self) -> float:
        """Sum of the weights."""
        return float(self.counts.shape[0] if self.weight is None else self.weight.sum())

    def chunks(
        self, module: CountTopics, dtype: torch.dtype
    ) -> Iterator[tuple[CountEntries, torch.Tensor | None]]:
        """Entries and weights of parts of the rows, small enough for all nodes at once."""
        device = module.words.device
        for rows in _slices(self.counts.indptr, _CHUNK // module.n_nodes):
            weight = None if self.weight is None else torch.from_numpy(self.weight[rows]).to(device)
            yield entries_of(self.counts[rows], device).to(dtype), weight


def _slices(indptr: np.ndarray, limit: int) -> Iterator[slice]:
    """Slices of at most so many rows, and entries unless a single row has more."""
    first, n = 0, len(indptr) - 1
    while first < n:
        end = int(np.searchsorted(indptr, indptr[first] + limit, side="right")) - 1
        last = min(max(end, first + 1), first + limit, n)
        yield slice(first, last)
        first = last


def map_counts(function: Callable, module: CountTopics, counts: sparse.csr_matrix) -> np.ndarray:
    """A function of entries, applied to rows in double precision and joined."""
    with torch.inference_mode():
        parts = CountRows(counts).chunks(module, torch.float64)
        return np.concatenate([function(entries).cpu().numpy() for entries, _ in parts])


class CountTrainer:
    """Trains copies of the module of an estimator; the estimator stays as it is.

    Parameters
    ----------
    density : BaseDensity
        Gives the parameters of training.
    max_time : float or None
        Seconds that are left.
    dtype : torch.dtype
        Precision of the passes over the rows.
    """

    def __init__(self, density, max_time: float | None, dtype: torch.dtype):
        self.density, self.max_time, self.dtype = density, max_time, dtype
        self.began = time.monotonic()

    def fit(
        self, module: CountTopics, rows: CountRows, held: CountRows | None
    ) -> tuple[CountTopics, CountStatistics, TrainingRecord]:
        """Train on rows; those held out, if any, choose the best epoch.

        Returns
        -------
        module : CountTopics
            With the best parameters, in double precision.
        statistics : CountStatistics
            Of the rows, under these.
        record : TrainingRecord
            What happened.
        """
        module = copy.deepcopy(module).to(self.dtype)
        path, patience = _Path(self._least_gain(held or rows)), self.density.n_iter_no_change
        patience = max(1, round(_PATIENCE_SHARE * patience))
        statistics, ended_by = self._statistics(module, rows), "max_epochs"
        path.add(module, statistics, rows, self._score(module, held))
        try:
            while path.epoch < self.density.max_epochs:
                module.maximise(statistics)
                statistics = self._statistics(module, rows)
                path.add(module, statistics, rows, self._score(module, held))
                self._tell(path)
                if path.lull >= patience:
                    ended_by = "patience"
                    break
                if self._is_over() and path.epoch < self.density.max_epochs:
                    ended_by = "max_time"
                    break
        except KeyboardInterrupt:
            if not path.epoch:
                raise
            ended_by = "interrupt"
        module.load_state_dict(path.state)
        record = path.record(path.best_epoch, ended_by)
        return module.double().eval(), path.statistics, record

    def fit_chunk(
        self, module: CountTopics, rows: CountRows, before: CountStatistics | None
    ) -> tuple[CountTopics, CountStatistics, TrainingRecord]:
        """Go on with a chunk of a stream, stepwise (Cappe, Moulines 2009).

        Parameters
        ----------
        module : CountTopics
            As it is so far.
        rows : CountRows
            The chunk, or all rows that the stream begins at.
        before : CountStatistics or None
            Of the chunks before; None where the stream begins.

        Returns
        -------
        module, statistics, record
            As of `fit`; the statistics are those of all chunks, older ones fading.
        """
        module = copy.deepcopy(module).to(self.dtype)
        path, ended_by, factor = _Path(), "max_epochs", 1.0
        if before is None:
            self._settle(module, rows)
        else:
            n_before = before.rows.sum().item()
            n = n_before + rows.n
            share = _share_of_chunk(rows.n, n)
            factor, before = share * n / rows.n, before.scaled((1 - share) * n / n_before)

        def joined():
            own = self._statistics(module, rows)
            return own, own if before is None else own.scaled(factor) + before

        _, statistics = joined()
        while path.epoch + 1 < self.density.partial_fit_epochs:
            module.maximise(statistics)
            own, statistics = joined()
            path.add(module, own, rows, math.nan)
            self._tell(path)
            if self._is_over() and path.epoch + 1 < self.density.partial_fit_epochs:
                ended_by = "max_time"
                break
        return module.double().eval(), statistics, path.record(path.epoch + 1, ended_by, 1)

    def _settle(self, module, rows):
        for _ in range(_FIRST_ITERATIONS):
            module.maximise(self._statistics(module, rows))
            if self._is_over():
                break

    def _statistics(self, module, rows):
        parts = (module.statistics(*part) for part in rows.chunks(module, self.dtype))
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    def _score(self, module, held):
        """Mean log probability of rows held out; NaN where there are none."""
        if held is None:
            return math.nan
        total = 0.0
        for entries, weight in held.chunks(module, self.dtype):
            log_prob = module.log_prob_of(entries)
            total += (log_prob if weight is None else log_prob * weight).sum().item()
        return total / held.n

    def _least_gain(self, rows):
        """Gain of the mean log probability that counts: so much for each word of a row."""
        return self.density.tol * max(1.0, rows.counts.sum() / rows.counts.shape[0])

    def _is_over(self):
        return self.max_time is not None and time.monotonic() - self.began > self.max_time

    def _tell(self, path):
        if self.density.verbose:
            train, valid = (path.history[name][-1] for name in ("train", "valid"))
            print(f"epoch {path.epoch}: mean log probability {train:.6g}, held out {valid:.6g}")


def _share_of_chunk(n_chunk, n):
    """Weight of the last chunk of a stream of n rows."""
    memory = max(_MEMORY * (n / _MEMORY) ** _MEMORY_GROWTH, _CHUNKS * n_chunk)
    return n_chunk / min(n, memory)


class _Path:
    """Epochs of a training, of which it keeps the best."""

    def __init__(self, least_gain=0.0):
        self.least_gain = least_gain
        self.history = {"train": [], "valid": [], "seconds": []}
        self.best, self.best_epoch, self.lull = -math.inf, 0, 0
        self.last = time.monotonic()

    @property
    def epoch(self):
        """Number of the last epoch; entry 0 is the start."""
        return len(self.history["train"]) - 1

    def add(self, module, statistics, rows, valid):
        """An epoch that ended with this module, whose statistics are those of the rows."""
        train, now = statistics.log_prob.item() / rows.n, time.monotonic()
        for name, value in {"train": train, "valid": valid, "seconds": now - self.last}.items():
            self.history[name].append(value)
        self.last = now
        value = train if math.isnan(valid) else valid
        self.lull = 0 if value > self.best + self.least_gain else self.lull + 1
        if value > self.best:
            self.best, self.best_epoch = value, self.epoch
            self.state, self.statistics = copy.deepcopy(module.state_dict()), statistics

    def record(self, best_epoch, ended_by, first=0):
        """What happened; entries begin with the epoch `first`."""
        n = len(self.history["train"])
        columns = {
            "epoch": first + np.arange(n),
            "train_log_density": np.array(self.history["train"]),
            "valid_log_density": np.array(self.history["valid"]),
            "learning_rate": np.full(n, np.nan),
            "seconds": np.array(self.history["seconds"]),
        }
        return TrainingRecord(columns, n - 1 + first, best_epoch, ended_by)
