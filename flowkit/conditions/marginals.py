"""Density of some columns of a fitted density, the others integrated out."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..exceptions import InvalidParameterError
from ..missing import N_DRAWS
from ..nested import MeanScoreMixin, check_n_samples, draw_from
from ..validation import SuggestingEstimator, container_of, labels_of
from ._answers import Answers
from ._given import positions_of
from ._laws import Law
from ._questions import MAX_CANDIDATES, Questions


class ConditionalDensity(Answers):
    """Methods of a density that answers questions about its columns; goes before its base class.

    Subclasses implement ``_questions()``, ``_scored_rows(X)`` and ``_own_kernels(X)``, and
    where their rows are no plain numbers ``_numbers_given(column, j, parameter)``,
    ``_in_units(numbers, j)`` and ``_in_form(rows, columns)``.
    """

    def marginal(self, columns):
        """Density of some of the columns, the others integrated out.

        Parameters
        ----------
        columns : str, int, or list of these
            Names, or positions where no column has such a name.

        Returns
        -------
        density : MarginalDensity
            Fitted, of these columns in this order, with `score_samples`, `sample`, `marginal`,
            `cdf` and `quantile`.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        InvalidParameterError
            If a column is named twice, or none is.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from flowkit import FlowDensity
        >>> X = load_iris(as_frame=True).data
        >>> density = FlowDensity(n_transforms=0, max_epochs=1, random_state=0).fit(X)
        >>> petals = density.marginal(["petal length (cm)", "petal width (cm)"])
        >>> petals.score_samples(X[petals.feature_names_in_]).shape
        (150,)
        """
        check_is_fitted(self)
        self._refuse_questions("marginal is")
        found = positions_of(columns, self._column_labels, "columns")
        if not found:
            raise InvalidParameterError("columns names no column: name at least one.")
        # A copy, as training goes on in place.
        return MarginalDensity(copy.deepcopy(self), [self._column_labels[j] for j in found])


class MarginalDensity(ConditionalDensity, MeanScoreMixin, SuggestingEstimator):
    """Density of some columns of a fitted density, the others integrated out.

    What the method `marginal` of a density returns. It is fitted as that density was then: `fit`
    changes nothing, nor does another `fit` of that density, and `sklearn.base.clone` makes no copy.

    Parameters
    ----------
    density : estimator
        Fitted, with `marginal`.
    columns : list
        Names of the columns, or their positions where the density was fitted without names.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where the density was fitted to names.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from flowkit import FlowDensity
    >>> X = load_diabetes(as_frame=True, scaled=False).data
    >>> density = FlowDensity(n_transforms=0, max_epochs=1, random_state=0).fit(X)
    >>> two = density.marginal(["bmi", "bp"])
    >>> two.sample(3, random_state=0, given={"bmi": 30.0})[:, 0]
    array([30., 30., 30.])
    >>> two.columns
    ['bmi', 'bp']
    """

    _parameter_constraints: dict = {"density": "no_validation", "columns": [list]}

    def __init__(self, density, columns):
        self.density = density
        self.columns = columns

    def __sklearn_clone__(self):
        return self

    def __sklearn_is_fitted__(self):
        return True

    @property
    def _positions(self):
        labels = labels_of(self.density)
        place = {} if labels is None else {label: j for j, label in enumerate(labels)}
        return [place.get(column, column) for column in self.columns]

    @property
    def n_features_in_(self):
        return len(self.columns)

    @property
    def feature_names_in_(self):
        names = getattr(self.density, "feature_names_in_", None)
        if names is None:
            raise AttributeError("the density was fitted without names")
        return names[self._positions]

    @property
    def _kept_labels(self):
        labels = labels_of(self.density)
        return None if labels is None else [labels[j] for j in self._positions]

    @property
    def kinds_(self):
        """Kinds of the columns, where the density is one of a table."""
        return [self.density.kinds_[j] for j in self._positions]

    def fit(self, X=None, y=None, sample_weight=None):
        """Do nothing, as the density is fitted.

        Parameters
        ----------
        X, y, sample_weight : object
            Ignored.

        Returns
        -------
        self : object
            This density.
        """
        return self

    def score_samples(self, X, return_std=False, *, given=None):
        """Log density of each row, in nats and in the units of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows of the columns alone.
        return_std : bool, default=False
            Whether to return the standard error too.
        given : str, int, or list of these, default=None
            Columns that are given: the log density is that of the others given these.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Float64, ``-inf`` outside the support.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats, 0 where there is a closed form.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        InvalidDataError
            If the columns are others, or hold no numbers where they should.
        """
        check_is_fitted(self)
        return self._score_given(X, given, return_std)

    def sample(self, n_samples=1, random_state=None, *, given=None):
        """Draw rows of the columns.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values of some of the columns, as in the `sample` of the density.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            The rows, as the density gives them.

        Raises
        ------
        InvalidParameterError
            If all columns are given.
        OutsideSupportError
            If values given have no probability.
        """
        check_is_fitted(self)
        if given is not None:
            return self._sample_given(n_samples, random_state, given)
        rng = check_random_state(random_state)
        return self._cut(draw_from(self.density, check_n_samples(n_samples), rng, dtype=None))

    # ------------------------------------------------------------------ the density within

    def _questions(self):
        questions, d = self.density._questions(), self.density.n_features_in_
        return _QuestionsWithin(questions, self._positions, d)

    def _numbers_given(self, column, j, parameter):
        return self.density._numbers_given(column, self._positions[j], parameter)

    def _why_outside(self, i, j):
        return self.density._why_outside(i, self._positions[j])

    def _in_units(self, numbers, j):
        return self.density._in_units(numbers, self._positions[j])

    def _in_form(self, rows, columns):
        return self.density._in_form(rows, [self._positions[j] for j in columns])

    def _cut(self, table):
        if container_of(table).is_frame:
            return table[[container_of(table).labels[j] for j in self._positions]]
        return table[:, self._positions]

    def _scored_rows(self, X):
        may_lack = get_tags(self.density).input_tags.allow_nan
        needed = () if may_lack else range(self.n_features_in_)
        rows, inside = self._rows_of(X, needed)
        log_density, error = np.full(len(rows), -np.inf), np.zeros(len(rows))
        kept = inside.all(1)
        if kept.any():
            found = self._questions().log_density(rows[kept], N_DRAWS)
            log_density[kept], error[kept] = found
            self._warn_of_error(found[1])
        return rows, log_density, error

    def _own_kernels(self, X):
        # No row of the density stands for a row of some of its columns.
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.density).input_tags
        return tags

    def _held(self):
        # No row of the density stands for a row of some of its columns.
        return None


class _QuestionsWithin(Questions):
    """Questions of some columns of a density.

    Parameters
    ----------
    questions : Questions
        Of all columns.
    columns : list of int
        Positions of those that rows have here.
    d : int
        Number of all columns.
    """

    def __init__(self, questions: Questions, columns: list[int], d: int):
        self._questions, self._columns, self._d = questions, columns, d

    @property
    def is_exact(self):
        return self._questions.is_exact

    def log_density(self, X, n_draws, without=None):
        return self._questions.log_density(self._wide(X), n_draws, without)

    def draws(self, X, n_draws, rng, most=MAX_CANDIDATES):
        copies, n_effective = self._questions.draws(self._wide(X), n_draws, rng, most)
        return copies[..., self._columns], n_effective

    def law(self, X, column, n_draws) -> Law:
        return self._questions.law(self._wide(X), self._columns[column], n_draws)

    def _wide(self, X):
        wide = np.full((len(X), self._d), np.nan)
        wide[:, self._columns] = X
        return wide
