"""A density after a transformer, in the units before it."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import _fit_context, clone
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._seeds import check_random_state
from ..conditions import ConditionalDensity
from ..exceptions import (
    InvalidParameterError,
    LostMassWarning,
    OutsideSupportError,
)
from ..nested import (
    Held,
    MeanScoreMixin,
    TopicsWithin,
    can_be_drawn_from,
    check_n_samples,
    draw_from,
    estimates_of,
    log_density_of,
    log_density_without,
    own_kernels_of,
    read_numbers,
    require_chunks,
    require_weights,
    score_inside,
)
from ..validation import (
    SuggestingEstimator,
    check_flag,
    errors_of_rows,
    labels_of,
    refuse_wide,
    row_weights,
    warn,
)
from ._jacobians import inverse_rows, transform_rows
from ._transformed_questions import transformed_questions
from ._way_back import WayBack, keeps_columns

# Draws that measure the mass beyond the range of the transformer, and the share worth a warning.
_N_PROBES = 1000
_NOTABLE_SHARE = 0.01
_MAX_ROUNDS = 100


def _density_has_sample(estimator):
    return can_be_drawn_from(getattr(estimator, "density_", estimator.density))


def _density_takes_chunks(estimator):
    return require_chunks(getattr(estimator, "density_", estimator.density), estimator)


class TransformedDensity(ConditionalDensity, TopicsWithin, MeanScoreMixin, SuggestingEstimator):
    """A density fitted to transformed rows, whose scores stay in the units of the rows.

    In a `sklearn.pipeline.Pipeline` the scaler before a density changes the units of its log
    density, so that the likelihoods of two scalers, or of a pipeline and a bare density, cannot be
    compared. Here the logarithm of the transformer's Jacobian is added, exactly, and they can.

    Parameters
    ----------
    transformer : transformer or 'passthrough'
        Invertible transformer: StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler,
        PowerTransformer, FunctionTransformer (see `DifferentiableFunctionTransformer`), PCA that
        keeps all dimensions, ColumnTransformer that keeps each column once, a Pipeline or
        FrozenEstimator of these, or any transformer with a method ``log_abs_det_jacobian(X)`` that
        returns ``log|det dz/dx|`` of each row, ``-inf`` outside its domain. A subclass of one of
        these classes may map rows in another way and needs that method, too. Cloned before it is
        fitted.
    density : estimator
        Any estimator with `score_samples`: those of flowkit, `sklearn.neighbors.KernelDensity`,
        `sklearn.mixture.GaussianMixture`. Cloned before it is fitted, with the seeds that it has.

    Attributes
    ----------
    transformer_ : transformer
        The fitted transformer.
    density_ : estimator
        The density, fitted to transformed rows.
    topics_ : list of dict
        Topics of `density_`, where it is a `FractalFlowDensity` with topics, in names and units of
        the columns here. `describe_topics`, `predict_proba`, `predict`, `steer` and
        `topic_distances` are there then.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    DifferentiableFunctionTransformer : A function with its derivative.
    sklearn.compose.TransformedTargetRegressor : The like for the target of a regression.

    Notes
    -----
    Some transformers do not reach all real numbers: PowerTransformer, and functions such as the
    exponential. What the density puts beyond their range belongs to no row, so the density of rows
    integrates to the rest, and scores are too low by its logarithm, never too high. `fit` warns
    where that is more than one percent, as far as the density can be sampled; `sample` draws again
    until the rows exist; `cdf` and `quantile` are those of rows whose value of that column exists.

    Missing values pass where the density accepts them: they have no share in the Jacobian.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit import TransformedDensity
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.preprocessing import MinMaxScaler, StandardScaler
    >>> X = np.random.default_rng(0).normal(5.0, 10.0, size=(1000, 1))
    >>> for scaler in (StandardScaler(), MinMaxScaler()):
    ...     density = TransformedDensity(scaler, GaussianMixture(reg_covar=1e-12))
    ...     print(round(density.fit(X).score(X), 4))
    -3.698
    -3.698
    """

    _parameter_constraints: dict = {
        "transformer": [HasMethods(["fit", "transform"]), StrOptions({"passthrough"})],
        "density": [HasMethods(["fit", "score_samples"])],
    }

    # How a wrapper around this one reads rows; None without one.
    _around = None

    def __init__(self, transformer, density):
        self.transformer = transformer
        self.density = density

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the transformer, then the density to the transformed rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; finite real numbers, or missing values where the density accepts them.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights for the density, and for a transformer that takes them; rows of
            weight zero are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidParameterError
            If the transformer has no known Jacobian or is not invertible, or if the density takes
            no weights.
        OutsideSupportError
            If training rows lie outside the domain of the transformer.
        """
        with self._unchanged_on_failure():
            self._learn(X, sample_weight, "fit", begins=True)
        return self

    @available_if(_density_takes_chunks)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Go on training the density with a chunk of rows; only where it has `partial_fit`.

        The first call fits the transformer to its chunk, unless that is fitted already, within
        `sklearn.frozen.FrozenEstimator`. Later calls, and those after `fit`, keep it and go on with
        `density_`, so that changes of parameters wait for the next `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidParameterError
            If the transformer has no known Jacobian or is not invertible, or if the density takes
            no weights.
        OutsideSupportError
            If rows lie outside the domain of the transformer.
        """
        with self._unchanged_on_failure() as before:
            begins = not hasattr(self, "density_")
            self._learn(X, sample_weight, "partial_fit", begins, before)
        return self

    def _learn(self, X, sample_weight, method, begins, before=None):
        """Fit the transformer, if training begins, then train the density by one of its methods."""
        X, weight = self._validate_training(X, sample_weight, begins)
        if begins:
            self.transformer_ = self._fit_transformer(X, weight)
        Z, log_det = transform_rows(self.transformer_, X)
        _refuse_outside(log_det)
        refuse_wide(np.asarray(Z))
        options = {} if weight is None else {"sample_weight": weight}
        if not begins:
            # Training changes it in place.
            before["density_"] = copy.deepcopy(self.density_)
        density = clone(self.density) if begins else self.density_
        self._let_read(density)
        # Frozen estimators do not do without the second argument.
        with errors_of_rows():
            self.density_ = getattr(density, method)(Z, None, **options)
        # Affine maps reach everything.
        if begins and np.ptp(log_det) > 0 and _density_has_sample(self):
            self._warn_of_lost_mass()

    def score_samples(self, X, return_std=False, *, given=None):
        """Log density of each row, in nats and in the units of X; also given some columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the standard error too: of what is integrated for `given`, and of
            what `score_samples` of the density estimates.
        given : str, int, or list of these, default=None
            Columns that are given, by name, or by position where no column has such a name. The
            log density is that of the others given these.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density, float64; ``-inf`` outside the domain of the
            transformer.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats; 0 where there is a closed form, as for
            transformers of single columns before a density that has one.
        """
        check_is_fitted(self)
        if given is not None or check_flag(return_std, "return_std"):
            return self._score_given(X, given, return_std)
        Z, log_density = transform_rows(self.transformer_, self._validate_rows(X, reset=False))
        inside = np.isfinite(log_density)
        if inside.any():
            log_density[inside] += log_density_of(self.density_, Z)
        return log_density

    def _score_copies(self, copies, rows, n_draws=None):
        """Log density of changed copies of rows, as if the rows had not been in training."""
        copies, rows = (self._validate_rows(X, reset=False) for X in (copies, rows))
        Z, log_density = transform_rows(self.transformer_, copies)
        origins, of_origins = transform_rows(self.transformer_, rows)
        inside, known = np.isfinite(log_density), np.isfinite(of_origins)
        if inside.any():
            log_density[inside] += score_inside(self.density_, Z, inside, origins, known, n_draws)
        return log_density

    @available_if(_density_has_sample)
    def sample(self, n_samples=1, random_state=None, *, given=None):
        """Draw rows from the density, or given values of some columns.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time, whatever the density's own
            `random_state` is.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values that some columns have, in the units of X: a dict of columns and values, or rows
            with NaN where columns are open, which a DataFrame may lack.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows in the units of X, float64, in the order in which the density gives them.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, the transformer has no inverse, or hardly any draw
            lies in its range, or values given have no density.
        """
        check_is_fitted(self)
        if given is not None:
            return self._sample_given(n_samples, random_state, given)
        n_samples = check_n_samples(n_samples)
        rng = check_random_state(random_state)
        rows = np.empty((0, self.n_features_in_))
        for _ in range(_MAX_ROUNDS):
            # Exactly as many as are missing: the order of draws may tell their component.
            rows = np.concatenate([rows, self._draw(n_samples - len(rows), rng)])
            if len(rows) == n_samples:
                return rows
        raise InvalidParameterError(
            f"only {len(rows)} of {n_samples} rows were found in {_MAX_ROUNDS} rounds: nearly all "
            "that the density draws lies beyond the range of the transformer. Use another "
            "transformer."
        )

    def _draw(self, n, rng):
        """Rows of n draws of the density, without the draws that no row is mapped to."""
        X = inverse_rows(self.transformer_, draw_from(self.density_, n, rng))
        return X[np.isfinite(X).all(1)]

    def _questions(self):
        return transformed_questions(self)

    def _scored_rows(self, X):
        X = self._validate_rows(X, reset=False)
        Z, log_density = transform_rows(self.transformer_, X)
        error, inside = np.zeros(len(log_density)), np.isfinite(log_density)
        if inside.any():
            found, error[inside] = estimates_of(self.density_, Z)
            log_density[inside] += found
        return np.asarray(X, dtype=np.float64), log_density, error

    def _log_density(self, X, without):
        """Log density of valid rows, each without one more kernel."""
        Z, log_density = transform_rows(self.transformer_, X)
        inside = np.isfinite(log_density)
        if inside.any():
            found = log_density_without(self.density_, np.asarray(Z), without[inside])
            log_density[inside] += found
        return log_density

    def _own_kernels(self, X):
        Z, log_det = transform_rows(self.transformer_, self._validate_rows(X, reset=False))
        inside = np.isfinite(log_det)
        found = own_kernels_of(self.density_, Z) if inside.any() else None
        if found is None:
            return None
        own = np.full((len(inside), *found.shape[1:]), -1)
        own[inside] = found
        return own

    def _fit_transformer(self, X, weight):
        if isinstance(self.transformer, str):
            return FunctionTransformer(feature_names_out="one-to-one").fit(X)
        transformer = clone(self.transformer)
        options = {}
        if weight is not None and has_fit_parameter(transformer, "sample_weight"):
            options["sample_weight"] = weight
        # Some transformers overwrite what they are fitted to, frozen ones need a second argument.
        # What overflows is refused once rows are transformed.
        with np.errstate(over="ignore", invalid="ignore"):
            return transformer.fit(copy.copy(X), None, **options)

    def _lost_share(self) -> float | None:
        """Share of the mass beyond the range of the transformer, None where it is not known."""
        try:
            return 1 - len(self._draw(_N_PROBES, check_random_state(0))) / _N_PROBES
        except InvalidParameterError:
            # No draws of this kernel, or no way back.
            return None

    def _warn_of_lost_mass(self):
        share = self._lost_share()
        if share is not None and share > _NOTABLE_SHARE:
            warn(
                f"about {share:.0%} of the mass of the density lies beyond the range of the "
                f"transformer, so scores are about {-np.log1p(-share):.2g} nats too low. Use "
                "another transformer, or a density with lighter tails.",
                LostMassWarning,
            )

    def _validate_training(self, X, sample_weight, begins):
        X = self._validate_rows(X, reset=begins)
        if sample_weight is None:
            return X, None
        weight = row_weights(sample_weight, len(X))
        kept = np.flatnonzero(weight)
        require_weights(self.density)
        return _safe_indexing(X, kept), weight[kept]

    def _validate_rows(self, X, reset):
        """X in float64, still a DataFrame if it was one: columns may be chosen by name."""
        return read_numbers(self, X, reset, get_tags(self.density).input_tags.allow_nan)

    def _read_by(self, decode, names, levels, in_order=True):
        """Take from a wrapper how it reads rows, for the density within."""
        self._around = decode, names, levels, in_order

    def _let_read(self, density):
        """Let a density that tells topics know what its rows are here, or around this one."""
        # Of what stands for a density that is fitted already, nothing is changed.
        if hasattr(type(density), "_read_by"):
            decode, names, levels, in_order = self._around or (None, labels_of(self), {}, True)
            in_order = in_order and keeps_columns(self.transformer_, self.n_features_in_)
            way_back = WayBack(self.transformer_, decode)
            density._read_by(way_back, names, levels, in_order=in_order)

    def _rows_within(self, X):
        X = self._validate_rows(X, reset=False)
        Z, log_det = transform_rows(self.transformer_, X)
        outside = np.flatnonzero(~np.isfinite(log_det))
        if outside.size:
            raise OutsideSupportError(
                f"row {outside[0]} lies outside the domain of the transformer, so it has no "
                "topics: leave out rows whose score is -inf."
            )
        return Z

    def _rows_like(self, X, Z, changed):
        rows = inverse_rows(self.transformer_, Z)
        given = np.asarray(self._validate_rows(X, reset=False), dtype=np.float64)
        return np.where(changed[:, None], rows, given)

    def _held(self):
        transformer = getattr(self, "transformer_", self.transformer)
        density = getattr(self, "density_", self.density)
        return Held(density, (transformer,), log_density="with_jacobian")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = get_tags(self.density).input_tags.allow_nan
        return tags


def _refuse_outside(log_det):
    outside = np.flatnonzero(~np.isfinite(log_det))
    if outside.size:
        shown = ", ".join(map(str, outside[:10]))
        raise OutsideSupportError(
            f"{outside.size} training row(s) lie outside the domain of the transformer, or where "
            f"its derivative is zero or infinite: rows {shown} first. Drop them, shift X into the "
            "domain, or use another transformer."
        )
