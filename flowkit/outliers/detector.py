"""Rows that do not belong, found by any density."""

from __future__ import annotations

import itertools
import math
from numbers import Integral, Real

import numpy as np
from scipy.special import logsumexp
from sklearn.base import OutlierMixin, _fit_context
from sklearn.utils import _safe_indexing, check_array, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _num_samples,
    check_is_fitted,
)

from .._optional import require
from .._seeds import check_random_state
from ..estimators.flow import FlowDensity
from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested._any_density import seed_names, seeded_copies
from ..nested._copies import score_copies
from ..validation._labels import check_labels, labels_of
from ..validation._output import in_container, remember_output
from ..validation._parameters import SuggestingEstimator
from ._comparison import Comparison
from ._conditional_effects import ConditionalEffects, is_missing
from ._incomplete_scores import IncompleteScores, allows_missing
from ._parts import (
    PARTS,
    as_innermost_sees,
    has_part,
    innermost,
    innermost_names,
    part_names,
    possible_rows,
    require_part,
    statistics,
    surprises,
    typical_scores,
)
from ._progress import Progress, silent_names
from ._tails import Tail, less_rounding, p_values, possible_p_values

# False alarms that contamination='auto' allows.
_FALSE_ALARM_RATE = 0.05
# Rows on which what is typical is measured.
_MAX_REFERENCE_ROWS = 2_000


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
        that is fitted already goes in `sklearn.frozen.FrozenEstimator`.
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
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`. Unless it is None, each ``random_state`` within `density`
        is set from it, as in the ensembles of scikit-learn. With None they stay as they are, and
        where a density is fitted several times the later ones get seeds drawn from them.
    verbose : int, default=0
        1 shows progress bars: one over the densities that are fitted and what comes after, and
        those of the densities, whose own `verbose` is set where it is 0.

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

    For tables with text or categories give `TableDensity` as density.

    Rows with missing values, where a density takes them, are scored by what is known of them, with
    ``statistic='log_density'`` or 'typicality'. A density of fewer columns is in other units, so
    its logarithm is compared with that of 256 complete training rows without the same columns, or
    of draws of the density where few rows are complete, and the row gets the log density of
    complete rows as strange as that. Of equally strange ones the least strange counts: a row of
    which nothing is known has the median. Each pattern of missing columns costs as much as scoring
    these rows; those of the training rows, up to 100, are compared in `fit`.

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
    >>> int(detector.explain([[5.0, 0.0]]).argmax())
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
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
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
        verbose=0,
    ):
        self.density = density
        self.contamination = contamination
        self.statistic = statistic
        self.n_estimators = n_estimators
        self.trim = trim
        self.calibrate = calibrate
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state
        self.verbose = verbose

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
            X = self._validate(X, reset=True)
            with Progress(self._n_steps(), self.verbose) as progress:
                self._fit(X, progress)
        return self

    def _fit(self, X, progress):
        rng = check_random_state(self.random_state)
        self.__dict__.pop("calibration_scores_", None)
        training, held_out = self._split(_num_samples(X), rng)
        rows = _safe_indexing(X, training) if self.calibrate else X
        scores = self._fit_densities(rows, rng, progress)
        if self.trim:
            finite = np.maximum(scores, np.finfo(np.float64).min)
            kept = np.flatnonzero(scores >= less_rounding(np.quantile(finite, self.trim)))
            whole, rows = rows, _safe_indexing(rows, kept)
            self._fit_densities(rows, rng, progress)
            scores = self._score(whole)
        with progress.step("typical rows"):
            self._settle_explanations(rows, rng)
        if self.calibrate:
            with progress.step("score calibration rows"):
                self.calibration_scores_ = np.sort(self._score(_safe_indexing(X, held_out)))
            # The lowest score whose p-value exceeds the rate.
            possible = possible_p_values(len(held_out))
            n_alarms = np.searchsorted(possible, self._rate(), side="right")
            self.offset_ = less_rounding(self.calibration_scores_[n_alarms - 1])
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
            self.offset_ = less_rounding(np.percentile(scores, 100 * self._rate()))

    def _fit_densities(self, X, rng, progress):
        """Fit all that scores need to rows, and return the scores of these."""
        members = [self._copies(density, rng) for density in self._given()]
        self._sizes = [len(group) for group in members]
        self.densities_ = []
        for density in itertools.chain(*members):
            place = f"{len(self.densities_) + 1} of {sum(self._sizes)}"
            with progress.step(f"fit density {place}, {type(density).__name__}"):
                # Frozen estimators do not do without the second argument.
                self.densities_.append(density.fit(X, None))
        with progress.step("score training rows"):
            few = rng.permutation(_num_samples(X))[:_MAX_REFERENCE_ROWS]
            self._settle_incomplete(X, few)
            self._settle_score(_safe_indexing(X, np.sort(few)))
            scores = self._scores(X)
        self._tails = [Tail(of_one) for of_one in scores]
        return self._combined(scores)

    def _n_steps(self):
        """Steps of a fit: each density, then scores, as often as they are fitted; and the rest."""
        n_densities = sum(self._n_copies(density) for density in self._given())
        return (n_densities + 1) * (2 if self.trim else 1) + 1 + self.calibrate

    def _n_copies(self, density):
        return self.n_estimators if seed_names(density) else 1

    def _rate(self):
        """False-alarm rate asked for."""
        return _FALSE_ALARM_RATE if self.contamination == "auto" else self.contamination

    def _split(self, n, rng):
        """Rows for training and for calibration."""
        if not self.calibrate:
            return np.arange(n), None
        rate = self._rate()
        n_held_out = round(self.calibration_fraction * n)
        if n_held_out < 1 or possible_p_values(n_held_out)[0] > rate or n - n_held_out < 2:
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

    def _copies(self, density, rng):
        """Copies of a density to fit."""
        copies = seeded_copies(density, self.n_estimators, self.random_state, rng)
        if self.verbose:
            for copy in copies:
                copy.set_params(**dict.fromkeys(silent_names(copy), self.verbose))
        return copies

    def _settle_explanations(self, X, rng):
        """Typical values of columns, and what parts of the log density typically are."""
        few = rng.permutation(_num_samples(X))[:_MAX_REFERENCE_ROWS]
        reference = _safe_indexing(X, np.sort(few))
        self._effects = ConditionalEffects.of(reference)
        density = innermost(self.densities_[0])
        parts = [part for part in PARTS if has_part(density, part)]
        self._typical, self._part_names = {}, {}
        if parts and (possible := possible_rows(self.densities_[0], reference)).size:
            rows = as_innermost_sees(self.densities_[0], _safe_indexing(reference, possible))
            names = innermost_names(self.densities_[0], self._feature_names())
            for part in parts:
                self._typical[part] = typical_scores(density, rows, part)
                self._part_names[part] = part_names(density, rows, part, names)

    def _settle_incomplete(self, X, few):
        """What log densities of incomplete rows are compared with, where there may be such rows."""
        self._incomplete = None
        # Pipelines do not tell what their last step takes.
        allowed = is_missing(X).any() or all(map(allows_missing, self.densities_))
        if allowed and self.statistic in ("log_density", "typicality"):
            reference = _safe_indexing(X, few)
            self._incomplete = [IncompleteScores(density, reference) for density in self.densities_]

    def _settle_score(self, reference):
        """What the scores beside the log density are compared with."""
        if self.statistic == "log_density":
            return
        if self.statistic == "typicality":
            log_densities = [
                self._log_density_by(i, reference) for i in range(len(self.densities_))
            ]
            self._comparison = [scores[np.isfinite(scores)].mean() for scores in log_densities]
            return
        if self.statistic == "levels":
            for density in self.densities_:
                require_part(innermost(density), "levels")
        self._comparison = [Comparison(self._statistics(d, reference)) for d in self.densities_]

    def _statistics(self, density, X):
        """What a density says of rows that 'levels' and 'dose' compare."""
        log_density = density.score_samples(X)
        possible = np.flatnonzero(np.isfinite(log_density))
        if not possible.size:
            return np.full((len(log_density), 1), -np.inf)
        inner, rows = innermost(density), as_innermost_sees(density, _safe_indexing(X, possible))
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
        log_density = self._log_density_by(i, X)
        if self.statistic == "typicality":
            return -np.abs(log_density - self._comparison[i])
        return log_density

    def _log_density_by(self, i, X):
        """Log density of rows by one density, incomplete ones in the units of complete ones."""
        density = self.densities_[i]
        log_density = density.score_samples(X)
        log_density = np.where(np.isnan(log_density), -np.inf, log_density)
        return (
            log_density
            if self._incomplete is None
            else self._incomplete[i](density, X, log_density)
        )

    def _held_out_log_density(self, copies, rows):
        """Log density of copies of rows by the first density, averaged over seeds.

        As if the rows had not been in training.
        """
        first = self.densities_[: self._sizes[0]]
        return np.mean([score_copies(density, copies, rows) for density in first], axis=0)

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
            averaged over seeds; ``-inf`` where it is zero; for incomplete rows that of complete
            ones as strange as they are. For several, as by default, the
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
        return p_values(self.calibration_scores_, scores)

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
            Nats, large where the row is strange; a DataFrame with named columns where `set_output`
            asks for one. Those of features do not sum to the surprise: what two columns say
            together counts for both.

        Raises
        ------
        InvalidParameterError
            If the density has no such parts.

        Notes
        -----
        'features' scores up to 89 rows for each value of X. A row of the training set is explained
        as if it had not been there, as far as the density can tell: where kernels stand on rows,
        the row's own is left out. Kernels within the cells of a `TableDensity` with categories
        are not known to stand on a row, and weights that were trained on a row stay as they are.

        A row that is impossible (``-inf``) has an infinite effect in the one column whose change
        makes it possible, and effects of 0 where no single change does. Split into parts, its
        surprise is infinite in all of them.
        """
        check_is_fitted(self)
        given, X = X, self._validate(X, reset=False)
        names = self.get_part_names(by)
        if by == "features":
            effects = self._effects(X, self._held_out_log_density)
        else:
            effects = self._surprises(X, by)
        return in_container(self, effects, given, names)

    def _surprises(self, X, part):
        density = self.densities_[0]
        effects = np.full((_num_samples(X), len(self.get_part_names(part))), np.inf)
        possible = possible_rows(density, X)
        if possible.size:
            rows = as_innermost_sees(density, _safe_indexing(X, possible))
            effects[possible] = surprises(innermost(density), rows, part, self._typical[part])
        return effects

    def get_part_names(self, by="features"):
        """Names of what `explain` gives effects of.

        Parameters
        ----------
        by : {'features', 'levels', 'tree', 'topics'}, default='features'
            As in `explain`.

        Returns
        -------
        names : list
            One for each column of effects: the names of the columns of X, x0, x1 and so on where
            it has none; or of the parts.

        Raises
        ------
        InvalidParameterError
            If the density has no such parts.
        """
        check_is_fitted(self)
        if by == "features":
            return self._feature_names()
        if by not in PARTS:
            raise InvalidParameterError(f"by must be one of {['features', *PARTS]}, got {by!r}.")
        require_part(innermost(self.densities_[0]), by)
        if by not in self._part_names:
            raise InvalidDataError(
                f"no training row has a density above zero, so nothing is typical of {by}: give "
                "rows within the support of the density."
            )
        return list(self._part_names[by])

    def _feature_names(self):
        names = labels_of(self)
        return [f"x{j}" for j in range(self.n_features_in_)] if names is None else list(names)

    def set_output(self, *, transform=None):
        """Set what `explain` returns, as for the output of scikit-learn's transformers.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'}, default=None
            'default' is an array, also for the rows of a DataFrame; None leaves it as it is. Not
            set, it is what ``sklearn.set_config(transform_output=...)`` says.

        Returns
        -------
        self : object
            The detector.
        """
        return remember_output(self, transform)

    def _validate(self, X, reset):
        # The density says what values it can take; here only the shape counts.
        checked = check_labels(self, X, reset)
        if hasattr(X, "get_columns"):
            X = _as_pandas(X)
        if not hasattr(X, "iloc"):
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self)
            if X.dtype.kind in "iu":
                # Some densities round their scores to the type of the rows.
                X = X.astype(np.float64)
        _check_feature_names(self, checked, reset=reset)
        _check_n_features(self, X, reset=reset)
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        given = self.density if isinstance(self.density, (list, tuple)) else [self.density]
        known = [get_tags(d).input_tags for d in given if hasattr(d, "__sklearn_tags__")]
        for name in ("allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, bool(known) and all(getattr(t, name) for t in known))
        return tags


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
    pd = require("pandas", "reading polars tables", "give an array")
    return pd.DataFrame({column.name: column.to_list() for column in frame.get_columns()})
