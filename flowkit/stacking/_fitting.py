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


def carry_out(
    tasks: list[Task], X, weight, n_jobs: int | None, limit: TimeLimit, progress: Progress
) -> list:
    """Carry out tasks on the same rows.

    Parameters
    ----------
    tasks : list of Task
        The tasks.
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

    Returns
    -------
    list
        For each task, log densities of the rows held out or the fitted member.
    """

    def calls():
        for task in tasks:
            with progress.step(f"fit {task.name}"):
                yield delayed(_fit)(task, X, weight, limit.next_share())

    # A task that is handed out no sooner than it begins knows how much time is left.
    return Parallel(n_jobs=n_jobs, pre_dispatch="n_jobs", batch_size=1)(calls())


def _fit(task, X, weight, seconds):
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
