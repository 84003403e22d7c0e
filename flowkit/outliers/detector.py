"""The detector: the rows that do not belong, by any density."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import OutlierMixin, _fit_context
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._seeds import check_random_state
from ..exceptions import InvalidParameterError
from ..nested import Held, Progress, read_rows
from ..validation import (
    SuggestingEstimator,
    labels_of,
)
from ._adjustable_threshold import AdjustableThresholdMixin
from ._calibrated import CalibratedMixin
from ._calibration import N_FOLDS, folds, hold_out
from ._cross_calibration import out_of_fold_scores
from ._default_densities import default_densities
from ._explained import ExplainedMixin
from ._explanations import Explanations
from ._fitting import Fitter, n_copies
from ._rows import reference_positions
from ._stream import StreamMixin
from ._threshold import calibrated_threshold, training_threshold
from ._weights import select_weights, weighted_rows
from .statistics import STATISTICS, describes_statistics

# False alarms that contamination='auto' allows.
_FALSE_ALARM_RATE = 0.05
_CROSS = "cv"


@describes_statistics(STATISTICS)
class DensityOutlierDetector(
    CalibratedMixin,
    ExplainedMixin,
    AdjustableThresholdMixin,
    StreamMixin,
    OutlierMixin,
    SuggestingEstimator,
):
    """Find the rows that do not belong: those of low density.

    The density is any estimator with ``score_samples``. By default there are four views of a table,
    since rows can be strange in different ways: kernels on the training rows in a space that a flow
    bends (``FlowDensity(prior='kernel')``); nearest neighbours among the ranks of the columns
    (`RankedNeighbors`); a forest that knows which values go together (`DependenceForest`); and
    each column by itself (`SingleColumns`). A row is as strange as the views that find it strangest
    say. They take any table: numbers, dates, text and categories, with missing values.

    Parameters
    ----------
    density : estimator with ``score_samples``, list of these or None, default=None
        The density; cloned. With several, each gives a row the share of training rows that are at
        least as strange to it, and the score is the harmonic mean of these shares. Shares do not
        depend on units, and it is enough for a row to be strange to one density. None is the four
        default ones. Put a density that is fitted already in `sklearn.frozen.FrozenEstimator`.
    contamination : 'auto' or float, default='auto'
        Share of the training rows below the threshold, in [0, 0.5]: as many as possible, but not
        more. With `calibrate` it is the false-alarm rate on rows like those of training. 'auto' is
        0.05. 0 is for training rows that are known to be clean: the threshold is their lowest
        finite score, with `calibrate` that of the calibration rows. Without `calibrate` a larger
        share of new rows lies below: a little after training on thousands of rows, most of them
        after training on dozens. For few rows set ``calibrate='cv'``. `set_threshold` sets
        another one after `fit`.
    statistic : {statistic_names}, default='log_density'
        What `score_samples` returns:

        {statistic_list}
    n_estimators : int, default=1
        How often each density is fitted, each time with another seed; the scores are averaged.
        Densities without a ``random_state`` are fitted once.
    trim : float, default=0.0
        Share of the training rows to leave out: those strangest to an isolation forest, which is
        not misled where outliers are alike. 0 says that training rows are clean; where they
        contain outliers, 0.3 is a good choice.
    calibrate : bool or 'cv', default=False
        What the threshold and `p_values` come from. False: the training rows, without p-values.
        True: rows held out of training. 'cv': all rows, each scored by densities that are fitted
        without a fifth of the rows, to which it belongs; new rows are scored by densities fitted to
        all rows. This takes six fits instead of one and loses no row.
    calibration_fraction : float, default=0.25
        Share of the rows that ``calibrate=True`` holds out; otherwise without effect.
    max_time : float, default=None
        Seconds that `fit`, or `partial_fit` of a chunk, may take; None is no limit. The time left
        is shared evenly among the fits still to come: each parameter `max_time` within a density
        that is None is set to the share while it is fitted. Densities without this parameter,
        scores and calibration are not cut short, and a search gives the share to each of its fits.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`. Each ``random_state`` within `density` that is None is
        filled from it, unless it is None as well; one that is given stays. Where a density is
        fitted several times, the first fit has the seed that was given, and the others get seeds
        drawn from that.
    verbose : int, default=0
        1 shows progress bars: one over the steps of the fit, and those of the densities whose own
        `verbose` is 0, which is set to this number.

    Attributes
    ----------
    densities_ : list of estimators
        The fitted densities; those that differ only in their seed are neighbours.
    offset_ : float
        Threshold: rows with lower scores are outliers.
    training_scores_ : ndarray of shape (n_training,)
        Scores of the rows that were trained on, in their order: all rows of `fit` of a positive
        weight, but with ``calibrate=True`` those that were not held out. Trimmed rows are among
        them. After `partial_fit` those of its sample of rows.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Scores of the calibration rows, sorted; only with `calibrate`.
    out_of_fold_scores_ : ndarray of shape (n_samples,)
        Score of each row of `fit` of a positive weight, in their order, by the densities that were
        fitted without it; only with ``calibrate='cv'``. They tell best which of these rows do not
        belong.
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
    `partial_fit` is there where all densities have it. The default ones have not: neighbours, ranks
    and trees stand on all training rows at once.

    The parameter is not called ``score``: that is a method of scikit-learn's estimators.

    The default densities see numbers. Text and categories become levels: those of fewer than five
    rows count as one, with levels that training has not seen, so that a new level is as strange as
    rare levels are. Dates are days. A missing number is taken from the training row that is most
    alike, and where a fifth or more of a column are missing a level says so. Running indices, dates
    in order, and text that hardly ever repeats are left out with a warning and have no effects. A
    density that is given sees rows as they are; for text it may be a `TableDensity`.

    With a density that is given, rows may have missing values where both the density and the
    statistic take them. Such a row is scored by its known columns. A density of fewer columns has
    other units, so that its logarithm cannot be compared with that of a complete row. Therefore the
    same columns are taken out of 256 complete training rows (of draws from the density where few
    rows are complete), and the row gets the log density of the complete rows that are as strange.
    Where this leaves a choice, the least strange counts: a row of which nothing is known gets the
    median. Each pattern of missing columns costs as much as scoring these 256 rows; `fit` prepares
    up to 100 patterns of the training rows.

    A `Pipeline` that ends in a detector has `predict` but not `explain`, `reasons` or `p_values`.
    Put the steps inside instead: ``DensityOutlierDetector(make_pipeline(scaler, density))``.

    p-values are conformal: if calibration rows and a new row are exchangeable, the chance that its
    p-value is at most ``a`` is at most ``a``, whatever the density. With ``calibrate='cv'`` this
    holds approximately. p-values are a little too large, as the densities that score new rows have
    seen a quarter more rows than those that scored the calibration rows. Folds are drawn at random;
    equal rows may be in several. `trim` leaves rows out of the training of each fit, never out of
    calibration.

    References
    ----------
    Barber, Candès, Ramdas, Tibshirani, "Predictive inference with the jackknife+", Annals of
    Statistics 49, 2021 (calibration by cross-validation). Bates, Candès, Lei, Romano, Sesia,
    "Testing for outliers with conformal p-values", Annals of Statistics 51, 2023.
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
    >>> int(detector.explain([[5.0, 0.0]]).argmax())
    0
    """

    _parameter_constraints: dict = {
        "density": [HasMethods(["fit", "score_samples"]), list, tuple, None],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
            # scikit-learn's checks refuse an interval that holds 0.
            Options(Real, {0}),
        ],
        "statistic": [StrOptions(set(STATISTICS))],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "trim": [Interval(Real, 0, 0.5, closed="left")],
        "calibrate": ["boolean", StrOptions({_CROSS})],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    _stand_ins = {"density": "four densities, the first of them FlowDensity(prior='kernel')"}

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
        max_time=None,
        random_state=None,
        verbose=0,
    ):
        self.density = density
        self.contamination = contamination
        self.statistic = statistic
        self.n_estimators = n_estimators
        self.trim = trim
        self.calibrate = calibrate
        self.calibration_fraction = calibration_fraction
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the density to rows and set the threshold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, most or all of which belong.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out. Every density must take them.
            They also count in what scores are compared with, and in the shares that
            `contamination` and `trim` state. Calibration rows count the same whatever their
            weights, since a p-value compares a row with single rows.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        InvalidDataError
            If there are too few calibration rows for the false-alarm rate, or all weights are zero.
        InvalidParameterError
            If a density lacks what `statistic` needs, or takes no weights.
        """
        with self._unchanged_on_failure():
            X = read_rows(self, X, reset=True)
            densities = self._given()
            X, weight = weighted_rows(X, sample_weight, densities)
            rng = check_random_state(self.random_state)
            n_folds = min(N_FOLDS, _num_samples(X)) if self._is_crossed else 0
            with Progress(self._n_steps(densities, n_folds), self.verbose) as progress:
                self._fit(X, weight, Fitter(self, densities, rng, progress, 1 + n_folds))
        return self

    def _fit(self, X, weight, fitter):
        self._forget_calibration()
        n, rng, rate = _num_samples(X), fitter.rng, self._rate()
        rows, row_weight = X, weight
        if self._is_crossed:
            parts = folds(n, rate, rng)
        elif self.calibrate:
            training, held_out = hold_out(n, self.calibration_fraction, rate, rng)
            rows, row_weight = _safe_indexing(X, training), select_weights(weight, training)
        fitted = fitter.fit(rows, row_weight)
        self._remember(fitted, row_weight, fitter)
        if self._is_crossed:
            self.out_of_fold_scores_ = out_of_fold_scores(fitter, X, weight, parts)
            self.calibration_scores_ = np.sort(self.out_of_fold_scores_)
        elif self.calibrate:
            with fitter.progress.step("score calibration rows"):
                self.calibration_scores_ = np.sort(self._scores(_safe_indexing(X, held_out)))
        self._set_offset()
        self._begin_stream(fitted, rows, row_weight, rng)

    def _remember(self, fitted, weight, fitter):
        """Take fitted densities, and describe the rows that they were trained on."""
        self.densities_, self._n_first = fitted.densities, len(fitted.groups[0])
        self._scores, self.training_scores_ = fitted.scores, fitted.training_scores
        self._training_weight = weight
        with fitter.progress.step("typical rows"):
            few = np.sort(reference_positions(_num_samples(fitted.X), fitter.rng, fitted.weight))
            self._explanations = Explanations(
                self.densities_[: self._n_first],
                _safe_indexing(fitted.X, few),
                self._feature_names(),
                self._scores.reading,
            )

    def _set_offset(self):
        if self.calibrate:
            self.offset_ = calibrated_threshold(self.calibration_scores_, self._rate())
        else:
            self.offset_ = training_threshold(
                self.training_scores_, self._rate(), self._training_weight
            )

    def _forget_calibration(self):
        for name in ("calibration_scores_", "out_of_fold_scores_"):
            self.__dict__.pop(name, None)

    @property
    def _is_crossed(self):
        return self.calibrate == _CROSS

    def _n_steps(self, densities, n_folds):
        """Steps of the progress bar: each density and the scores of a round, then the rest."""
        n_densities = sum(n_copies(density, self.n_estimators) for density in densities)
        a_fit = n_densities + 1 + bool(self.trim)
        return a_fit + 1 + (n_folds * (a_fit + 1) if n_folds else bool(self.calibrate))

    def _rate(self):
        """The false-alarm rate that was asked for."""
        return _FALSE_ALARM_RATE if self.contamination == "auto" else self.contamination

    def _listed(self):
        """The densities to fit, not validated."""
        if self.density is None:
            return default_densities()
        return self.density if isinstance(self.density, (list, tuple)) else [self.density]

    def _given(self):
        """The densities to fit."""
        densities = self._listed()
        for density in densities:
            if not hasattr(density, "score_samples"):
                raise InvalidParameterError(
                    f"density holds {density!r}, which has no score_samples: a list may hold "
                    "nothing but estimators of densities."
                )
        if not densities:
            raise InvalidParameterError("density is an empty list: give at least one estimator.")
        return densities

    def score_samples(self, X):
        """How well each row belongs: the lower, the stranger.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In nats. For one density: the statistic, averaged over seeds; the log density is in the
            units of X and ``-inf`` where the density is zero, and an incomplete row gets the log
            density of complete rows that are as strange. For several densities, as by default: the
            logarithm of the harmonic mean of the shares of training rows that are as strange. It
            goes on falling beyond the strangest training row.
        """
        check_is_fitted(self)
        return self._scores(read_rows(self, X, reset=False))

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

    def _feature_names(self):
        names = labels_of(self)
        return [f"x{j}" for j in range(self.n_features_in_)] if names is None else list(names)

    def _held(self):
        if not hasattr(self, "densities_"):
            return None
        # Scores may be shares of training rows, or any statistic.
        return Held(self.densities_[0], log_density="other", others=tuple(self.densities_[1:]))

    def _score_label(self) -> str:
        """What the scores are, and their unit, as an axis says it; once fitted."""
        statistic = self._scores.statistic
        label = "log share of rows as strange" if self._scores.are_combined else statistic.label
        return f"{label} ({statistic.unit})"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        given = self.density if isinstance(self.density, (list, tuple)) else [self.density]
        known = [get_tags(d).input_tags for d in given if hasattr(d, "__sklearn_tags__")]
        for name in ("allow_nan", "categorical", "string"):
            takes = bool(known) and all(getattr(t, name) for t in known)
            setattr(tags.input_tags, name, takes or self.density is None)
        return tags
