"""Answers to questions about columns: draws and scores under conditions, and quantiles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..exceptions import (
    FewEffectiveDrawsWarning,
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
)
from ..missing import N_DRAWS
from ..nested import check_n_samples
from ..validation import as_numbers, check_count, check_flag, labels_of, warn
from ._given import (
    labels_or_positions,
    numbers_given,
    positions_of,
    values_given,
    values_of_rows,
)
from ._laws import Law
from ._questions import Questions
from ._relabelled import relabelled

# Fewer draws than these carry the weight of an answer that is worth a warning, also as a share of
# the draws that were asked for.
_FEW, _FEW_SHARE = 10, 0.1
# An error of so many nats is that of few effective draws.
_LARGE_ERROR = _FEW**-0.5
_LAW_DRAWS = 1024
# Rows at once, fewer where their draws are more numbers than these.
_ROWS_AT_ONCE, _MAX_VALUES = 256, 2**23


class Answers:
    """Answers of a fitted density that has ``_questions()``.

    It also has ``_own_kernels(X)``: the kernel that the score of each row leaves out, -1 for none,
    or None.

    A subclass whose rows are no plain numbers overrides ``_numbers_given``, ``_scored_rows``,
    ``_in_units`` and ``_in_form``.
    """

    def _sample_given(self, n_samples, random_state, given):
        """Draws under conditions, as `sample` documents them."""
        n_samples, rng = check_n_samples(n_samples), check_random_state(random_state)
        copies = self._draws_given(n_samples, rng, given)
        rows = copies.reshape(-1, copies.shape[2])
        return self._in_form(rows, list(range(self.n_features_in_)))

    def _draws_given(self, n_samples, rng, given, which=slice(None)):
        """Draws of each, or some, of the rows given, shape (n_rows, n_samples, n_features)."""
        rows, inside = self._rows_given(given)
        if not np.isnan(rows).any():
            raise InvalidParameterError(
                "given names all columns, so that nothing is left to draw: leave out some."
            )
        rows, inside, questions = rows[which], inside[which], self._questions()
        self._refuse_impossible(questions, rows, inside)
        copies, n_effective = questions.draws(rows, n_samples, rng)
        self._warn_of_few(n_effective, max(_FEW, _FEW_SHARE * n_samples), "draws")
        return copies

    def _score_given(self, X, given, return_std):
        """Scores under conditions, as `score_samples` documents them."""
        return_std = check_flag(return_std, "return_std")
        columns = positions_of([] if given is None else given, self._column_labels, "given")
        if len(columns) == self.n_features_in_:
            raise InvalidParameterError(
                "given names all columns, so that nothing is left to score: leave out some."
            )
        rows, joint, error = self._scored_rows(X)
        inside = np.isfinite(joint)
        log_density, total = joint.copy(), error.copy()
        if columns and inside.any():
            known = np.full_like(rows, np.nan)
            known[:, columns] = rows[:, columns]
            without = self._own_kernels(X)
            own = None if without is None else without[inside]
            below, of_below = self._questions().log_density(known[inside], N_DRAWS, own)
            log_density[inside] -= below
            total[inside] = np.hypot(total[inside], of_below)
            log_density[inside] = np.where(np.isfinite(below), log_density[inside], -np.inf)
            self._warn_of_error(of_below)
        return (log_density, total) if return_std else log_density

    def cdf(self, X, column, *, given=None, n_draws=_LAW_DRAWS, return_std=False):
        """Probability that a column is at most as large as in each row, given other columns.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, of which only the column and those given are read; others may be missing, and a
            DataFrame may lack them.
        column : str or int
            Name, or position where no column has such a name.
        given : str, int, or list of these, default=None
            Columns whose values in each row are given; the others are integrated out.
        n_draws : int, default=1024
            Draws for each row, where there is no closed form.
        return_std : bool, default=False
            Whether to return the standard error too.

        Returns
        -------
        probability : ndarray of shape (n_samples,)
            Between 0 and 1. Uniform over rows of the density, if all others are given or not; but
            with steps in columns of a table that are whole or rounded, as they are in draws.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error, 0 where there is a closed form.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        InvalidParameterError
            If the column is also given, or has no order.
        InvalidDataError
            If a value that is needed is missing.
        OutsideSupportError
            If values given have no probability.

        Warns
        -----
        FewEffectiveDrawsWarning
            If few draws carry the weight of an answer.
        """
        check_is_fitted(self)
        self._refuse_questions("cdf is")
        return_std = check_flag(return_std, "return_std")
        n_draws = check_count(n_draws, "n_draws", 2)
        j, known = self._column_and_given(column, given)
        rows, inside = self._rows_of(X, [j, *known])
        values = rows[:, j].copy()
        others = [k for k in range(rows.shape[1]) if k not in known]
        rows[:, others] = np.nan
        inside[:, others] = True
        questions = self._questions()
        self._refuse_impossible(questions, rows, inside)
        found = [
            (law.cdf(part[:, None])[:, 0], law.error(part[:, None])[:, 0] if return_std else None)
            for part, law in self._laws(questions, rows, j, n_draws, values)
        ]
        probability, error = zip(*found, strict=True)
        probability = np.concatenate(probability).clip(0, 1)
        return (probability, np.concatenate(error)) if return_std else probability

    def quantile(self, q, column, *, given=None, n_draws=_LAW_DRAWS):
        """Quantiles of a column, given values of others.

        Parameters
        ----------
        q : float or array-like of shape (n_quantiles,)
            Probabilities between 0 and 1, both excluded.
        column : str or int
            Name, or position where no column has such a name.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values of other columns, as in `sample`: a dict, or rows with NaN where values are open.
        n_draws : int, default=1024
            Draws for each row, where there is no closed form.

        Returns
        -------
        value : float or ndarray
            Of the shape of `q`; with rows given of shape (n_rows,) followed by that of `q`. In the
            units of X: of dates as those of numpy, to the unit that the column is told to.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        InvalidParameterError
            If the column is also given, or has no order.
        InvalidDataError
            If a probability is not between 0 and 1.
        OutsideSupportError
            If values given have no probability.

        Warns
        -----
        FewEffectiveDrawsWarning
            If few draws carry the weight of an answer.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from flowkit import FlowDensity
        >>> X = load_iris(as_frame=True).data
        >>> density = FlowDensity(n_transforms=0, max_epochs=1, random_state=0).fit(X)
        >>> given = {"petal length (cm)": 5.0}
        >>> low, high = density.quantile([0.1, 0.9], "petal width (cm)", given=given)
        >>> bool(1 < low < high < 3)
        True
        """
        check_is_fitted(self)
        self._refuse_questions("quantile is")
        n_draws = check_count(n_draws, "n_draws", 2)
        levels = _probabilities(q)
        j, _ = self._column_and_given(column, None)
        rows, inside = self._rows_given(given)
        if not np.isnan(rows[:, j]).all():
            raise InvalidParameterError(
                f"column {self._column_labels[j]} is given, so it has no quantiles: leave it out."
            )
        questions = self._questions()
        self._refuse_impossible(questions, rows, inside)
        if not levels.size:
            shape = levels.shape if _is_single(given) else (len(rows), *levels.shape)
            return self._in_units(np.empty(shape), j)
        flat = levels.reshape(1, -1)
        found = [
            law.quantile(np.repeat(flat, len(part), axis=0))
            for part, law in self._laws(questions, rows, j, n_draws, rows[:, j])
        ]
        values = self._in_units(np.concatenate(found), j)
        if _is_single(given):
            return values[0].reshape(levels.shape)[()]
        return values.reshape(len(rows), *levels.shape)

    # ------------------------------------------------------------------ what subclasses change

    def _questions(self) -> Questions:
        raise NotImplementedError

    def _levels(self) -> dict[int, np.ndarray]:
        """Columns to their levels, where rows of `_questions` tell these by their position."""
        return {}

    def _questions_of_numbers(self) -> Questions:
        """Questions whose rows hold the values of levels themselves, which are numbers."""
        return relabelled(self._questions(), self._levels())

    def _refuse_questions(self, what: str) -> None:
        """Refuse to answer where there are no answers; here there are some."""

    def _numbers_given(self, column, j: int, parameter: str) -> tuple[np.ndarray, np.ndarray]:
        """A column of a parameter as numbers, NaN where open, and whether each can be."""
        numbers = numbers_given(column, str(self._column_labels[j]), parameter)
        return numbers, np.ones(len(numbers), dtype=bool)

    def _scored_rows(self, X):
        """Rows as numbers, their log density, and its error."""
        raise NotImplementedError

    def _in_units(self, numbers: np.ndarray, j: int) -> np.ndarray:
        """Numbers of a column as `quantile` returns them."""
        return numbers

    def _in_form(self, rows: np.ndarray, columns: list[int]):
        """Rows of numbers of some columns as `sample` returns them."""
        return rows

    # ------------------------------------------------------------------ conditions

    @property
    def _column_labels(self):
        return labels_or_positions(labels_of(self), self.n_features_in_)

    def _rows_given(self, given):
        """What is given as rows with NaN where they are open, and whether each value can be."""
        return self._as_rows(*values_given(given, self._column_labels, "given"), "given")

    def _rows_of(self, X, needed):
        """Rows of X, of which only the columns that are needed are read, if any are named."""
        return self._as_rows(*values_of_rows(X, self._column_labels, "X"), "X", needed)

    def _as_rows(self, columns, n, name, needed=()):
        rows = np.full((n, self.n_features_in_), np.nan)
        inside = np.ones(rows.shape, dtype=bool)
        for j, column in columns.items():
            if not needed or j in needed:
                rows[:, j], inside[:, j] = self._numbers_given(column, j, name)
        lacking = [j for j in needed if np.isnan(rows[:, j]).any()]
        if lacking:
            raise InvalidDataError(
                f"{name} lacks values of column {self._column_labels[lacking[0]]}: give them all, "
                "or leave the column out of those that are given."
            )
        return rows, inside

    def _column_and_given(self, column, given):
        labels = self._column_labels
        found = positions_of([column], labels, "column")[0]
        known = [] if given is None else positions_of(given, labels, "given")
        if found in known:
            raise InvalidParameterError(
                f"column {labels[found]} is both asked for and given: leave it out of given."
            )
        return found, known

    def _refuse_impossible(self, questions, rows, inside):
        """Refuse values that have no probability, each by itself or together."""
        wrong = np.argwhere(~inside)
        if wrong.size:
            raise OutsideSupportError(self._why_outside(*wrong[0]))
        some = ~np.isnan(rows).all(1)
        if not some.any():
            return
        log_density, _ = questions.log_density(rows[some], N_DRAWS)
        lost = np.flatnonzero(some)[~np.isfinite(log_density)]
        if lost.size:
            raise OutsideSupportError(
                f"the values given in row {lost[0]} have no density, so nothing is known of the "
                "others: give values that are possible together."
            )

    def _why_outside(self, i, j):
        return (
            f"the value given for column {self._column_labels[j]} in row {i} has no probability: "
            "give one that is possible."
        )

    # ------------------------------------------------------------------ answers

    def _laws(self, questions, rows, j, n_draws, values):
        """Values and laws of a column, for as many rows at once as their draws leave memory for."""
        fewest = []
        size = min(max(_MAX_VALUES // (n_draws * rows.shape[1]), 1), _ROWS_AT_ONCE)
        for i in range(0, len(rows), size):
            part = slice(i, i + size)
            law: Law = questions.law(rows[part], j, n_draws)
            fewest.append(law.n_effective)
            yield values[part], law
        self._warn_of_few(np.concatenate(fewest), _FEW, "probabilities")

    def _warn_of_few(self, n_effective, least, what):
        few = n_effective < least
        if few.any():
            warn(
                f"{what} of {few.sum()} row(s) come from few weighted draws, as few as "
                f"{n_effective.min():.3g} of equal weight: what is given is rare, or much is open. "
                "Do not trust them; ask for the standard error where there is one, or give less.",
                FewEffectiveDrawsWarning,
            )

    def _warn_of_error(self, error):
        large = error > _LARGE_ERROR
        if large.any():
            warn(
                f"the density of what is given in {large.sum()} row(s) has a standard error of up "
                f"to {error.max():.2g} nats, as few draws carry its weight: ask for it with "
                "return_std=True, or give more columns.",
                FewEffectiveDrawsWarning,
            )


def _probabilities(q):
    levels = as_numbers(q)
    if levels is None or levels.ndim > 1 or not ((levels > 0) & (levels < 1)).all():
        raise InvalidDataError(
            f"q must be a number between 0 and 1, both excluded, or a list of these, got {q!r}."
        )
    return levels


def _is_single(given):
    return given is None or isinstance(given, Mapping)
