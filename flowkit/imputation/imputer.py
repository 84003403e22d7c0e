"""A transformer that fills missing values with what densities and trees say of them."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.base import TransformerMixin, _fit_context, clone
from sklearn.impute import MissingIndicator
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from .._seeds import check_random_state
from ..nested import Held, read_numbers, seeded_copies
from ..validation import SuggestingEstimator, check_count, container_of, keep_types, labels_of
from ._numbers import draw_numbers, fill_numbers
from ._pool import Pool, fitted_pool
from ._training import (
    default_density,
    on_incomplete_rows,
    refuse_complete_only,
    takes_incomplete_rows,
)

# What scikit-learn's imputers put before the name of a column.
_INDICATOR = "missingindicator_"
_LABELS = ("n_features_in_", "feature_names_in_", "_kept_labels")


class DensityImputer(TransformerMixin, SuggestingEstimator):
    """Fill missing values with what densities and trees say of them, given the rest of the row.

    Values are drawn given what is known of their row, and their mean, their median or a single draw
    is filled in. Draws come from two densities, so that they also vary as much as one fit differs
    from another, and from trees that predict each column from the others, in turns. Rows are taken
    to miss values at random given the others.

    Parameters
    ----------
    density : estimator or None, default=None
        A density that learns from incomplete rows: `FlowDensity` and others with a parameter
        ``missing``, or a `TableDensity` or `TransformedDensity` of one. Where ``missing`` is None,
        'marginalize' is used. Cloned before it is fitted. None is
        ``FlowDensity(missing='marginalize')``, within a `TableDensity` if X is a DataFrame that
        holds anything but numbers. A `TableDensity` fills categories and whole numbers with values
        of their own type; the others read numbers alone.
    n_draws : int, default=50
        Draws of each row of which the mean or median is taken.
    statistic : {'mean', 'median', 'draw'}, default='mean'
        What is filled in. 'mean' has the least expected squared error, 'median' the least absolute
        one; both take the most frequent level of a category. 'draw' is one draw, which varies as
        much as the values that are missing: for statistics that depend on their spread.
    with_trees : bool, default=True
        Whether trees give a share of the draws, and a second density is fitted, see Notes. False
        fits one density to all that is known. So does True where the density reads tables or needs
        complete rows, where there is one column or more than 64, or fewer than 20 values could be
        hidden.
    add_indicator : bool, default=False
        Whether to append a column for each that missed values in `fit`: 1 where a value is missing.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of randomness of each `transform`, and of each ``random_state`` within `density` that
        is None, unless this is None as well. With an int, `transform` gives the same values for the
        same rows.

    Attributes
    ----------
    density_ : estimator
        The density that was fitted last.
    densities_ : list of estimators
        All that draws come from: with trees two, else `density_` alone.
    trees_ : object or None
        Trees of each column, grown on all that is known; None without them.
    tree_share_ : float
        Share of the draws that come from trees; 0 without them.
    indicator_ : sklearn.impute.MissingIndicator or None
        What tells the columns that missed values; None without `add_indicator`.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    sklearn.impute.IterativeImputer : Regressions of each column on the others, in turns.
    sklearn.impute.KNNImputer : Means of the nearest rows.

    Notes
    -----
    With trees, a tenth of what is known is hidden first. A density learns from the incomplete rows,
    as they are: what is missing is integrated out. Extremely randomised trees are grown for each
    column on what is known of it, given the others as trees have filled them. How well either fills
    what was hidden, in at most 2,000 rows, says which share of the draws trees get: that of the
    least squared error, drawn towards one half as if by a hundred values more. Then trees are grown
    again, on all that is known, and a second density is fitted to rows that the first one and trees
    complete by a draw.
    Draws of trees are values that the column had in training: a single tree gives each.

    References
    ----------
    Doove, van Buuren, Dusseldorp, "Recursive partitioning for missing data imputation in the
    presence of interaction effects", Computational Statistics and Data Analysis 72 (2014).

    Little, Rubin, "Statistical Analysis with Missing Data", 3rd ed., 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import DensityImputer, FlowDensity
    >>> X = load_iris(as_frame=True).data
    >>> X.iloc[::3, 2] = np.nan
    >>> imputer = DensityImputer(FlowDensity(max_epochs=5), random_state=0)
    >>> filled = imputer.fit_transform(X)
    >>> int(X.isna().sum().sum()), int(filled.isna().sum().sum())
    (50, 0)
    """

    _parameter_constraints: dict = {
        "density": [HasMethods(["fit", "score_samples"]), None],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "statistic": [StrOptions({"mean", "median", "draw"})],
        "with_trees": ["boolean"],
        "add_indicator": ["boolean"],
        "random_state": ["random_state", np.random.Generator],
    }

    _stand_ins = {"density": "FlowDensity()"}

    def __init__(
        self,
        density=None,
        *,
        n_draws=50,
        statistic="mean",
        with_trees=True,
        add_indicator=False,
        random_state=None,
    ):
        self.density = density
        self.n_draws = n_draws
        self.statistic = statistic
        self.with_trees = with_trees
        self.add_indicator = add_indicator
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit densities and trees to rows in which values may be missing.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, NaN or None where values are missing.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted imputer.

        Raises
        ------
        InvalidDataError
            If a column holds no value at all, or values are infinite, or of a type that the density
            does not read.
        InvalidParameterError
            If values are missing, and the density cannot learn from such rows.
        """
        with self._unchanged_on_failure():
            rng = check_random_state(self.random_state)
            density = default_density(X) if self.density is None else self.density
            first, *others = seeded_copies(density, 2, self.random_state, rng)
            # What has no seed is copied once.
            density = others[0] if others else clone(first)
            for one in (first, density):
                on_incomplete_rows(one)
            X = self._read(X, density, reset=True)
            refuse_complete_only(density, X)
            pooled = (
                self.with_trees and takes_incomplete_rows(density) and not _reads_tables(density)
            )
            pool = fitted_pool(first, density, X, rng) if pooled else Pool([first.fit(X)])
            self.densities_, self.trees_ = pool.densities, pool.trees
            self.density_, self.tree_share_ = self.densities_[-1], pool.share
            if _reads_tables(self.density_):
                self._take_labels(self.density_)
            self.indicator_ = None
            if self.add_indicator:
                self.indicator_ = MissingIndicator(error_on_new=False).fit(
                    _as_holes(container_of(X).missing())
                )
        return self

    def transform(self, X):
        """Fill what is missing.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, NaN or None where values are missing, in whatever columns.

        Returns
        -------
        X_filled : ndarray or DataFrame of shape (n_samples, n_features_out)
            The rows without holes, in the container that they came in, their index kept, unless
            `set_output` says otherwise, or `fit` had no names. What is known is in them as it is,
            also where it has no density, and columns keep their types; arrays of whole numbers
            become float64. Indicator columns come last.

        Raises
        ------
        InvalidDataError
            If the columns are not those of training.
        """
        check_is_fitted(self)
        rng = check_random_state(self.random_state)
        rows = self._read(X, self.density_, reset=False)
        n_draws = None if self.statistic == "draw" else self.n_draws
        if _reads_tables(self.density_):
            filled = self.density_.impute(X, n_draws, rng, statistic=self.statistic)
        else:
            filled = fill_numbers(self._pool(), X, rows, self.statistic, n_draws or 1, rng)
        if self.indicator_ is not None:
            told = self.indicator_.transform(_as_holes(container_of(rows).missing()))
            names = list(self._indicator_names())
            filled = container_of(filled).beside(told.astype(np.float64), names)
        return self._for_output(filled)

    def impute(self, X, n_draws=None, random_state=None):
        """Fill what is missing with several draws, for multiple imputation.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, NaN or None where values are missing, in whatever columns.
        n_draws : int or None, default=None
            Number of draws of each row; None gives one, without the first axis.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same draws each time.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features) or (n_draws, n_samples, n_features)
            Float64, without indicators; what is known is untouched. Of a density of tables, a
            table, or a list of them where `n_draws` is given.

        Raises
        ------
        InvalidDataError
            If the columns are not those of training, or `n_draws` is less than one.
        """
        check_is_fitted(self)
        if _reads_tables(self.density_):
            return self.density_.impute(X, n_draws, random_state)
        n = 1 if n_draws is None else check_count(n_draws, "n_draws")
        rows = self._read(X, self.density_, reset=False)
        copies = draw_numbers(self._pool(), rows, n, check_random_state(random_state))
        return copies[0] if n_draws is None else copies

    def get_feature_names_out(self, input_features=None):
        """Names of the columns of the output.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None takes those of `fit`, or ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str objects
            The names, with those of indicators, ``missingindicator_`` and a name, at the end.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if self.indicator_ is None:
            return names
        return np.concatenate([names, self._indicator_names(names)])

    def __setstate__(self, state):
        # Versions that had no trees filled from one density.
        if "with_trees" not in state:
            state = {**state, "with_trees": False}
            if "density_" in state:
                state |= {"densities_": [state["density_"]], "trees_": None, "tree_share_": 0.0}
        super().__setstate__(state)

    # ------------------------------------------------------------------ rows

    def _pool(self):
        return Pool(self.densities_, self.trees_, self.tree_share_)

    def _read(self, X, density, reset):
        """Rows as the density takes them."""
        if not _reads_tables(density):
            return read_numbers(self, X, reset, allow_nan=True)
        return X if container_of(X).is_frame else keep_types(X)

    def _take_labels(self, density):
        """Names and number of the columns as a density of tables has read them."""
        for name in _LABELS:
            self.__dict__.pop(name, None)
            if hasattr(density, name):
                setattr(self, name, getattr(density, name))

    def _indicator_names(self, names=None):
        names = _check_feature_names_in(self, None) if names is None else names
        return np.array([f"{_INDICATOR}{names[j]}" for j in self.indicator_.features_], object)

    def _for_output(self, filled):
        """The rows as they are, unless they get other names or another container."""
        asked = _get_output_config("transform", self)["dense"]
        container = container_of(filled)
        if not container.is_frame or asked == container.name:
            return filled
        return (
            filled if asked == "default" and labels_of(self) is not None else container.to_array()
        )

    # ------------------------------------------------------------------ scikit-learn

    def _held(self):
        inner = getattr(self, "density_", self.density)
        # It transforms rows, and has no scores of them.
        return None if inner is None else Held(inner, transformers=None, log_density="other")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        inner = self.density
        tags.input_tags.categorical = inner is None or get_tags(inner).input_tags.categorical
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _reads_tables(density):
    """Whether a density fills columns of several types by itself."""
    return getattr(density, "_fills_tables", False)


def _as_holes(missing):
    return np.where(missing, np.nan, 0.0)
