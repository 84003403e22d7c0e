"""Fits of members, side by side where several processes are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from ..exceptions import InvalidDataError
from ..nested import Progress, TimeLimit, limited


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
        Positions of the rows to score; None where the fitted member itself is wanted.
    """

    name: str
    density: Any
    training: np.ndarray
    held_out: np.ndarray | None = None


class Fitter:
    """Carries out tasks on the same rows.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    weight : ndarray of shape (n_samples,) or None
        Their weights.
    n_jobs : int or None
        Number of processes, as joblib counts them.
    limit : TimeLimit
        Time of all tasks.
    progress : Progress
        Gets a step for each task.
    """

    def __init__(self, X, weight, n_jobs, limit: TimeLimit, progress: Progress):
        self._X, self._weight, self._n_jobs = X, weight, n_jobs
        self._limit, self._progress = limit, progress

    def __call__(self, tasks: list[Task]) -> list:
        """Carry out tasks.

        Parameters
        ----------
        tasks : list of Task
            The tasks.

        Returns
        -------
        list
            For each task, log densities of the held-out rows or the fitted member.
        """
        # A task that is handed out no sooner than it begins knows how much time is left.
        options = {"n_jobs": self._n_jobs, "pre_dispatch": "n_jobs", "batch_size": 1}
        return Parallel(**options)(self._calls(tasks))

    def _calls(self, tasks):
        for task in tasks:
            with self._progress.step(f"fit {task.name}"):
                seconds = self._limit.next_share()
                yield delayed(_carry_out)(task, self._X, self._weight, seconds)


def _carry_out(task, X, weight, seconds):
    density = clone(task.density)
    options = {} if weight is None else {"sample_weight": weight[task.training]}
    with limited(density, seconds):
        # Frozen estimators do not do without the second argument.
        density.fit(_safe_indexing(X, task.training), None, **options)
    if task.held_out is None:
        return density
    return log_density(task.name, density, _safe_indexing(X, task.held_out))


def log_density(name: str, density, X) -> np.ndarray:
    """Log density of rows that weights are fitted to.

    Parameters
    ----------
    name : str
        Of the member.
    density : estimator
        The member, fitted.
    X : ndarray or DataFrame of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        Numbers or ``-inf``.

    Raises
    ------
    InvalidDataError
        If some are neither.
    """
    scores = np.asarray(density.score_samples(X), dtype=np.float64)
    wrong = np.flatnonzero(np.isnan(scores) | (scores == np.inf))
    if wrong.size:
        raise InvalidDataError(
            f"member {name!r} scores {wrong.size} of {len(scores)} rows with {scores[wrong[0]]}, "
            "which is no log density: drop the member, or scale or clean the columns first."
        )
    return scores
