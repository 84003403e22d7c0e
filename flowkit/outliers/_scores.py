"""One score of each row, from one fitted density or several."""

from __future__ import annotations

import itertools

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..nested import Unwrapped, log_density_of, unwrap
from ._conditional_effects import is_missing
from ._copied_rows import log_density_of_copies
from ._incomplete_scores import IncompleteScores, allows_missing
from ._rows import reference_positions
from ._tails import Tail, combined

# Rows that are scored at once: densities copy them several times, which takes memory.
_BLOCK = 2**16


class Member:
    """One fitted density, as statistics see it.

    Parameters
    ----------
    density : estimator
        Fitted.

    Attributes
    ----------
    incomplete : IncompleteScores or None
        What makes log densities of incomplete rows comparable with those of complete ones.
    """

    def __init__(self, density):
        self.density = density
        self.incomplete = None

    @property
    def unwrapped(self) -> Unwrapped:
        """The density without wrappers, and how rows get there."""
        return unwrap(self.density)

    def log_density(self, X) -> np.ndarray:
        """Log density of rows in nats, shape (n_samples,): ``-inf`` where it is zero, never NaN."""
        log_density = log_density_of(self.density, X)
        log_density = np.where(np.isnan(log_density), -np.inf, log_density)
        if self.incomplete is None:
            return log_density
        return self.incomplete(self.density, X, log_density)

    def log_density_of_copies(self, copies, rows) -> np.ndarray:
        """Log density of changed copies of rows, as if the rows had not been in training.

        Parameters
        ----------
        copies : ndarray or DataFrame of shape (k * n, n_features)
            As many copies of each row, those of one row next to each other.
        rows : ndarray or DataFrame of shape (n, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (k * n,)
            As `log_density` returns them.
        """
        log_density = log_density_of_copies(self.density, copies, rows)
        if self.incomplete is None:
            return log_density
        return self.incomplete(self.density, copies, log_density)


class Scores:
    """One score of each row: averaged over seeds, and combined over densities.

    Parameters
    ----------
    groups : list of lists of estimators
        Fitted densities; those of one list differ in their seeds alone.
    statistic : type of Statistic
        What rows are scored by.
    reading : TableReading, default=None
        What makes rows what the densities see; None where they see them as they are.
    """

    def __init__(self, groups, statistic, reading=None):
        self.statistic, self.reading = statistic, reading
        self._sizes = [len(group) for group in groups]
        self._members = [Member(density) for density in itertools.chain(*groups)]

    @property
    def are_combined(self) -> bool:
        """Whether scores are shares of training rows, as those of several densities are."""
        return len(self._sizes) > 1

    def fit(self, X, rng: np.random.RandomState, weight=None) -> np.ndarray:
        """Learn from training rows what scores are compared with.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            The rows that the densities were fitted to.
        rng : RandomState
            Source of randomness.
        weight : ndarray of shape (n_samples,), default=None
            Weights of the rows, positive.

        Returns
        -------
        ndarray of shape (n_samples,)
            The scores of these rows.

        Raises
        ------
        InvalidParameterError
            If a density lacks what the statistic needs.
        """
        if self.statistic.requirement is not None:
            for member in self._members:
                wanted = self.statistic.name
                self.statistic.requirement.check(member.unwrapped.estimator, wanted)
        X = self._read(X)
        few = reference_positions(_num_samples(X), rng, weight)
        if self.statistic.takes_incomplete_rows and self._may_be_incomplete(X):
            shuffled = _safe_indexing(X, few)
            for member in self._members:
                member.incomplete = IncompleteScores(member.density, shuffled)
        reference = _safe_indexing(X, np.sort(few))
        self._statistics = [self.statistic().fit(member, reference) for member in self._members]
        of_each = self._of_each(X)
        self._tails = [Tail(scores, weight) for scores in of_each]
        return self._combined(of_each)

    def __call__(self, X) -> np.ndarray:
        """Scores of rows, shape (n_samples,)."""
        n = _num_samples(X)
        # Comparing incomplete rows costs by patterns of missing values, which blocks would share.
        if n <= _BLOCK or any(member.incomplete is not None for member in self._members):
            return self._combined(self._of_each(self._read(X)))
        blocks = (_safe_indexing(X, slice(i, i + _BLOCK)) for i in range(0, n, _BLOCK))
        return np.concatenate([self(block) for block in blocks])

    def of_copies(self, copies, rows) -> np.ndarray:
        """Scores of changed copies of rows by their log densities, as if the rows were new.

        Parameters
        ----------
        copies : ndarray or DataFrame of shape (k * n, n_features)
            As many copies of each row, those of one row next to each other.
        rows : ndarray or DataFrame of shape (n, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (k * n,)
            Combined over densities as the scores of rows are, but with shares as
            `Tail.continued` returns them.
        """
        copies, rows = self._read(copies), self._read(rows)
        by_member = [member.log_density_of_copies(copies, rows) for member in self._members]
        of_each = self._by_group(np.array(by_member))
        return combined(
            [tail.continued(of_one) for tail, of_one in zip(self._tails, of_each, strict=True)]
        )

    def _read(self, X):
        return X if self.reading is None else self.reading(X)

    def _may_be_incomplete(self, X):
        # Pipelines do not tell whether their last step takes missing values.
        densities = (member.density for member in self._members)
        return is_missing(X).any() or all(map(allows_missing, densities))

    def _of_each(self, X):
        """Scores by each density, averaged over seeds."""
        pairs = zip(self._statistics, self._members, strict=True)
        scores = np.array([statistic.score(member, X) for statistic, member in pairs], float)
        return self._by_group(scores)

    def _by_group(self, scores):
        """Means over seeds of the scores of members, (n_members, n)."""
        return [group.mean(0) for group in np.split(scores, np.cumsum(self._sizes)[:-1])]

    def _combined(self, of_each):
        if not self.are_combined:
            return of_each[0]
        return combined([tail(of_one) for tail, of_one in zip(self._tails, of_each, strict=True)])
