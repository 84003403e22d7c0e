"""Fits of members, side by side where several processes are asked for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from ..exceptions import LostProcessError
from ..nested import Progress, interruptions_passed_on, limited
from ..validation import errors_of_rows
from ._scores import log_density


@dataclass(frozen=True)
class Task:
    """One fit of one member.

    Parameters
    ----------
    name : str
        Of the member.
    density : estimator
        The member, left as it is.
    training : ndarray of int
        Positions of the rows to fit it to.
    held_out : ndarray of int or None, default=None
        Positions of the rows to score, None for none.
    is_kept : bool, default=True
        Whether the fitted member itself is wanted.
    """

    name: str
    density: Any
    training: np.ndarray
    held_out: np.ndarray | None = None
    is_kept: bool = True


@dataclass(frozen=True)
class Done:
    """What came of a task.

    Parameters
    ----------
    density : estimator or None
        The fitted member, None where it was not wanted.
    log_densities : ndarray of shape (n_held_out,) or None
        Those of the rows held out, None where there are none.
    seconds : float
        Time that fit and scores took.
    """

    density: Any
    log_densities: np.ndarray | None
    seconds: float


def carry_out(
    tasks: Iterable[tuple[Task, float | None]],
    X,
    weight,
    n_jobs: int | None,
    progress: Progress,
) -> list[Done]:
    """Carry out tasks on the same rows.

    Parameters
    ----------
    tasks : iterable of (Task, float or None)
        Tasks, and seconds that the fit of each may take, None for any number. An item is taken no
        sooner than its task begins.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    weight : ndarray of shape (n_samples,) or None
        Their weights.
    n_jobs : int or None
        Number of processes, as joblib counts them.
    progress : Progress
        Gets a step for each task.

    Returns
    -------
    list of Done
        What came of each task.

    Raises
    ------
    LostProcessError
        If one of the processes was killed.
    """

    def calls():
        for task, seconds in tasks:
            with progress.step(f"fit {task.name}"):
                yield delayed(_fit)(task, X, weight, seconds)

    try:
        return list(Parallel(n_jobs=n_jobs, pre_dispatch="n_jobs", batch_size=1)(calls()))
    except BrokenProcessPool as error:
        raise LostProcessError(
            f"one of n_jobs={n_jobs} processes that fit members was killed, as where memory runs "
            "out. Use fewer n_jobs, or smaller members."
        ) from error


def _fit(task, X, weight, seconds):
    begun = time.monotonic()
    density = clone(task.density)
    options = {} if weight is None else {"sample_weight": weight[task.training]}
    scores = None
    with _named_in_errors(task, _num_samples(X)):
        with interruptions_passed_on(), limited(density, seconds), errors_of_rows():
            # Frozen estimators do not do without the second argument.
            density.fit(_safe_indexing(X, task.training), None, **options)
        if task.held_out is not None:
            scores = log_density(task.name, density, _safe_indexing(X, task.held_out))
    return Done(density if task.is_kept else None, scores, time.monotonic() - begun)


@contextlib.contextmanager
def _named_in_errors(task, n_rows):
    """Context whose errors say in a note which member failed on how many of the user's rows."""
    try:
        yield
    except Exception as error:
        error.add_note(f"member {task.name!r}, fitted to {len(task.training)} of {n_rows} rows")
        raise
