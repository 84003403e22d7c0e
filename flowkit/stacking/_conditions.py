"""Scores and draws of a stack, also under conditions, which each of its members knows."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._seeds import check_random_state
from ..conditions import (
    ConditionalDensity,
    MixedQuestions,
    log_mean_density,
    questions_of,
    relabelled,
)
from ..exceptions import InvalidParameterError
from ..nested import (
    can_be_drawn_from,
    check_n_samples,
    estimates_of,
    log_density_of,
    log_density_without,
    own_kernels_of,
    stood_for,
)
from ..validation import check_flag
from ._draws import draw_from_members


def _all_can_be_drawn_from(stack):
    return all(map(can_be_drawn_from, getattr(stack, "estimators_", stack._given_densities())))


class StackConditions(ConditionalDensity):
    """Methods of a stack that answer questions about its columns."""

    def score_samples(self, X, return_std=False, *, given=None):
        """Log density of each row, in nats and in the units of X; also given some columns.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the standard error too.
        given : str, int, or list of these, default=None
            Columns that are given, by name, or by position where no column has such a name. The
            log density is that of the others given these.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the weighted mean of the members' densities, float64; ``-inf``
            where all of them are zero.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats, at most; 0 where all members know their
            density in closed form.

        Raises
        ------
        InvalidParameterError
            If a member does not score each row, or, with conditions, cannot be asked.
        InvalidDataError
            If a score of a member is not a number.
        UnknownNameError
            If there is no such column.
        """
        check_is_fitted(self)
        if given is None and not check_flag(return_std, "return_std"):
            return self._log_density(self._read(X, reset=False))
        self._refuse_questions("score_samples with given or return_std is")
        return self._score_given(X, given, return_std)

    @available_if(_all_can_be_drawn_from)
    def sample(self, n_samples=1, random_state=None, *, given=None):
        """Draw rows from the density, or given values of some columns.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values that some columns have. A dict maps columns, by name, or by position where no
            column has such a name, to one value each. Rows hold NaN where columns are open, and a
            DataFrame may lack these: of each row there are `n_samples` draws, next to each other.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Draws of members in proportion to their weights, or, given some columns, to their
            weighted densities of these, in random order; a DataFrame where a member draws one.

        Raises
        ------
        InvalidDataError
            If `n_samples` is less than one.
        InvalidParameterError
            If a member that is drawn from has no draws of its kernel, or all columns are given.
        UnknownNameError
            If there is no such column.
        OutsideSupportError
            If values given have no density.

        Warns
        -----
        FewEffectiveDrawsWarning
            If draws repeat, as few proposals carry the weight.
        """
        check_is_fitted(self)
        if given is not None:
            self._refuse_questions("sample with given is")
            return self._sample_given(n_samples, random_state, given)
        n_samples, rng = check_n_samples(n_samples), check_random_state(random_state)
        return draw_from_members(self.estimators_, self.weights_, n_samples, rng)

    def _log_density(self, X, without=None):
        """Log density of rows, each without one more kernel of each member where given."""
        if without is None:
            without = np.full((_num_samples(X), len(self.estimators_)), -1)
        kernels = iter(without.T)

        def score(density):
            own = next(kernels)
            if (own >= 0).any():
                return log_density_without(density, X, own)
            return log_density_of(density, X)

        return logsumexp(self._weighted(X, score), axis=1)

    def _own_kernels(self, X):
        X = self._read(X, reset=False)
        found = [own_kernels_of(density, X) for density in self.estimators_]
        if all(own is None for own in found):
            return None
        none = np.full(_num_samples(X), -1)
        return np.column_stack([none if own is None else own for own in found])

    # ------------------------------------------------------------------ questions

    def _questions(self):
        if self._reader is None:
            members = list(map(questions_of, self.estimators_))
        else:
            levels = self._levels()
            densities = map(stood_for, self.estimators_)
            members = [relabelled(one._questions(), one._levels(), levels) for one in densities]
        with np.errstate(divide="ignore"):
            return MixedQuestions(members, np.log(self.weights_))

    @property
    def _reader(self):
        """The member that reads tables for all of them; None for rows of numbers."""
        return stood_for(self.estimators_[0]) if get_tags(self).input_tags.categorical else None

    def _refuse_questions(self, what):
        for density in map(stood_for, self.estimators_):
            if isinstance(density, ConditionalDensity):
                density._refuse_questions(what)
            elif self._reader is not None:
                raise InvalidParameterError(
                    f"{what} not for stacks of {type(density).__name__}, which reads tables in its "
                    "own way: use TableDensity for all members."
                )

    def _levels(self):
        return {} if self._reader is None else self._reader._levels()

    def _numbers(self, X):
        if self._reader is None:
            return np.asarray(self._read(X, reset=False), dtype=np.float64)
        return self._reader._numbers(X)

    def _numbers_given(self, column, j, parameter):
        reader = super() if self._reader is None else self._reader
        return reader._numbers_given(column, j, parameter)

    def _why_outside(self, i, j):
        return (super() if self._reader is None else self._reader)._why_outside(i, j)

    def _in_units(self, numbers, j):
        return (super() if self._reader is None else self._reader)._in_units(numbers, j)

    def _in_form(self, rows, columns):
        return (super() if self._reader is None else self._reader)._in_form(rows, columns)

    def _scored_rows(self, X):
        rows, errors = self._read(X, reset=False), []

        def score(density):
            log_density, error = estimates_of(density, rows)
            errors.append(error)
            return log_density

        weighted = self._weighted(rows, score)
        return self._numbers(X), *log_mean_density(weighted, np.column_stack(errors))
