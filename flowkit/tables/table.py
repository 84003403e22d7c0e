"""Densities of tables whose columns are of several kinds."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..estimators import FlowDensity
from ..exceptions import InvalidDataError, OutsideSupportError
from ..nested import (
    Held,
    MeanScoreMixin,
    seeded_copies,
)
from ..validation import SuggestingEstimator, check_flag, labels_of, refuse_non_finite, refuse_wide
from ._cell_locations import locations_in_cells, opened_rows
from ._column_reading import read_columns
from ._column_report import report_frame, report_lines, report_text
from ._column_warnings import warn_of_columns
from ._declarations import settle_kinds
from ._encoded_density import EncodedDensity
from ._level_order import order_levels
from ._missing_patterns import MissingPatterns
from ._table_conditions import TableConditions
from ._table_draws import TableDrawsMixin
from ._table_form import TableForm
from ._table_imputation import TableImputation
from ._table_input import check_weight, takes_missing, validate_table
from ._table_stream import TableStreamMixin
from ._table_topics import TableTopicsMixin


class TableDensity(
    TableConditions,
    TableDrawsMixin,
    TableImputation,
    TableTopicsMixin,
    TableStreamMixin,
    MeanScoreMixin,
    SuggestingEstimator,
):
    """Density of a table with real, bounded, spiked, whole, categorical and circular columns.

    Each column is mapped onto one that a continuous density can model, with its volume counted, so
    that scores stay in the user's units: log densities per unit of the real columns, log
    probabilities of categories. Summed over all categories and integrated over the rest, the
    density is one.

    Parameters
    ----------
    density : estimator or None, default=None
        Density of the encoded columns: any estimator with `score_samples`, such as those of
        flowkit, `sklearn.neighbors.KernelDensity` or `sklearn.mixture.GaussianMixture`. Cloned
        before it is fitted. None is ``FlowDensity()``.
    kinds : 'auto', dict, or list of str, default='auto'
        What columns are: 'continuous', 'bounded', 'integer', 'categorical', 'circular', 'spiked',
        'date' or 'auto'.
        A dict maps columns to kinds, and leaves the others to 'auto'; a list has one kind for each
        column. Keys are names, whatever their type, or positions where no column has such a name.
        'auto' makes a column circular if it has a period; a date if it is of a type of dates
        without a time zone; categorical if it holds text, booleans,
        a categorical type, only two values that repeat, or a few whole numbers so far apart that
        they are codes; spiked if it holds real numbers, or more than 50 different whole ones, and
        some values, such as zero, have at least 5 % of the rows each, ten times as many as any
        other; integer if all its numbers are whole; bounded if it has bounds; and
        continuous otherwise. Bounds are never guessed.
    bounds : dict, 'seen' or None, default=None
        Column to ``(low, high)``, for bounded, integer and spiked columns; None or infinity on one
        side leaves it open. Bounds belong to the support. A column's bounds may be 'seen': its
        least and largest value in training. ``bounds='seen'`` sets this for all columns of whole
        numbers, and for no others, as new real values often lie beyond those of training. It is not
        the default, as new rows beyond the range would score ``-inf``; set it where draws must stay
        within.
    periods : dict or None, default=None
        Column to ``period`` or ``(start, period)`` of a circular column; `start` is 0 without it.
    cells : {'density', 'probability'}, default='density'
        What an integer counts for in scores: the density at it, or the probability of its cell,
        the numbers that round to it. With 'probability', a row of integers and categories alone
        gets a log probability.
    n_draws : int, default=128
        Number of points in the cell of each row over which its probability is averaged, at least
        2, rounded up to a power of two, where several columns have cells. Half as many come
        first, and up to 16 times as many where the standard error stays above 0.08 nats. In a
        single column, a Gauss-Legendre rule has 8 points, and again twice as many, up to 64, where
        a coarser rule differs by more than ``2.4 / order**2`` of the probability: 4 % with 8
        points, 0.2 % with 32. More `n_draws` make errors smaller in both. An eighth as many points
        are used where values are missing; each then gets 64 draws of these.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of randomness in `fit`: of locations within cells, and of each ``random_state``
        within `density` that is None, unless this is None as well. One that is given stays.

    Attributes
    ----------
    density_ : estimator
        The density, fitted to the encoded columns.
    kinds_ : list of str
        Kind of each column.
    categories_ : dict of ndarray
        Levels of each categorical column, by its name, or position where X has no names, in their
        order on the encoded axis.
    topics_ : list of dict
        Topics of `density_`, where it is a `FractalFlowDensity` with topics, in words of the
        columns here: levels by their names, values in the units of X. `describe_topics`,
        `predict_proba`, `predict`, `steer` and `topic_distances` are there then.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where all are strings. Others are kept and compared, too.

    See Also
    --------
    FlowDensity : The density used by default.

    Notes
    -----
    *Categorical.* A level is the interval of standard normal quantiles between its cumulative
    frequencies, smoothed by half a row, so that the encoded column is close to standard normal.
    Training rows lie anywhere in it, rarely at its ends, so that a smooth density need not jump
    from one level to the next. Where in it, a Gaussian copula of all columns draws, as it does for
    whole numbers and spikes of such a table: drawn by themselves, locations would blur what columns
    have to do with each other. The probability of a level is the integral of the density over its
    interval. Where one column of a row has a cell, and the density knows its conditionals, as that
    of `sklearn.mixture.GaussianMixture`, it has a closed form. Elsewhere it is found by a
    Gauss-Legendre rule in a single column, in several by scrambled Sobol points. These are moved to
    where the copula expects training rows, given the rest of the row, so that the density varies
    little over them; all are fixed, so that a row has the same score at every call.
    Levels with similar rows are made neighbours, unless a pandas type gives an order. Levels that a
    categorical type declares have a probability even if no row has them; others have none, and
    score ``-inf``.

    *Integer.* In training, integers are spread evenly over ``[k - 1/2, k + 1/2)``. Where many
    repeat and all are a whole number of steps apart, cells are as wide as the step, and numbers
    between have no probability. Numbers that are not whole score ``-inf``. Without bounds, integers
    beyond those of training, such as a count of -1, are possible, and are drawn: give
    ``(0, None)`` or 'seen'.

    *Bounded.* The encoded column is the log of the distance from the bound, or the difference of
    both logs; an integer's cells end half a unit beyond its bounds. Values on a bound count as half
    as far from it as the nearest training value. Outside the bounds scores are ``-inf``.

    *Spiked.* Some values have a probability of their own, in the log of which a row of such a value
    is scored; all others have a density per unit (whole numbers where ``cells='probability'``, the
    probability of their cell). These probabilities and the integral over the rest add up to one, so
    that a spike is drawn as often as it was; scores of rows on a spike and beside it have different
    units. On the encoded axis a spike is a cell, and the numbers on either side of it begin where
    it ends. Where no bounds are declared, a spike at the least or the largest training value is a
    bound. Where a column of another kind is declared though many rows share one value, no density
    is right for these, and a warning says so.

    *Date.* Dates are whole numbers of the longest unit that all training dates are multiples of,
    from days to microseconds, since 1970, and are treated as integers: scores are per unit, and
    dates between have no probability. Bounds are 'seen' or none. Draws and quantiles are dates of
    that resolution. Values that are given are dates, or text such as ``'2024-12-31'``. Finer dates,
    and those too far from 1970 for float64, are refused in `fit`.

    *Circular.* The circle is cut open in the widest gap between training values, and the density
    of an angle is the sum over it and one turn to either side, so that it does not jump at the cut.
    Mass of the inner density beyond these turns is lost, less than 1e-6 for evenly spread angles.
    Each circular column makes scoring three times as long.

    Missing values pass where `density` accepts them, and are refused otherwise.

    *Streams.* Each chunk of `partial_fit` learns the correlations within cells anew, from its own
    rows; those of fewer than 50 rows lie in their cells column by column.

    References
    ----------
    Uria, Murray, Larochelle, "RNADE: The real-valued neural autoregressive density-estimator",
    NIPS 2013, arXiv 1306.0186, for integers spread over their cells.

    Hoogeboom, Cohen, Tomczak, "Learning Discrete Distributions by Dequantization", AABI 2021,
    arXiv 2001.11235.

    Hoff, "Extending the rank likelihood for semiparametric copula estimation", Annals of Applied
    Statistics 1 (2007), arXiv math/0610413, for locations within cells.

    Greenacre, "Correspondence Analysis in Practice", 3rd ed., 2017, for the order of levels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> from flowkit import TableDensity
    >>> rng = np.random.default_rng(0)
    >>> size = rng.choice(["small", "large"], p=[0.8, 0.2], size=2000)
    >>> weight = rng.lognormal(size == "large", 0.3)
    >>> X = np.array([size, weight], dtype=object).T
    >>> density = TableDensity(GaussianMixture(2), bounds={1: (0, None)}, random_state=0).fit(X)
    >>> print(density.report())
    column  kind         why                  details
    0       categorical  text or objects      2 levels: small 79.4%, large 20.6%
    1       bounded      bounds are declared  0.405175 to 5.78588, 2000 values, bounds 0 and inf
    >>> np.exp(density.score_samples(np.array([["small", -1.0]], dtype=object)))
    array([0.])
    >>> density.sample(2, random_state=0).shape
    (2, 2)
    """

    _parameter_constraints: dict = {
        "density": [HasMethods(["fit", "score_samples"]), None],
        "kinds": [StrOptions({"auto"}), dict, list, tuple, np.ndarray],
        "bounds": [dict, StrOptions({"seen"}), None],
        "periods": [dict, None],
        "cells": [StrOptions({"density", "probability"})],
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state", np.random.Generator],
    }

    _stand_ins = {"density": "FlowDensity()"}
    # Where training rows lie in their cells; files of older versions do not say.
    _copula = None

    def __init__(
        self,
        density=None,
        *,
        kinds="auto",
        bounds=None,
        periods=None,
        cells="density",
        n_draws=128,
        random_state=None,
    ):
        self.density = density
        self.kinds = kinds
        self.bounds = bounds
        self.periods = periods
        self.cells = cells
        self.n_draws = n_draws
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Decide the kind of each column, then fit the density to the encoded columns.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows. Columns of a pandas or polars DataFrame keep their own types.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, also passed to the density; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidParameterError
            If a declaration names no column or kind, is incomplete or contradicts another, or if
            weights are given to a density that takes none.
        OutsideSupportError
            If training rows lie outside the declared bounds.
        InvalidDataError
            If a column cannot be what it was declared to be, values are missing or infinite, or
            several columns have one name.

        Warns
        -----
        HeavyValueWarning
            If many rows share one value of a column whose others hardly repeat.
        RareLevelsWarning
            If a category has levels that only tell rows apart, or that are numbers as text.
        """
        with self._unchanged_on_failure():
            self._begin(X, sample_weight, "fit")
        return self

    def _begin(self, X, sample_weight, method):
        """Settle kinds and maps of the columns, and train a new density by one of its methods."""
        rng = check_random_state(self.random_state)
        density = FlowDensity() if self.density is None else self.density
        (density,) = seeded_copies(density, 1, self.random_state, rng)
        columns, form = self._read(X, reset=True)
        weight = check_weight(sample_weight, len(columns[0].values), density)
        if weight is not None:
            columns = [column.take(weight > 0) for column in columns]
            weight = weight[weight > 0]
        rows = self._settle(columns, weight, rng)
        warn_of_columns(self._names(), rows, self._codecs)
        encoded, self._copula = self._encode_training(rows, weight, density, rng)
        refuse_wide(encoded, self._names())
        if hasattr(density, "_named_by"):
            density._named_by(self._names())
        self._let_read(density)
        options = {} if weight is None else {"sample_weight": weight}
        self.density_ = getattr(density, method)(encoded, None, **options)
        self._form, self._n_chunks = form, 1
        self._missing_patterns = MissingPatterns.of(np.isnan(rows), weight)

    def score_samples(self, X, return_std=False, *, given=None):
        """Log density of each row, in nats and in the units of X; also given some columns.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the error of the average over cells too.
        given : str, int, or list of these, default=None
            Columns that are given, by name, or by position where no column has such a name. The
            log density is that of the others given these: of a category alone given all others,
            the log of its probability.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Log of the density per unit of the continuous, bounded and circular columns, of
            spiked ones beside their spikes, and of the integer ones where ``cells='density'``,
            times the probability of the others; float64, ``-inf`` outside the support.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats. It comes from the spread over the
            points as if they were random, or from the distance to a coarser rule if one column
            has cells, and from the error of draws of missing values, if `density` has
            ``score_marginal``. The points are more even than random ones, and a coarser rule misses
            more, so it is an upper bound in most cases. Zero where nothing is averaged over.

        Raises
        ------
        InvalidDataError
            If the columns are not those of training, or hold values that their kind excludes, or if
            `return_std` is neither true nor false.
        UnknownNameError
            If there is no such column to be given.
        InvalidParameterError
            If all columns are given.

        Warns
        -----
        SlowScoringWarning
            Before scoring begins, if it may take minutes.
        InaccurateScoresWarning
            If more than 1 % of the rows without missing values have a standard error above 0.25
            nats.
        """
        check_is_fitted(self)
        return_std = check_flag(return_std, "return_std")
        if given is not None:
            return self._score_given(X, given, return_std)
        _, log_density, error = self._scored_rows(X)
        return (log_density, error) if return_std else log_density

    def _score_copies(self, copies, rows, n_draws=None):
        """Log density of changed copies of rows, as if the rows had not been in training."""
        copies, rows = (self._rows(self._read(X, reset=False)[0]) for X in (copies, rows))
        inside, known = self._contained(copies).all(1), self._contained(rows).all(1)
        log_density = np.full(len(copies), -np.inf)
        if inside.any():
            log_density[inside] = self._encoded_density().score_copies(
                copies[inside], inside, rows[known], known, n_draws
            )
        return log_density

    def _encoded_density(self):
        by_cell = self.cells == "probability"
        return EncodedDensity(self.density_, self._codecs, by_cell, self.n_draws, self._copula)

    def report(self, as_frame=False):
        """What each column was taken for, and why.

        Parameters
        ----------
        as_frame : bool, default=False
            Whether to return a pandas DataFrame instead of text.

        Returns
        -------
        report : str or DataFrame
            One line a column: its name, kind, the reason, and levels, range, spacing, bounds or
            period.

        Raises
        ------
        MissingDependencyError
            If `as_frame` and pandas is not installed.
        InvalidDataError
            If `as_frame` is neither true nor false.
        """
        check_is_fitted(self)
        lines = self._report_lines()
        return report_frame(lines) if check_flag(as_frame, "as_frame") else report_text(lines)

    def _report_lines(self):
        """Name, kind, its reason and details of each column."""
        return report_lines(self._names(), self._kinds, self._codecs)

    def _read(self, X, reset):
        """Columns of X with their types, and what X looks like."""
        X = validate_table(self, X, reset)
        columns = read_columns(X, self._names())
        return columns, TableForm.of(X, columns)

    def _names(self):
        return list(map(str, self._labels()))

    def _labels(self):
        """Labels of the columns, or their positions where they have none."""
        labels = labels_of(self)
        return range(self.n_features_in_) if labels is None else labels

    def _settle(self, columns, weight, rng):
        """Kinds and maps of the columns; their rows as numbers, levels by their position."""
        self._kinds = settle_kinds(columns, labels_of(self), self.kinds, self.bounds, self.periods)
        self.kinds_ = [kind.name for kind in self._kinds]
        weight = np.ones(len(columns[0].values)) if weight is None else weight
        pairs = list(zip(self._kinds, columns, strict=True))
        rows = np.column_stack([kind.numbers(column) for kind, column in pairs])
        self._refuse_non_finite(rows, self.density)
        self._codecs = [
            kind.codec(column, x, weight) for (kind, column), x in zip(pairs, rows.T, strict=True)
        ]
        self._refuse_outside(rows)
        ordered = [column.ordered for column in columns]
        self._codecs = order_levels(self._codecs, ordered, rows, weight, rng)
        self.categories_ = {
            label: codec.level_values
            for label, codec in zip(self._labels(), self._codecs, strict=True)
            if codec.levels is not None
        }
        return self._rows(columns)

    def _rows(self, columns, incomplete=False):
        """Columns as numbers, levels by their position on the axis; whether any may be missing."""
        rows = np.empty((len(columns[0].values), len(columns)))
        for j, (column, codec) in enumerate(zip(columns, self._codecs, strict=True)):
            numbers = codec.read(column)
            if numbers is None:
                what = "dates" if codec.is_date else "numbers"
                raise InvalidDataError(
                    f"column {self._names()[j]} was {self.kinds_[j]} in fit, but holds values that "
                    f"are not {what} now: give it as {what}."
                )
            rows[:, j] = numbers
        self._refuse_non_finite(rows, getattr(self, "density_", self.density), incomplete)
        return rows

    def _refuse_non_finite(self, rows, density, incomplete=False):
        missing = np.isnan(rows) if incomplete or takes_missing(density) else None
        refuse_non_finite(rows, self._names(), missing)

    def _contained(self, rows):
        """Whether each value is missing or within the support of its column."""
        return np.column_stack(
            [
                np.isnan(x) | codec.contains(x, self.cells == "probability")
                for codec, x in zip(self._codecs, rows.T, strict=True)
            ]
        )

    def _refuse_outside(self, rows):
        outside = ~self._contained(rows)
        for j in np.flatnonzero(outside.any(0)):
            low, high = self._kinds[j].bounds
            wrong = rows[outside[:, j], j]
            raise OutsideSupportError(
                f"column {self._names()[j]} has bounds {low:g} and {high:g}, but {len(wrong)} "
                f"training value(s) lie outside, {wrong[0]:.6g} first: drop these rows, or widen "
                "the bounds."
            )

    def _encode_training(self, rows, weight, density, rng):
        """One point for each row within its cell, and the copula that draws them, if one does."""
        if any(codec.fills_cells(by_cell=False) for codec in self._codecs):
            spreads_ties, opened = False, opened_rows(rows, self._codecs)
            ranks, copula = locations_in_cells(opened, weight, rng)
        else:
            copula, ranks = None, rng.uniform(size=rows.shape)
            spreads_ties = getattr(density, "dequantize", None) == "auto"
        encoded = np.empty_like(rows)
        for j, (codec, x) in enumerate(zip(self._codecs, rows.T, strict=True)):
            # A density that spreads ties draws other points in each epoch, and knows its rows.
            left = spreads_ties and codec.has_even_ties and not np.isnan(x).any()
            u = None if left else codec.locations(ranks[:, j, None])
            encoded[:, j] = codec.points(x, u)[0][:, 0]
        return encoded, copula

    # ------------------------------------------------------------------ scikit-learn

    def _held(self):
        inner = getattr(self, "density_", self.density)
        # A row is many points of the density within: all that lie in its cells.
        return None if inner is None else Held(inner, transformers=None, log_density="other")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = takes_missing(self.density)
        return tags
