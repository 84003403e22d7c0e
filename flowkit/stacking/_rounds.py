"""Rounds of fits of all members: for each split, then to all rows, as many as time allows."""

from __future__ import annotations

import numpy as np
from joblib import effective_n_jobs

from ..exceptions import MemberLeftOutWarning
from ..nested import Progress, TimeLimit
from ..validation import warn
from ._fitting import Task, carry_out

# Seconds of fits that take none: a limit of 0 is refused.
_LEAST = 1e-3
# Part of the time of its first fit that a member needs for its last one.
_ENOUGH = 0.75


class Rounds:
    """Fits of members, in rounds of one fit of each.

    Without a limit all splits have their round. With one, the time left is shared evenly among
    the fits that are still to come of the first round and of that to all rows; members whose turn
    comes too late are left out. What a member took then is the limit of its fits to later splits,
    whose rounds begin only where they end in time and leave as much for the fits to all rows. Where
    fits to splits are kept, time is shared among these alone.

    Parameters
    ----------
    members : list of (str, estimator)
        Names and densities.
    splits : list of (ndarray of int, ndarray of int)
        Positions of the rows to fit to, and of those held out.
    rows : tuple
        Rows, ndarray or DataFrame of shape (n_samples, n_features), and their weights of shape
        (n_samples,) or None.
    n_jobs : int or None
        Number of processes, as joblib counts them.
    max_time : float or None
        Seconds for all fits, None for any number.
    progress : Progress
        Gets a step for each fit.
    keeps_splits : bool
        Whether fits to all splits are wanted in the end, rather than fits to all rows.
    """

    def __init__(
        self, members, splits, rows, n_jobs, max_time, progress: Progress, keeps_splits: bool
    ):
        self._members, self._splits, self._max_time = members, splits, max_time
        self._rows, self._n_jobs, self._progress = rows, n_jobs, progress
        self._n_at_once = effective_n_jobs(n_jobs)
        self._keeps_splits = keeps_splits
        n_rounds = len(splits) if keeps_splits else 2
        self._limit = TimeLimit(max_time, n_rounds * len(members), self._n_at_once)
        self._done = []

    def score(self) -> tuple[list, np.ndarray, np.ndarray]:
        """Score rows held out by members that were fitted without them.

        Returns
        -------
        members : list of (str, estimator)
            Those that there was time for, as they were given; at least one.
        positions : ndarray of int of shape (n_held_out,)
            Positions of the rows, in order.
        log_densities : ndarray of shape (n_held_out, n_members)
            Their log densities under each member.

        Warns
        -----
        MemberLeftOutWarning
            If time ran out before some members began.
        """
        rounds = self._all() if self._max_time is None else self._as_many_as_end_in_time()
        self._done = rounds
        self._leave_out_others()
        positions = np.concatenate([held_out for _, held_out in self._splits[: len(rounds)]])
        order = np.argsort(positions, kind="stable")
        log_densities = np.concatenate(
            [np.column_stack([done.log_densities for done in each]) for each in rounds]
        )
        return self._members, positions[order], log_densities[order]

    def fit(self, kept: np.ndarray, weights: np.ndarray) -> tuple[list, np.ndarray]:
        """Fit members to all rows, the weightiest first.

        Parameters
        ----------
        kept : ndarray of int
            Positions of all rows to fit to.
        weights : ndarray of shape (n_members,)
            Weights of the members that `score` returned.

        Returns
        -------
        densities : list of estimators
            These members, fitted; where time is short, without the rows held out first.
        is_refitted : ndarray of bool of shape (n_members,)
            Whether each was fitted to all rows.
        """
        densities = [done.density for done in self._done[0]]
        begun = []
        order = np.argsort(-weights, kind="stable")
        done = self._carry_out(self._affordable(order, kept, begun))
        for i, one in zip(begun, done, strict=True):
            densities[i] = one.density
        return densities, np.isin(np.arange(len(densities)), begun)

    def of_splits(self) -> list[list]:
        """Members as they were fitted to splits, a list for each member that `score` returned."""
        return [[done.density for done in fits] for fits in zip(*self._done, strict=True)]

    def _tasks(self, split, is_kept=False):
        is_kept = is_kept or self._keeps_splits
        return [Task(*member, *split, is_kept) for member in self._members]

    def _all(self):
        """Rounds of all splits, handed out at once, so that no process waits for their ends."""
        tasks = [task for split in self._splits for task in self._tasks(split)]
        done = self._carry_out((task, None) for task in tasks)
        n = len(self._members)
        return [done[i : i + n] for i in range(0, len(done), n)]

    def _as_many_as_end_in_time(self):
        """Rounds of splits that end in time and leave enough for what is to come."""
        rounds = [self._carry_out(self._begun_in_time())]
        costs = _costs(rounds[0])
        of_round = costs.sum() / self._n_at_once
        needed = of_round * (_ENOUGH if self._keeps_splits else 2)
        while len(rounds) < len(self._splits) and self._has_time_for(needed):
            limits = costs * min(1.0, self._limit.seconds_left() / of_round)
            tasks = self._tasks(self._splits[len(rounds)])
            rounds.append(self._carry_out(zip(tasks, limits, strict=True)))
        return rounds

    def _begun_in_time(self):
        """Tasks of the first round while there is time, one at least."""
        for i, task in enumerate(self._tasks(self._splits[0], is_kept=True)):
            if i and not self._has_time_for(0):
                return
            yield task, self._limit.next_share()

    def _affordable(self, order, kept, begun):
        """Fits to all rows that end in time, each with its part of the time that is left."""
        costs = _costs(self._done[0])
        for n_before, i in enumerate(order):
            share = None
            if self._max_time is not None:
                left = self._limit.seconds_left()
                part = min(1.0, self._n_at_once * costs[i] / costs[order[n_before:]].sum())
                share = min(left, max(costs[i], part * left))
                if share < _ENOUGH * costs[i]:
                    continue
            begun.append(i)
            yield Task(*self._members[i], kept), share

    def _carry_out(self, tasks):
        return carry_out(tasks, *self._rows, self._n_jobs, self._progress)

    def _has_time_for(self, seconds):
        left = self._limit.seconds_left()
        return left is None or seconds < left

    def _leave_out_others(self):
        names = [name for name, _ in self._members[len(self._done[0]) :]]
        if names:
            warn(
                f"max_time={self._max_time!r} ran out before members {', '.join(names)} began, "
                "which are left out: raise max_time, or put them first.",
                MemberLeftOutWarning,
            )
            self._members = self._members[: len(self._done[0])]


def _costs(done):
    """Seconds that fits took."""
    return np.array([max(_LEAST, one.seconds) for one in done])
