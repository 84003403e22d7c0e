"""Densities of tables whose columns are of several kinds."""

from __future__ import annotations

import itertools
import math
from numbers import Integral, Number

import numpy as np
from scipy.special import logsumexp
from scipy.stats import qmc
from sklearn.base import _fit_context
from sklearn.utils import check_array, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from .._optional import require
from .._seeds import check_random_state
from ..columns import constant_columns
from ..estimators._base import BaseDensity
from ..estimators.flow import FlowDensity
from ..exceptions import (
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
)
from ..nested import (
    Held,
    MeanScoreMixin,
    can_be_drawn_from,
    check_n_samples,
    draw_from,
    require_weights,
    score_inside,
    seeded_copies,
)
from ..validation import refuse_non_finite
from ..validation._labels import check_labels, labels_of, tell_labels
from ..validation._parameters import SuggestingEstimator
from ._column_codecs import AngleCodec, LevelCodec, NumberCodec, order_by_association
from ._column_kinds import settle_kinds
from ._column_reading import is_frame, read_columns
from ._column_warnings import warn_of_columns
from ._scoring_plan import plan, points_along, warn_if_slow
from ._table_form import TableForm

# Values that go to the inner density at once.
_CHUNK_VALUES = 2**20
_MIN_TRAINING_ROWS = 2
# Rough scores: places within cells, and how much fewer draws of what is missing each gets.
_FEW_PLACES, _FEW_DRAWS = 32, 4
# Rows that tell which levels are alike; more change the order little.
_MAX_COMPARED_ROWS = 10_000


class TableDensity(MeanScoreMixin, SuggestingEstimator):
    """Density of a table with real, bounded, whole, categorical and circular columns.

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
        What columns are: 'continuous', 'bounded', 'integer', 'categorical', 'circular' or 'auto'.
        A dict maps columns to kinds, and leaves the others to 'auto'; a list has one kind for each
        column. Keys are names, whatever their type, or positions where no column has such a name.
        'auto' takes a column for circular where it has a period; for categorical where it holds
        text, booleans, a categorical type, two values alone that repeat, or a few whole numbers
        that are far apart for codes; for integer where all its numbers are whole; for bounded where
        it has bounds, and for continuous otherwise. Bounds are never guessed.
    bounds : dict, 'seen' or None, default=None
        Column to ``(low, high)``, for bounded and integer columns; None or infinity on one side
        leaves it open. Bounds belong to the support. A column's bounds may be 'seen', which stands
        for its least and largest value in training; ``bounds='seen'`` does so for all integer
        columns, and for no others: new real values often lie beyond those of training.
    periods : dict or None, default=None
        Column to ``period`` or ``(start, period)`` of a circular column; `start` is 0 without it.
    cells : {'density', 'probability'}, default='density'
        What an integer counts for in scores: the density at it, or the probability of its cell,
        the numbers that round to it. With 'probability', a row of integers and categories alone
        gets a log probability.
    n_draws : int, default=128
        Number of points in the cell of each row over which its probability is averaged, at least
        2, rounded up to a power of two. A quarter of them do where one column alone has cells, an
        eighth where values are missing, which are drawn 64 times for each.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of randomness in `fit`: of the location of each row within its cell, and of each
        ``random_state`` within `density` that is None, unless this is None as well. One that is
        given stays.

    Attributes
    ----------
    density_ : estimator
        The density, fitted to the encoded columns.
    kinds_ : list of str
        Kind of each column.
    categories_ : dict of ndarray
        Levels of each categorical column, by its name, or position where X has no names, in the
        order in which they stand on the encoded axis.
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
    from one level to the next. The probability of a level is the integral of the density over its
    interval, estimated with `n_draws` scrambled Sobol points, or a quarter as many in order where
    no other column has cells; they are fixed, so that a row has the same score at every call.
    Levels with similar rows are made neighbours, unless a pandas type gives an order. Levels that a
    categorical type declares have a probability even if no row has them; others have none, and
    score ``-inf``.

    *Integer.* In training, integers are spread evenly over ``[k - 1/2, k + 1/2)``, or, where many
    repeat and all are multiples of a number, over cells as wide as that, which alone have a
    probability. Numbers that are not whole score ``-inf``. Without bounds integers beyond those of
    training, such as a count of -1, are possible, and are drawn: give ``(0, None)`` or 'seen'.

    *Bounded.* The encoded column is the log of the distance from the bound, or the difference of
    both logs; an integer's cells end half a unit beyond its bounds. Values on a bound are placed
    half as far from it as the nearest training value. Where many are, there or on another value
    that stands out, a density has no right number for them, and a warning says so: make them a
    category of their own. Outside the bounds scores are ``-inf``.

    *Circular.* The circle is cut open in the widest gap between training values, and the density
    of an angle is the sum over it and one turn to either side, so that it does not jump at the cut.
    What the inner density has beyond that is lost, less than 1e-6 for evenly spread angles. Each
    circular column makes scoring three times as long.

    Missing values pass where `density` accepts them, and are refused otherwise.

    References
    ----------
    Uria, Murray, Larochelle, "RNADE: The real-valued neural autoregressive density-estimator",
    NIPS 2013, arXiv 1306.0186, for integers spread over their cells.

    Hoogeboom, Cohen, Tomczak, "Learning Discrete Distributions by Dequantization", AABI 2021,
    arXiv 2001.11235.

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
        """Settle what the columns are, then fit the density to the encoded columns.

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
            rng = check_random_state(self.random_state)
            density = FlowDensity() if self.density is None else self.density
            (density,) = seeded_copies(density, 1, self.random_state, rng)
            columns, form = self._read(X, reset=True)
            weight = _checked_weight(sample_weight, len(columns[0].values), density)
            if weight is not None:
                columns = [column.take(weight > 0) for column in columns]
                weight = weight[weight > 0]
            rows = self._settle(columns, weight, rng)
            warn_of_columns(self._names(), self.kinds_, rows, self._codecs)
            encoded = self._encode_training(rows, density, rng)
            if isinstance(density, BaseDensity):
                tell_labels(density, self._names())
            options = {} if weight is None else {"sample_weight": weight}
            self.density_ = density.fit(encoded, None, **options)
            self._form = form
        return self

    def score_samples(self, X, return_std=False):
        """Log density of each row, in nats and in the units of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the error of the average over cells too.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Log of the density per unit of the continuous, bounded and circular columns, and of
            the integer ones where ``cells='density'``, times the probability of the others;
            float64, ``-inf`` outside the support.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats, from the spread over the points as if
            they were random, or, of a single column, between neighbours; and from that of the
            draws of what is missing, where `density` has ``score_marginal``. The points are more
            even than random ones, so it is an upper bound in most cases. Zero where nothing is
            averaged over.

        Raises
        ------
        InvalidDataError
            If the columns are not those of training, or hold what their kind cannot be.

        Warns
        -----
        SlowScoringWarning
            Before it begins, if it takes so many evaluations of `density` that it may take minutes.
        """
        check_is_fitted(self)
        rows = self._rows(self._read(X, reset=False)[0])
        log_density = np.full((len(rows), 2), [-np.inf, 0.0])
        inside = np.flatnonzero(self._contained(rows).all(1))
        if inside.size:
            log_density[inside] = self._estimates(rows[inside])
        return tuple(log_density.T.copy()) if return_std else log_density[:, 0].copy()

    def _score_copies(self, copies, rows, n_draws=None):
        """Log density of changed copies of rows, as if the rows had not been in training."""
        copies, rows = (self._rows(self._read(X, reset=False)[0]) for X in (copies, rows))
        inside, known = self._contained(copies).all(1), self._contained(rows).all(1)
        log_density = np.full(len(copies), -np.inf)
        if inside.any() and any(u is not None for u in self._places()):
            # Training rows lie anywhere in their cells, so that their kernels are not known.
            log_density[inside] = self._estimates(copies[inside], n_draws)[:, 0]
        elif inside.any():
            points, log_volume = self._middles(copies[inside])
            origins, _ = self._middles(rows[known])

            def score(turned, index):
                moved = points.copy()
                moved[index] = turned
                return score_inside(self.density_, moved, inside, origins, known, n_draws)[index]

            log_density[inside] = log_volume + self._log_density_over_turns(points, score)
        return log_density

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.

        Returns
        -------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            The rows, as the training rows were given: a DataFrame with their columns and
            categories, or an array. Whole numbers and categories have the type of their column,
            at whose limits they end; all other numbers are float64, rounded as those of training
            are where these repeat evenly spaced. Integers may lie beyond those of training where
            no bounds were given.

        Raises
        ------
        InvalidDataError
            If `n_samples` is less than one.
        InvalidParameterError
            If `density` cannot be sampled.
        """
        check_is_fitted(self)
        encoded = self._draw_encoded(check_n_samples(n_samples), check_random_state(random_state))
        values = [codec.decode(y) for codec, y in zip(self._codecs, encoded.T, strict=True)]
        for j, codec in enumerate(self._codecs):
            if isinstance(codec, LevelCodec):
                values[j] = _level_array(codec.levels)[values[j].astype(int)]
        return self._form.build(values, self.kinds_)

    def _draw_encoded(self, n, rng):
        try:
            if can_be_drawn_from(self.density_):
                return draw_from(self.density_, n, rng)
        except NotImplementedError:
            # Kernels of some shapes.
            pass
        raise InvalidParameterError(
            f"density {self.density_} cannot be sampled. Use one that can, such as FlowDensity."
        )

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
        """
        check_is_fitted(self)
        header = ("column", "kind", "why", "details")
        lines = [
            (name, kind.kind, kind.why, codec.details())
            for name, kind, codec in zip(self._names(), self._kinds, self._codecs, strict=True)
        ]
        if as_frame:
            return _frame(lines, header)
        widths = [max(map(len, cells)) for cells in zip(header, *lines, strict=True)]
        return "\n".join(
            "  ".join(map(str.ljust, line, widths)).rstrip() for line in (header, *lines)
        )

    # ------------------------------------------------------------------ columns

    def _read(self, X, reset):
        """Columns of X with their types, and what X looks like."""
        checked = check_labels(self, X, reset)
        if is_frame(X):
            validate_data(self, checked, reset=reset, skip_check_array=True)
            _refuse_small(X, _MIN_TRAINING_ROWS if reset else 1)
        else:
            X = validate_data(
                self,
                _as_objects(X),
                dtype=None,
                reset=reset,
                ensure_all_finite=False,
                ensure_min_samples=_MIN_TRAINING_ROWS if reset else 1,
            )
        columns = read_columns(X, self._names())
        return columns, TableForm.of(X, columns)

    def _names(self):
        return list(map(str, self._labels()))

    def _labels(self):
        """Labels of the columns, or their positions where they have none."""
        labels = labels_of(self)
        return range(self.n_features_in_) if labels is None else labels

    def _settle(self, columns, weight, rng):
        """Kinds and maps of the columns; their rows as numbers, levels by their place."""
        self._kinds = settle_kinds(columns, labels_of(self), self.kinds, self.bounds, self.periods)
        self.kinds_ = [kind.kind for kind in self._kinds]
        weight = np.ones(len(columns[0].values)) if weight is None else weight
        rows = np.column_stack(
            [
                column.codes(column.own_levels()) if kind == "categorical" else column.numbers()
                for column, kind in zip(columns, self.kinds_, strict=True)
            ]
        )
        self._refuse_non_finite(rows, self.density)
        self._codecs = [
            _make_codec(kind, column, x, weight)
            for kind, column, x in zip(self._kinds, columns, rows.T, strict=True)
        ]
        self._refuse_outside(rows)
        self._order_levels(columns, rows, weight, rng)
        self.categories_ = {
            label: _level_array(codec.levels)
            for label, codec in zip(self._labels(), self._codecs, strict=True)
            if isinstance(codec, LevelCodec)
        }
        return self._rows(columns)

    def _order_levels(self, columns, rows, weight, rng):
        """Make levels with similar rows neighbours, where they have no order of their own."""
        compared = rng.permutation(len(rows))[:_MAX_COMPARED_ROWS]
        features = [
            _standardised(codec.features(x[compared]))
            for codec, x in zip(self._codecs, rows.T, strict=True)
        ]
        for j, column in enumerate(columns):
            if self.kinds_[j] != "categorical" or column.ordered:
                continue
            levels = self._codecs[j].levels
            counts = _level_counts(rows[:, j], weight, len(levels))
            others = np.hstack([np.empty((len(compared), 0)), *features[:j], *features[j + 1 :]])
            order = order_by_association(rows[compared, j], counts, others, weight[compared])
            self._codecs[j] = LevelCodec([levels[k] for k in order], counts[order])

    def _rows(self, columns):
        """Columns as numbers, levels by their place on the axis."""
        rows = np.empty((len(columns[0].values), len(columns)))
        for j, (column, codec) in enumerate(zip(columns, self._codecs, strict=True)):
            if isinstance(codec, LevelCodec):
                rows[:, j] = column.codes(codec.levels)
            elif (numbers := column.numbers()) is not None:
                rows[:, j] = numbers
            else:
                raise InvalidDataError(
                    f"column {self._names()[j]} was {self.kinds_[j]} in fit, but holds values that "
                    "are not numbers now: give it as numbers."
                )
        self._refuse_non_finite(rows, getattr(self, "density_", self.density))
        return rows

    def _refuse_non_finite(self, rows, density):
        missing = np.isnan(rows) if _takes_missing(density) else None
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

    def _encode_training(self, rows, density, rng):
        """One point for each row, anywhere within its cell."""
        spreads_ties = isinstance(density, BaseDensity) and density.dequantize == "auto"
        encoded = np.empty_like(rows)
        for j, (codec, x) in enumerate(zip(self._codecs, rows.T, strict=True)):
            u = codec.places(len(x), rng)
            # A density that spreads ties draws other points in each epoch, which is worth more.
            left = spreads_ties and getattr(codec, "has_even_ties", False) and not np.isnan(x).any()
            encoded[:, j] = codec.points(x, None if left else u)[0][:, 0]
        return encoded

    # ------------------------------------------------------------------ scoring

    def _estimates(self, rows, n_draws=None):
        """Log density and its error of rows within the support, shape (n, 2)."""
        places, marginalizes = self._places(), hasattr(self.density_, "score_marginal")
        celled = np.array([u is not None for u in places])
        alone = celled.sum() == 1
        inverse = slice(None)
        if celled.any() or np.isnan(rows).any():
            rows, inverse = np.unique(rows, axis=0, return_inverse=True)
            inverse = inverse.reshape(-1)
        n_points = max((len(u) for u in places if u is not None), default=1)
        shares = plan(np.isnan(rows), celled, n_points, marginalizes)
        if n_draws is not None:
            # Draws at one place make up for those at another, so that few of both are enough.
            shares = [share.at_most(_FEW_PLACES, max(2, n_draws // _FEW_DRAWS)) for share in shares]
        n_turns = math.prod(len(codec.shifts) for codec in self._codecs)
        warn_if_slow(shares, n_turns, stacklevel=4)
        estimates = np.empty((len(rows), 2))
        for share in shares:
            few = [None if u is None else u[: share.n_points] for u in places]
            log_share = np.zeros(share.n_points)
            if alone:
                places_alone, log_share = points_along(share.n_points)
                few = [None if u is None else places_alone for u in few]
            size = max(1, _CHUNK_VALUES // (share.n_points * rows.shape[1]))
            for i in range(0, len(share.rows), size):
                part = share.rows[i : i + size]
                log_weights = self._log_weights(rows[part], few, share.n_points, share.n_inner)
                log_weights += log_share[:, None]
                estimates[part] = _mean_and_error(log_weights, in_order=alone)
        return estimates[inverse]

    def _places(self):
        """Points of the unit interval for each column, None where it has no cells to fill."""
        filled = {"always", "on_request"} if self.cells == "probability" else {"always"}
        drawn = [j for j, codec in enumerate(self._codecs) if codec.cells in filled]
        places = [None] * len(self._codecs)
        if drawn:
            sobol = qmc.Sobol(len(drawn), scramble=True, seed=0)
            points = sobol.random_base2(math.ceil(math.log2(self.n_draws)))
            for j, u in zip(drawn, points.T, strict=True):
                places[j] = u
        return places

    def _log_weights(self, rows, places, n_points, n_inner):
        """Log density times volume at each point of each row, shape (n, n_points, k).

        With `n_inner` draws of what is missing k is 2: the second is that times its error.
        """
        points = np.empty((len(rows), n_points, rows.shape[1]))
        log_volume = np.zeros((len(rows), n_points))
        for j, (codec, u) in enumerate(zip(self._codecs, places, strict=True)):
            points[:, :, j], of_column = codec.points(rows[:, j], u)
            log_volume += of_column
        log_density = self._log_density_over_turns(
            points.reshape(-1, rows.shape[1]), lambda part, _: self._inner_scores(part, n_inner)
        )
        return log_volume[..., None] + log_density.reshape(len(rows), n_points, -1)

    def _middles(self, rows):
        """The middle of the cell of each row, and the log volume that it stands for."""
        encoded = [codec.points(x, None) for codec, x in zip(self._codecs, rows.T, strict=True)]
        points, log_volumes = (np.concatenate(part, 1) for part in zip(*encoded, strict=True))
        return points, log_volumes.sum(1)

    def _inner_scores(self, points, n_inner):
        """Log density of points, and its log times the error where `n_inner` draws are asked."""
        if n_inner is None:
            return self.density_.score_samples(points)[:, None]
        log_density, error = self.density_.score_marginal(points, n_draws=n_inner)
        with np.errstate(divide="ignore"):
            return np.column_stack([log_density, log_density + np.log(error)])

    def _log_density_over_turns(self, points, score):
        """Log of the inner density of points, summed over turns of circular columns.

        ``score(turned, index)`` is that of the points of an index once they are turned.
        """
        everything, total = np.arange(len(points)), None
        for shift in itertools.product(*(codec.shifts for codec in self._codecs)):
            if total is None:
                total = score(points, everything)
                continue
            # A missing angle has been summed over already.
            new = np.flatnonzero(~np.isnan(points[:, np.flatnonzero(shift)]).any(1))
            if new.size:
                turned = score(points[new] + np.array(shift), new)
                total[new] = np.logaddexp(total[new], turned)
        return total

    # ------------------------------------------------------------------ scikit-learn

    def _held(self):
        inner = getattr(self, "density_", self.density)
        # A row is many points of the density within: all that lie in its cells.
        return None if inner is None else Held(inner, transformers=None, log_density="other")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = _takes_missing(self.density)
        return tags


def _takes_missing(density) -> bool:
    if density is None:
        return False
    return getattr(density, "missing", None) is not None or get_tags(density).input_tags.allow_nan


def _checked_weight(sample_weight, n_rows, density):
    if sample_weight is None:
        return None
    weight = _check_sample_weight(
        sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True
    )
    if (weight > 0).sum() < _MIN_TRAINING_ROWS:
        raise InvalidDataError(
            f"sample_weight leaves {(weight > 0).sum()} row(s): all other weights are zero. Give "
            f"at least {_MIN_TRAINING_ROWS} a positive weight."
        )
    require_weights(density)
    return weight


def _as_objects(X):
    """Lists that mix text and numbers, which numpy would make all text, as objects."""
    if hasattr(X, "dtype") or hasattr(X, "__array__"):
        return X
    if check_array(X, dtype=None, ensure_2d=False, ensure_all_finite=False).dtype.kind in "US":
        return np.array(X, dtype=object)
    return X


def _refuse_small(X, n_needed):
    n_rows, n_columns = X.shape
    if n_rows < n_needed or not n_columns:
        raise InvalidDataError(
            f"Found a table of shape ({n_rows}, {n_columns}) while a minimum of {n_needed} row(s) "
            "and one column is required."
        )


def _make_codec(kind, column, x, weight):
    if kind.kind == "categorical":
        levels = column.own_levels()
        return LevelCodec(levels, _level_counts(x, weight, len(levels)))
    if kind.kind == "circular":
        return AngleCodec(*kind.period, x)
    return NumberCodec(*kind.bounds, kind.kind == "integer", x)


def _level_counts(codes, weight, n_levels):
    known = ~np.isnan(codes)
    return np.bincount(codes[known].astype(int), weight[known], n_levels)


def _level_array(levels):
    """Levels as an array: of numbers or booleans where all are, else of objects."""
    array = np.array(levels) if all(isinstance(level, Number) for level in levels) else None
    if array is not None and array.ndim == 1 and array.dtype.kind in "iufb":
        return array
    array = np.empty(len(levels), dtype=object)
    array[:] = levels
    return array


def _standardised(features):
    """Columns of mean zero and unit deviation, zero where missing or constant."""
    n_known = np.maximum(1, (~np.isnan(features)).sum(0))
    deviation = np.nan_to_num(features - np.nansum(features, axis=0) / n_known)
    scale = np.sqrt((deviation**2).sum(0) / n_known)
    # The mean of a constant column may be rounded.
    varying = (scale > 0) & ~constant_columns(features)
    return np.where(varying, deviation / np.where(varying, scale, 1.0), 0.0)


def _mean_and_error(log_weights, in_order):
    """Log of the mean of weights over points, and its standard error, shape (n, 2).

    The points are taken for random ones. Where they are in order, each stands for a part of the
    cell, and neighbours tell how much the weight varies within two parts, which is more. The
    error of what is missing may be common to all points, so that their mean does not lessen it.
    """
    n = log_weights.shape[1]
    log_mean = logsumexp(log_weights, axis=1) - math.log(n)
    with np.errstate(invalid="ignore"):
        share = np.nan_to_num(np.exp(log_weights - log_mean[:, None, :1]))
    of_points = 0.0
    if n > 1 and in_order:
        of_points = np.sqrt(((share[:, ::2, 0] - share[:, 1::2, 0]) ** 2).sum(1)) / n
    elif n > 1:
        of_points = share[..., 0].std(1, ddof=1) / math.sqrt(n)
    of_missing = share[..., 1].mean(1) if share.shape[2] > 1 else 0.0
    return np.column_stack([log_mean[:, 0], np.hypot(of_points, of_missing) + np.zeros(len(share))])


def _frame(lines, header):
    pd = require("pandas", "report(as_frame=True)", "set as_frame=False for text")
    return pd.DataFrame(lines, columns=list(header))
