"""Rows that do not belong, found by any density."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.base import OutlierMixin, _fit_context, clone
from sklearn.utils import _safe_indexing, check_array, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _num_samples,
    check_is_fitted,
)

from ..exceptions import InvalidDataError, InvalidParameterError, MissingDependencyError
from ._any_density import seed_names
from ._conditional_effects import ConditionalEffects
from ._density_parts import (
    PARTS,
    has_part,
    innermost,
    part_names,
    require_part,
    statistics,
    surprises,
    typical_scores,
)
from ._labels import check_labels, labels_of
from ._parameters import SuggestingEstimator
from .flow import FlowDensity

# False alarms that contamination='auto' allows.
_FALSE_ALARM_RATE = 0.05
# Rows on which what is typical is measured.
_MAX_REFERENCE_ROWS = 2_000
# Distances that are held at once, and the squared one, for rows of unit length, that is rounding.
_MAX_DISTANCES = 2**22
_SAME_ROW = 1e-16


def _calibrates(detector) -> bool:
    if detector.calibrate:
        return True
    raise AttributeError("p-values need calibration rows: set calibrate=True before fit.")


class DensityOutlierDetector(OutlierMixin, SuggestingEstimator):
    """Find the rows that do not belong: those of low density.

    Any estimator with ``score_samples`` serves as density. By default there are three, kernel
    estimates in a space that a flow bends until rows lie close to each other
    (``FlowDensity(prior='kernel')``). The first is as likely as training makes it. The second has
    a quarter of the bandwidth and so follows single rows, and the third hardly bends, as it is
    trained on rows with much noise: the likelihood of clean rows is no judge of how well others
    are told from them.

    Parameters
    ----------
    density : estimator with ``score_samples``, list of these or None, default=None
        The density; cloned. Of several, each gives a row the share of training rows that are as
        strange to it, which is comparable whatever their units, and the harmonic mean of these
        counts, so that it is enough to be strange to one. None stands for the default ones. One
        that is fitted already goes in `sklearn.frozen.FrozenEstimator`. Each
        ``random_state`` within is set from that of the detector.
    contamination : 'auto' or float, default='auto'
        Share of the training rows below the threshold, in (0, 0.5]; with ``calibrate=True`` the
        false-alarm rate on rows like those of training. 'auto' is 0.05. Without `calibrate` more
        new rows than that lie below, in particular where there are few.
    statistic : {'log_density', 'typicality', 'levels', 'dose'}, default='log_density'
        What `score_samples` returns. 'typicality' is minus the distance of the log density from
        its mean, since rows can be too likely to be true. 'levels' compares the coarse scales of
        a density that has ``score_levels`` with its finest one. 'dose' is a density of what the
        density says of a row: log density, norms of latent and gradient, scales, as far as it has
        them. These two need complete rows. The last three help with images, where smooth pictures
        are too likely; on tables the log density is the better score.
    n_estimators : int, default=1
        How often each density is fitted, from another seed each time; the scores are averaged.
        Densities without a ``random_state`` are fitted once.
    trim : float, default=0.0
        Share of the training rows, the strangest to a first fit, that a second fit leaves out: for
        rows among which there are outliers already.
    calibrate : bool, default=False
        Whether to hold rows out for the threshold and for `p_values`.
    calibration_fraction : float, default=0.25
        Share of the rows that ``calibrate=True`` holds out.
    random_state : int, RandomState instance or None, default=None
        Source of all randomness of `fit`.

    Attributes
    ----------
    densities_ : list of estimators
        The fitted densities, those that differ in the seed alone side by side.
    offset_ : float
        Threshold: rows of lower score are outliers.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Scores of the rows held out, sorted; only with ``calibrate=True``.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Outliers by random splits, without a density.
    sklearn.neighbors.LocalOutlierFactor : Outliers by the distances to neighbours.

    Notes
    -----
    The parameter is called `statistic`, not ``score``: an attribute of that name would pass for the
    method.

    For tables with text or categories give `TableDensity` as density. Rows with missing values,
    where a density takes them, are scored by what is known of them: a density of fewer columns, in
    other units, which compares with that of complete rows only if columns are of about unit scale.
    In a `Pipeline` a detector keeps `predict` alone, so put steps before the density into it:
    ``DensityOutlierDetector(make_pipeline(scaler, density))``.

    p-values are conformal: if calibration rows and a new row are exchangeable, the chance that its
    p-value is at most ``a`` is at most ``a``, whatever the density.

    References
    ----------
    Laxhammar, Falkman, "Conformal prediction for distribution-independent anomaly detection in
    streaming vessel data", StreamKDD 2010. Nalisnick, Matsukawa, Teh, Lakshminarayanan,
    "Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality", 2019, arXiv
    1906.02994. Morningstar et al., "Density of States Estimation for Out-of-Distribution
    Detection", AISTATS 2021, arXiv 2006.09273. Wilson, "The harmonic mean p-value for combining
    dependent tests", PNAS 116 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from flowkit import DensityOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = DensityOutlierDetector(KernelDensity(bandwidth=0.5), calibrate=True)
    >>> detector.set_params(random_state=0).fit(X).predict([[0.0, 0.0], [5.0, 0.0]])
    array([ 1, -1])
    >>> detector.p_values([[0.0, 0.0], [5.0, 0.0]]).round(2)
    array([0.88, 0.02])
    >>> effects = np.asarray(detector.explain([[5.0, 0.0]]))
    >>> int(effects.argmax())
    0
    """

    _parameter_constraints: dict = {
        "density": [HasMethods(["fit", "score_samples"]), list, tuple, None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "statistic": [StrOptions({"log_density", "typicality", "levels", "dose"})],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
        "calibrate": ["boolean"],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    _stand_ins = {"density": "three of FlowDensity(prior='kernel')"}

    def __init__(
        self,
        density=None,
        *,
        contamination="auto",
        statistic="log_density",
        n_estimators=1,
        trim=0.0,
        calibrate=False,
        calibration_fraction=0.25,
        random_state=None,
    ):
        self.density = density
        self.contamination = contamination
        self.statistic = statistic
        self.n_estimators = n_estimators
        self.trim = trim
        self.calibrate = calibrate
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Fit the density to rows and set the threshold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, most or all of which belong.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        InvalidDataError
            If too few rows are held out for the false-alarm rate.
        InvalidParameterError
            If the density lacks what `statistic` needs.
        """
        with self._unchanged_on_failure():
            self._fit(self._validate(X, reset=True))
        return self

    def _fit(self, X):
        rng = check_random_state(self.random_state)
        self.__dict__.pop("calibration_scores_", None)
        training, held_out = self._split(_num_samples(X), rng)
        rows = _safe_indexing(X, training) if self.calibrate else X
        scores = self._fit_densities(rows, rng)
        if self.trim:
            finite = np.maximum(scores, np.finfo(np.float64).min)
            kept = np.flatnonzero(scores >= np.quantile(finite, self.trim))
            whole, rows = rows, _safe_indexing(rows, kept)
            self._fit_densities(rows, rng)
            scores = self._score(whole)
        self._settle_explanations(rows, rng)
        if self.calibrate:
            self.calibration_scores_ = np.sort(self._score(_safe_indexing(X, held_out)))
            # The lowest score whose p-value exceeds the rate.
            n_alarms = np.searchsorted(_p_values(len(held_out)), self._rate(), side="right")
            self.offset_ = self.calibration_scores_[n_alarms - 1]
            if np.isneginf(self.offset_):
                share = np.isneginf(self.calibration_scores_).mean()
                raise InvalidDataError(
                    f"{share:.0%} of the calibration rows have a density of zero, more than the "
                    f"false-alarm rate of {self._rate():g}, so that no threshold is left. Text "
                    "whose levels are rare has levels that training did not see: make it a pandas "
                    "category. Or widen bounds, or set calibrate=False."
                )
        else:
            # Between infinity and a number there is no number.
            scores = np.maximum(scores, np.finfo(np.float64).min)
            self.offset_ = np.percentile(scores, 100 * self._rate())

    def _fit_densities(self, X, rng):
        """Fit all that scores need to rows, and return the scores of these."""
        members = [self._seeded(density, rng) for density in self._given()]
        self._sizes = [len(group) for group in members]
        # Frozen estimators do not do without the second argument.
        self.densities_ = [density.fit(X, None) for group in members for density in group]
        few = rng.permutation(_num_samples(X))[:_MAX_REFERENCE_ROWS]
        self._settle_score(_safe_indexing(X, np.sort(few)))
        scores = self._scores(X)
        self._tails = [_Tail(of_one) for of_one in scores]
        return self._combined(scores)

    def _rate(self):
        """False-alarm rate asked for."""
        return _FALSE_ALARM_RATE if self.contamination == "auto" else self.contamination

    def _split(self, n, rng):
        """Rows for training and for calibration."""
        if not self.calibrate:
            return np.arange(n), None
        rate = self._rate()
        n_held_out = round(self.calibration_fraction * n)
        if n_held_out < 1 or _p_values(n_held_out)[0] > rate or n - n_held_out < 2:
            needed = math.ceil(1 / rate) - 1
            raise InvalidDataError(
                f"a false-alarm rate of {rate:g} needs at least {needed} calibration rows, but "
                f"calibration_fraction={self.calibration_fraction:g} of {n} rows are {n_held_out}. "
                "Give more rows, raise contamination or calibration_fraction, or set "
                "calibrate=False."
            )
        order = rng.permutation(n)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _given(self):
        """The densities to fit."""
        if self.density is None:
            return default_densities()
        if not isinstance(self.density, (list, tuple)):
            return [self.density]
        for density in self.density:
            if not hasattr(density, "score_samples"):
                raise InvalidParameterError(
                    f"density holds {density!r}, which has no score_samples: a list holds "
                    "estimators of densities alone."
                )
        if not self.density:
            raise InvalidParameterError("density is an empty list: give at least one estimator.")
        return self.density

    def _seeded(self, density, rng):
        """Copies of a density, each with a seed of its own."""
        seeded = seed_names(density)
        copies = [clone(density) for _ in range(self.n_estimators if seeded else 1)]
        for copy in copies:
            copy.set_params(**{name: rng.randint(2**31 - 1) for name in seeded})
        return copies

    def _settle_explanations(self, X, rng):
        """Typical values of columns, and what parts of the log density typically are."""
        few = rng.permutation(_num_samples(X))[:_MAX_REFERENCE_ROWS]
        reference = _safe_indexing(X, np.sort(few))
        self._effects = ConditionalEffects.of(reference)
        density, rows = innermost(self.densities_[0], reference)
        self._typical = {
            part: typical_scores(density, rows, part) for part in PARTS if has_part(density, part)
        }

    def _settle_score(self, reference):
        """What the scores beside the log density are compared with."""
        if self.statistic == "log_density":
            return
        if self.statistic == "typicality":
            log_densities = [density.score_samples(reference) for density in self.densities_]
            self._comparison = [scores[np.isfinite(scores)].mean() for scores in log_densities]
            return
        if self.statistic == "levels":
            require_part(innermost(self.densities_[0], reference)[0], "levels")
        self._comparison = [_Comparison(self._statistics(d, reference)) for d in self.densities_]

    def _statistics(self, density, X):
        """What a density says of rows that 'levels' and 'dose' compare."""
        log_density = density.score_samples(X)
        # Rows of no density may be beyond what comes before the density, too.
        possible = np.flatnonzero(np.isfinite(log_density))
        if not possible.size:
            return np.full((len(log_density), 1), -np.inf)
        inner, rows = innermost(density, _safe_indexing(X, possible))
        if self.statistic == "levels":
            levels = inner.score_levels(rows).scores
            of_possible = np.column_stack([levels[:, 0], levels[:, 1:].sum(1)])
        else:
            of_possible = statistics(inner, rows, log_density[possible])
        found = np.full((len(log_density), of_possible.shape[1]), -np.inf)
        found[possible] = of_possible
        return found

    def _score(self, X):
        return self._combined(self._scores(X))

    def _combined(self, scores):
        """One score of those of all densities."""
        if len(scores) == 1:
            return scores[0]
        log_shares = [tail(of_one) for tail, of_one in zip(self._tails, scores, strict=True)]
        return math.log(len(scores)) - logsumexp(-np.array(log_shares), axis=0)

    def _scores(self, X):
        """Scores of each density, averaged over seeds."""
        scores = [self._score_by(i, density, X) for i, density in enumerate(self.densities_)]
        groups = np.split(np.array(scores, dtype=np.float64), np.cumsum(self._sizes)[:-1])
        return [group.mean(0) for group in groups]

    def _score_by(self, i, density, X):
        if self.statistic in ("levels", "dose"):
            return self._comparison[i](self._statistics(density, X))
        log_density = density.score_samples(X)
        log_density = np.where(np.isnan(log_density), -np.inf, log_density)
        if self.statistic == "typicality":
            return -np.abs(log_density - self._comparison[i])
        return log_density

    def _log_density(self, X):
        """Log density of the first density, averaged over seeds."""
        first = self.densities_[: self._sizes[0]]
        return np.mean([density.score_samples(X) for density in first], axis=0)

    def score_samples(self, X):
        """How well each row belongs: the lower, the stranger.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            For one density and ``statistic='log_density'`` its log density in nats, in units of X,
            averaged over seeds; ``-inf`` where it is zero. For several, as by default, the
            logarithm of the harmonic mean of the shares of training rows that are as strange, in
            nats, which goes on falling beyond the strangest of them.
        """
        check_is_fitted(self)
        return self._score(self._validate(X, reset=False))

    def decision_function(self, X):
        """Scores minus the threshold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            Negative for outliers.
        """
        scores = self.score_samples(X)
        with np.errstate(invalid="ignore"):
            return np.where(scores == self.offset_, 0.0, scores - self.offset_)

    def predict(self, X):
        """Whether each row belongs.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        is_inlier : ndarray of int of shape (n_samples,)
            +1 for rows that belong, -1 for outliers.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    @available_if(_calibrates)
    def p_values(self, X):
        """Share of calibration rows that are at least as strange, counting the row itself.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            Conformal p-values: rows that are exchangeable with those held out have one of at most
            ``a`` with a chance of at most ``a``.
        """
        scores = self.score_samples(X)
        if not hasattr(self, "calibration_scores_"):
            raise InvalidParameterError(
                "p-values need calibration rows, but calibrate was False in fit: fit again with "
                "calibrate=True."
            )
        n = len(self.calibration_scores_)
        return _p_values(n)[np.searchsorted(self.calibration_scores_, scores, side="right")]

    def explain(self, X, by="features"):
        """How much each part of a row adds to its surprise, in nats.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        by : {'features', 'levels', 'tree', 'topics'}, default='features'
            All explain the log density of the first density. 'features' replaces the value of each
            column by typical ones given all others: an effect is the log density expected of such a
            value minus that of the row, 0 on average over rows that belong. For a normal density it
            is ``(z ** 2 - 1) / 2``, with ``z`` the distance from the conditional mean in
            conditional deviations. The others split the log density as that density itself does,
            exactly: by the scales of RGFlowDensity, the nodes of the tree of FractalFlowDensity, or
            topics (components of a mixture); a share is what is typical of training rows minus that
            of the row, in the units that the density sees behind a pipeline or transformer.

        Returns
        -------
        effects : ndarray or DataFrame of shape (n_samples, n_parts)
            Nats, large where the row is strange; a DataFrame with named columns if pandas is
            installed. Those of features do not sum to the surprise: what two columns say together
            counts for both.

        Raises
        ------
        InvalidParameterError
            If the density has no such parts.

        Notes
        -----
        'features' scores up to 89 rows for each value of X. A row that is impossible (``-inf``)
        has an infinite effect in the one column whose change makes it possible, and effects of 0
        where no single change does.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        if by == "features":
            effects = self._effects(X, self._log_density)
            names = self._feature_names()
        elif by in PARTS:
            density, rows = innermost(self.densities_[0], X)
            require_part(density, by)
            effects = surprises(density, rows, by, self._typical[by])
            names = part_names(density, rows, by)
        else:
            raise InvalidParameterError(f"by must be one of {['features', *PARTS]}, got {by!r}.")
        return _as_frame(effects, names, getattr(X, "index", None))

    def _feature_names(self):
        names = labels_of(self)
        return [f"x{j}" for j in range(self.n_features_in_)] if names is None else list(names)

    def _validate(self, X, reset):
        # The density says what values it can take; here only the shape counts.
        given = X
        check_labels(self, given, reset)
        if hasattr(X, "get_columns"):
            X = _as_pandas(X)
        if not hasattr(X, "iloc"):
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self)
            if X.dtype.kind in "iu":
                # Some densities round their scores to the type of the rows.
                X = X.astype(np.float64)
        _check_feature_names(self, given, reset=reset)
        _check_n_features(self, X, reset=reset)
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        given = self.density if isinstance(self.density, (list, tuple)) else [self.density]
        known = [get_tags(d).input_tags for d in given if hasattr(d, "__sklearn_tags__")]
        for name in ("allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, bool(known) and all(getattr(t, name) for t in known))
        return tags


class _Comparison:
    """A density of what a density says of rows.

    Parameters
    ----------
    statistics : ndarray of shape (n, k)
        Of rows that belong.
    """

    def __init__(self, statistics):
        known = statistics[np.isfinite(statistics).all(1)]
        self.location = np.median(known, axis=0)
        self.scale = np.maximum(np.std(known, axis=0), 1e-12)
        self.centres = self._standardise(known)
        n, k = self.centres.shape
        self.bandwidth = n ** (-1 / (k + 4))

    def _standardise(self, statistics):
        # Rows of no density at all are far off, but not infinitely far.
        return np.clip((statistics - self.location) / self.scale, -1e6, 1e6)

    def __call__(self, statistics):
        u = self._standardise(statistics)
        size = max(1, _MAX_DISTANCES // len(self.centres))
        return np.concatenate([self._log_density(u[i : i + size]) for i in range(0, len(u), size)])

    def _log_density(self, u):
        distances = cdist(u, self.centres, "sqeuclidean")
        n, k = self.centres.shape
        # A row that is a centre is judged by the others, as new rows are.
        nearest = distances.argmin(1)
        itself = distances.min(1) <= _SAME_ROW * (1 + (u**2).sum(1))
        log_kernels = -0.5 * distances / self.bandwidth**2
        log_kernels[itself, nearest[itself]] = -np.inf
        log_norm = k * np.log(self.bandwidth * np.sqrt(2 * np.pi)) + np.log(n - itself)
        return logsumexp(log_kernels, axis=1) - log_norm


class _Tail:
    """Logarithm of the share of some rows that score as low as a given one.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Of these rows.
    """

    def __init__(self, scores):
        finite = np.sort(scores[np.isfinite(scores)])
        if not len(finite):
            raise InvalidDataError("no training row has a finite score, so none can be compared.")
        self.scores, first = np.unique(finite, return_index=True)
        n_as_low = np.isneginf(scores).sum() + np.append(first[1:], len(finite))
        self.log_shares = np.log((1 + n_as_low) / (1 + len(scores)))
        # How far scores spread, by which those beyond all are measured.
        self.spread = (np.median(finite) - finite[0]) or 1.0

    def __call__(self, scores):
        beyond = np.maximum(self.scores[0] - scores, 0.0) / self.spread
        # Between two rows in a straight line: a step would make rounding a different share.
        return np.interp(scores, self.scores, self.log_shares) - np.log1p(beyond)


def _p_values(n):
    """The p-values that n calibration rows can give."""
    return np.arange(1, n + 2) / (n + 1)


def default_densities() -> list[FlowDensity]:
    """The densities of a detector that is given none, not fitted yet."""
    shared = {
        "prior": "kernel",
        "n_transforms": 2,
        "hidden_units": 32,
        "dropout": 0.0,
        "max_epochs": 30,
        "learning_rate": 3e-3,
        "weight_decay": 1e-2,
        "n_iter_no_change": 10,
    }
    return [
        FlowDensity(noise=0.1, dequantize=None, **shared),
        FlowDensity(noise=0.1, bandwidth_factor=0.25, **shared),
        FlowDensity(noise="scott", dequantize=None, bandwidth_factor=0.5, **shared),
    ]


def _as_pandas(frame):
    """A polars table with the types that all densities know."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError(
            "polars tables are read through pandas: pip install pandas, or give an array."
        ) from error
    return pd.DataFrame({column.name: column.to_list() for column in frame.get_columns()})


def _as_frame(effects, names, index):
    try:
        import pandas as pd
    except ImportError:
        return effects
    return pd.DataFrame(effects, columns=names, index=index)
