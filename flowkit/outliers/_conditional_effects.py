"""How much each column adds to the surprise of a row, by replacing it with typical values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import _safe_indexing

from ..validation import container_of, missing_in, pick, stacked
from ._column_values import ColumnValues
from ._repairs import Repairs

# Rows that the density scores at once.
_MAX_ROWS = 2**15
# Shares that differ by less, relative to each other, are the same.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Account:
    """What each column of some rows adds to their surprise, and what would have been typical.

    Parameters
    ----------
    effects : ndarray of shape (n_samples, n_features)
        Effects in nats.
    expected : ndarray of shape (n_samples, n_features)
        Expected score of the row with the value replaced.
    possible : ndarray of bool of shape (n_samples, n_features)
        Whether any value makes the row possible.
    typical : ndarray of object of shape (n_samples, n_features)
        Median of numbers given the other columns, or the likeliest level; None where the value is
        missing or nothing is possible.
    low, high : ndarray of shape (n_samples, n_features)
        Between which numbers lie with a probability of 0.9; NaN where there are none.
    probability : ndarray of shape (n_samples, n_features)
        Of the likeliest value; NaN where a column has a density.
    """

    effects: np.ndarray
    expected: np.ndarray
    possible: np.ndarray
    typical: np.ndarray
    low: np.ndarray
    high: np.ndarray
    probability: np.ndarray

    @classmethod
    def blank(cls, n, d) -> Account:
        """One of rows of which nothing is known."""
        expected, low, high, probability = np.full((4, n, d), np.nan)
        impossible, typical = np.zeros((n, d), dtype=bool), np.full((n, d), None, dtype=object)
        effects = np.zeros((n, d))
        return cls(effects, expected, impossible, typical, low, high, probability)

    def take(self, rows) -> Account:
        """That of some of the rows."""
        return Account(*(getattr(self, field.name)[rows] for field in fields(self)))

    def put(self, rows, other):
        """Replace what is said of some rows."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)

    def where(self, condition, other) -> Account:
        """This account where a condition (n_samples, n_features) holds, else the other."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Account(*(np.where(condition, *pair) for pair in pairs))


@dataclass(frozen=True)
class ConditionalEffects:
    """Typical values of every column, and the effect of putting them into rows.

    Parameters
    ----------
    values : ColumnValues
        What replaces the values of each column.
    repairs : Repairs
        What makes rows possible that are so by no change of a single value.
    """

    values: ColumnValues
    repairs: Repairs

    @classmethod
    def of(cls, X, is_left_out=None) -> ConditionalEffects:
        """Learn typical values from training rows, but of no column that is left out."""
        return cls(ColumnValues.of(X, is_left_out), Repairs.of(X))

    def __call__(self, X, log_density, score=None) -> Account:
        """Surprise of each value given the others, minus the expected surprise.

        The values that replace another are those of the columns, each as likely as the density
        says, given the others: ``p(v | others)``. An impossible row is repaired first: the
        columns whose replacement makes it possible, alone or together, are at fault, and all
        others are judged as if these were replaced. Incomplete rows, whose densities are costly,
        are tried with fewer values.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        log_density : callable
            ``log_density(copies, rows)`` is the log density, in nats, of copies of rows: as many of
            each row, those of one row next to each other. It says how likely values are. All rows
            of a call miss the same columns.
        score : callable, default=None
            What effects are differences of: any score, of the same form. None for the log density.

        Returns
        -------
        Account
            Its effects are ``E[score(row with v)] - score(row)``, the expectation over ``v``; 0
            where the value is missing, or none is possible. Those of the columns at fault are
            infinite where the score is minus infinity.
        """
        rate, account = _Rating(log_density, score), Account.blank(*X.shape)
        patterns, group = np.unique(is_missing(X), axis=0, return_inverse=True)
        for i, missing in enumerate(patterns):
            rows = np.flatnonzero(group.reshape(-1) == i)
            given = replace(self, values=self.values.given(missing)) if missing.any() else self
            account.put(rows, given._of_rows(_safe_indexing(X, rows), rate))
        return account

    def _of_rows(self, X, rate):
        """Account of rows, of which the impossible ones are repaired."""
        possibility, observed = rate(X, X)
        account = self._account(X, X, observed, rate)
        impossible = np.flatnonzero(np.isneginf(possibility))
        if impossible.size:
            alone = account.take(impossible).possible.any(1)
            for rows, repair in (
                (impossible[alone], self._repair_alone),
                (impossible[~alone], self._repair_together),
            ):
                if rows.size:
                    part = account.take(rows)
                    part = repair(_safe_indexing(X, rows), part, observed[rows], rate)
                    account.put(rows, part)
        return account

    def _account(self, X, origins, observed, rate):
        """Account of rows, as they are or repaired, and of the rows that these were."""
        centred = self.values.centred(X)
        account = Account.blank(*X.shape)
        for j in range(X.shape[1]):
            known = np.flatnonzero(~missing_in(container_of(X).column(j)))
            for part in self._parts(known, j):
                values, shares, scores = self._conditional(X, origins, j, part, centred, rate)
                possible = shares.any(1)
                # x times y is zero where x is, whatever the score there.
                expected = (shares * np.where(shares > 0, scores, 0.0)).sum(1)
                with np.errstate(invalid="ignore"):
                    effects = np.where(np.isneginf(expected), 0.0, expected - observed[part])
                typical, *rest = self.values.columns[j].typical(values, shares)
                told = effects, expected, possible, np.asarray(typical, dtype=object), *rest
                for field, of_column in zip(fields(account), told, strict=True):
                    getattr(account, field.name)[part[possible], j] = of_column[possible]
        return account

    def _parts(self, rows, j):
        """Rows whose copies the density scores at once."""
        if not rows.size or not self.values.columns[j].n_values:
            return []
        n_parts = -(-len(rows) * self.values.columns[j].n_values // _MAX_ROWS)
        return np.array_split(rows, min(n_parts, len(rows)))

    def _conditional(self, X, origins, j, part, centred, rate):
        """Values of a column, flat; how likely each is in each row, and the score of that row."""
        values, weights = self.values.columns[j].candidates(centred[part])
        copies = container_of(X).take(np.repeat(part, weights.shape[1]), {j: values})
        rated = rate(copies, _safe_indexing(origins, part))
        log_density, scores = (one.reshape(weights.shape) for one in rated)
        return values, _shares(log_density, weights), scores

    def _repair_alone(self, X, account, observed, rate):
        """Account of rows that a change of one value makes possible."""
        expected = np.where(account.possible, account.expected, -np.inf)
        best = expected.max(1, keepdims=True)
        changed = (account.possible & (expected >= best - _ROUNDING)).argmax(1)
        repaired, centred = X, self.values.centred(X)
        for j in np.unique(changed):
            rows = np.flatnonzero(changed == j)
            for part in self._parts(rows, j):
                values, shares, _ = self._conditional(X, X, j, part, centred, rate)
                highest = shares.max(1, keepdims=True)
                first = (shares >= highest * (1 - _ROUNDING)).argmax(1)
                likeliest = pick(values, first + np.arange(len(part)) * shares.shape[1])
                repaired = _with_values(repaired, j, part, likeliest)
        given = self._account_of_repaired(repaired, X, rate)
        return _blamed(account.where(account.possible, given), account.possible, observed)

    def _repair_together(self, X, account, observed, rate):
        """Account of rows that only a change of several values makes possible."""
        repaired, replaced = self.repairs(X, rate.log_density)
        done = np.flatnonzero(replaced.any(1))
        if done.size:
            parts = (_safe_indexing(rows, done) for rows in (repaired, X))
            given = self._account_of_repaired(*parts, rate)
            account.put(done, _blamed(given, replaced[done], observed[done]))
        return account

    def _account_of_repaired(self, repaired, X, rate):
        return self._account(repaired, X, rate(repaired, X)[1], rate)


@dataclass(frozen=True)
class _Rating:
    """Log density and score of copies of rows."""

    log_density: Callable
    score: Callable | None = None

    def __call__(self, copies, rows):
        log_density = self.log_density(copies, rows)
        return log_density, log_density if self.score is None else self.score(copies, rows)


def _blamed(account, at_fault, observed):
    """An account in which the columns at fault make up for all of the surprise of their row."""
    observed = observed[:, None]
    with np.errstate(invalid="ignore"):
        effects = np.where(account.possible, account.expected - observed, 0.0)
    effects = np.where(np.isneginf(observed), np.inf, effects)
    return replace(account, effects=np.where(at_fault, effects, account.effects))


def _shares(log_density, weights):
    """Probability of values, by their density and weights; 0 for all where none is possible."""
    with np.errstate(divide="ignore"):
        log_mass = log_density + np.log(weights)
    total = logsumexp(log_mass, axis=1, keepdims=True)
    known = np.isfinite(total)
    return np.where(known, np.exp(log_mass - np.where(known, total, 0.0)), 0.0)


def _with_values(X, j, rows, values):
    """Rows with other values of a column in some of them."""
    index = np.arange(len(X))
    index[rows] = len(X) + np.arange(len(rows))
    both = stacked(container_of(X).column(j), values)
    return container_of(X).take(np.arange(len(X)), {j: pick(both, index)})


def is_missing(X) -> np.ndarray:
    """Where an array or DataFrame has no value, shape (n_samples, n_features)."""
    return np.column_stack([missing_in(column) for column in container_of(X).columns()])
