"""Questions to a weighted mean of densities, put to each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ._laws import GroupedLaw, Law, PooledLaw
from ._questions import MAX_CANDIDATES, Questions


def log_mean_density(log_weighted, errors) -> tuple[np.ndarray, np.ndarray]:
    """Log of a weighted mean of densities, and its standard error.

    Parameters
    ----------
    log_weighted, errors : ndarray of shape (n, n_members)
        Logs of the weighted densities, and their standard errors.

    Returns
    -------
    log_density, error : ndarray of shape (n,)
        Nats. Errors are as large as if those of all members had one sign, since members may share
        their draws.
    """
    shares, log_density = _shares(log_weighted)
    return log_density, (shares * errors).sum(1)


def _shares(log_weighted):
    """Shares of members in a density, and its log; all zero where there is none."""
    log_density = logsumexp(log_weighted, axis=1)
    total = np.where(np.isfinite(log_density), log_density, 0.0)
    return np.exp(log_weighted - total[:, None]), log_density


class MixedQuestions(Questions):
    """Questions to a weighted mean of densities.

    What is known of a row says how likely it comes from which member.

    Parameters
    ----------
    members : sequence of Questions
        Of rows with the same numbers.
    log_weights : ndarray of shape (n_members,)
        Logs of their weights.

    Notes
    -----
    Kernels that rows are scored without are those of each member, of shape (n, n_members).
    """

    def __init__(self, members: Sequence[Questions], log_weights: np.ndarray):
        self._members, self._log_weights = members, log_weights

    @property
    def is_exact(self):
        return all(member.is_exact for member in self._members)

    def log_density(self, X, n_draws, without=None):
        log_densities, errors = self._of_members(X, n_draws, without)
        return log_mean_density(self._log_weights + log_densities, errors)

    def draws(self, X, n_draws, rng, most=MAX_CANDIDATES):
        log_densities, _ = self._of_members(X, n_draws)
        shares, log_density = _shares(self._log_weights + log_densities)
        # Where all is impossible, weights are all that is left.
        shares[~np.isfinite(log_density)] = np.exp(self._log_weights)
        origin = (rng.uniform(size=(len(X), n_draws, 1)) > shares.cumsum(1)[:, None, :-1]).sum(2)
        copies, spread = np.repeat(X[:, None], n_draws, 1), np.zeros(len(X))
        for k, member in enumerate(self._members):
            own = origin == k
            rows = np.flatnonzero(own.any(1))
            if rows.size:
                n_own = own[rows].sum(1).max()
                drawn, n_effective = member.draws(X[rows], n_own, rng, most)
                # The first draws of a row go to the first places that are this member's.
                rank = own[rows].cumsum(1) - 1
                place = np.nonzero(own[rows])
                copies[rows[place[0]], place[1]] = drawn[place[0], rank[place]]
                spread[rows] += shares[rows, k] ** 2 / n_effective
        n_effective = np.divide(1, spread, out=np.full(len(X), np.inf), where=spread > 0)
        return copies, n_effective

    def law(self, X, column, n_draws) -> Law:
        log_densities, errors = self._of_members(X, n_draws)
        shares, _ = _shares(self._log_weights + log_densities)
        # Members without a share are asked what they say of rows of which nothing is known.
        laws = [
            member.law(np.where(share[:, None] > 0, X, np.nan), column, n_draws)
            for member, share in zip(self._members, shares.T, strict=True)
        ]
        # Laws of one row lie next to each other.
        places = np.arange(shares.size).reshape(shares.shape).T
        return MixedLaw(GroupedLaw(laws, list(places)), shares, errors)

    def _of_members(self, X, n_draws, without=None):
        """Log densities of what is known under each member, and their errors, (n, n_members)."""
        own = [None] * len(self._members)
        if without is not None:
            own = [kernels if (kernels >= 0).any() else None for kernels in without.T]
        pairs = zip(self._members, own, strict=True)
        found = [member.log_density(X, n_draws, kernels) for member, kernels in pairs]
        return tuple(np.column_stack(part) for part in zip(*found, strict=True))


@dataclass(frozen=True)
class MixedLaw(PooledLaw):
    """Weighted mean of the laws of several densities for each row.

    Parameters
    ----------
    law : Law
        Of ``n * n_members`` rows, the laws of one row next to each other.
    shares : ndarray of shape (n, n_members)
        Their weights, which sum to one.
    errors : ndarray of shape (n, n_members)
        Standard errors of the logs of these.
    """

    errors: np.ndarray

    def error_within(self, low, high):
        each, errors = (
            self._each(of_law, low, high) for of_law in (self.law.within, self.law.error_within)
        )
        shares = self.shares[..., None]
        mean = (shares * each).sum(1, keepdims=True)
        # Members are no draws: errors are those of each, and of their shares.
        return (shares * (errors + np.abs(each - mean) * self.errors[..., None])).sum(1)
