"""A weighted mean of densities, whose weights are the likeliest on rows held out."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from scipy.special import logsumexp
from sklearn.base import _fit_context
from sklearn.utils import Bunch, _safe_indexing, get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._seeds import check_random_state
from ..exceptions import InvalidDataError
from ..nested import (
    Held,
    MeanScoreMixin,
    Progress,
    log_density_of,
    read_numbers,
    read_rows,
    require_weights,
    score_copies,
    seeded_copies,
)
from ..validation import SuggestingEstimator, check_sample_weight, typed_errors
from ._conditions import StackConditions
from ._convex_weights import convex_weights
from ._default_members import default_members
from ._hold_out import hold_out
from ._members import DROPPED, check_members, is_dropped
from ._reached_rows import reached_rows
from ._rounds import Rounds
from ._scores import checked, log_density


class StackedDensity(StackConditions, MeanScoreMixin, _BaseComposition, SuggestingEstimator):
    """Weighted mean of densities: where the log density of new rows is all that matters.

    A weighted mean of densities is a density. The weights are the likeliest on rows that the
    members were not fitted to; then the members are fitted to all rows. On the rows held out the
    stack is at least as likely as its best member, and where members are right in different places
    it is likelier than each.

    Parameters
    ----------
    estimators : list of (str, estimator) or None, default=None
        Names and densities: any estimator with ``score_samples``, such as those of flowkit,
        `sklearn.mixture.GaussianMixture` or `sklearn.neighbors.KernelDensity`. Cloned before they
        are fitted. 'drop' in place of an estimator leaves it out. None is 'mixture', a
        `FlowDensity` that is a Gaussian mixture behind a linear map; 'flow', a `FlowDensity`;
        'fractal_flow', a `FractalFlowDensity`; and 'kernel_flow', a `FlowDensity` on kernels. Their
        parameters can be set as those of members that are given, such as ``flow__max_epochs=50``.
    cv : int, float, splitter, iterable, 'prefit' or None, default=0.2
        Rows that are held out for the weights. A float is a share of the rows that is held out
        once, which takes two fits of each member. An int is the number of folds, drawn at random,
        or of rows if there are fewer: all rows are scored by fits without them, which gains a few
        hundredths of a nat where rows are few. Copies of a row stay together, see Notes. A splitter
        or an iterable of splits is used as it is, without groups. None is 5. With 'prefit' members
        are fitted already and stay as they are, and all rows of `fit` are for the weights: they
        should be none that members have seen.
    ensemble : bool, default=False
        Whether each member is the mean of its fits without the rows held out, as in scikit-learn's
        `CalibratedClassifierCV`, rather than fitted to all rows. With five folds this is mostly a
        little likelier, and much so where single fits go wrong; scores take five times as long. A
        share that is held out once leaves a single fit, which costs a tenth of a nat and more.
    n_jobs : int or None, default=None
        Number of fits that run side by side, in processes of joblib; None is 1, -1 all processors.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of all randomness of `fit`: of folds, and of each ``random_state`` within a member
        that is None, unless this is None as well. One that is given stays.
    max_time : float or None, default=None
        Seconds that the fits of all members may take; None is no limit. See Notes.
    verbose : int, default=0
        1 shows a progress bar over the fits.

    Attributes
    ----------
    weights_ : ndarray of shape (n_estimators,)
        Weights of the members that are not dropped or left out; they sum to one.
    estimators_ : list of estimators
        These members, fitted to all rows of positive weight where `refitted_` is true. With
        `ensemble`, each is a `StackedDensity` of its fits with equal weights.
    refitted_ : ndarray of bool of shape (n_estimators,)
        Whether each was fitted to all rows: false where `max_time` was too short, with `ensemble`,
        and with 'prefit'.
    named_estimators_ : Bunch
        The fitted members by name, 'drop' for those left out.
    held_out_ : ndarray of int of shape (n_held_out,)
        Positions in X of the rows that the weights were fitted to, in order: those held out that
        have a density under some member. A row that several splits hold out is repeated.
    log_densities_ : ndarray of shape (n_held_out, n_estimators)
        Their log densities under each member, fitted without them.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where all are strings.

    See Also
    --------
    sklearn.ensemble.StackingRegressor : The like for regressions.
    TransformedDensity : A density behind a scaler, in the units of the rows.

    Notes
    -----
    Weights are fitted by expectation maximisation, from equal ones until no more than 1e-9 nats a
    row can be gained. The mean log density is concave in them, so there is no better maximum.

    All members must give log densities in the same units, per unit of the columns of X. A scaler
    before a member changes them and is refused; `TransformedDensity` counts its Jacobian. Several
    `TableDensity` must agree in what columns are, and in `cells`. Missing values pass where all
    members take them: the marginal of a weighted mean is the weighted mean of the marginals.

    A member that has seen a copy of a row that is held out would score what it remembers. So rows
    that are the same in all columns are held out together, unless they are more than a tenth of
    all, or of whole numbers and levels alone, and so coincide by themselves. Splits that are given
    are not changed.

    Scores cost as much as those of all members together, a fit twice that of all members, and six
    times with five folds. `sklearn.frozen.FrozenEstimator` keeps a member as it is, also in clones;
    its weight is too large if it has seen the rows of `fit`.

    Under `max_time`, each member is first fitted once without the rows held out. The time left is
    shared evenly among these fits and those to all rows: each parameter `max_time` within a member
    that is None is set to the share meanwhile. What a member took then is its limit for later
    folds, which are left out where too little time would remain for the fits to all rows. These
    come last, the weightiest member first; one that there is no time for stays as it was fitted
    first. Members whose turn comes when time is over are left out, with a warning, so cheap ones
    should be first. A `max_time` that a member was given stays, also where it is longer than its
    share, so that the stack may take longer by that. Starts of members, members without this
    parameter, and scores are not cut short, so that a fit may exceed the limit by one of these.

    References
    ----------
    Smyth, Wolpert, "Linearly Combining Density Estimators via Stacking", Machine Learning 36
    (1999).

    Wolpert, "Stacked generalization", Neural Networks 5 (1992).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.neighbors import KernelDensity
    >>> from flowkit import StackedDensity
    >>> X = load_iris().data
    >>> members = [("mixture", GaussianMixture(3)), ("kernels", KernelDensity(bandwidth=0.3))]
    >>> density = StackedDensity(members, cv=5, random_state=0).fit(X[::2])
    >>> density.weights_.round(1)
    array([0.7, 0.3])
    >>> for one in (density, *density.estimators_):
    ...     print(round(one.score_samples(X[1::2]).mean(), 1))
    -1.7
    -1.8
    -2.3
    """

    _parameter_constraints: dict = {
        "estimators": [list, None],
        "cv": ["cv_object", StrOptions({"prefit"}), Interval(Real, 0, 1, closed="neither")],
        "ensemble": ["boolean"],
        "n_jobs": [
            Interval(Integral, None, -1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "random_state": ["random_state", np.random.Generator],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimators=None,
        *,
        cv=0.2,
        ensemble=False,
        n_jobs=None,
        random_state=None,
        max_time=None,
        verbose=0,
    ):
        self.estimators = estimators
        self.cv = cv
        self.ensemble = ensemble
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose

    def get_params(self, deep=True):
        """Parameters, and members by name with their own parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return more than the parameters of the constructor.

        Returns
        -------
        params : dict
            Names and values; where `estimators` is None, also of new members that it stands for.
        """
        params = self._get_params("estimators", deep=deep)
        if deep and self.estimators is None:
            for name, density in default_members():
                within = density.get_params().items()
                params |= {name: density} | {f"{name}__{key}": value for key, value in within}
        return params

    def set_params(self, **params):
        """Set parameters, members by name, or parameters of members.

        Where `estimators` is None and one of the members that it stands for is set or has a
        parameter set, `estimators` becomes the list of these.

        Parameters
        ----------
        **params : dict
            Such as ``cv=10``, ``mixture='drop'`` or ``mixture__n_components=3``.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        UnknownNameError
            If a parameter does not exist, or belongs to a member that is dropped.
        """
        with self._unchanged_on_failure():
            if params.get("estimators", self.estimators) is None:
                members = default_members()
                if {name.split("__", 1)[0] for name in params} & {name for name, _ in members}:
                    params = {**params, "estimators": members}
            return self._set_params("estimators", **params)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the weights to rows held out, and the members to all rows.

        Ctrl-C ends all of it with `KeyboardInterrupt`, also where the fit of a member alone would
        keep its best weights so far; the estimator stays as it was.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, as the members take them.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, also passed to the members, all of which must take them unless
            they are fitted already; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidParameterError
            If `estimators` are no densities with names, one takes no weights or does not score
            each row, or `cv` gives no splits of the rows.
        OutsideSupportError
            If no row held out has a density under any member.
        InvalidDataError
            If there are too few rows, or a score of a member is not a number.
        LostProcessError
            If one of `n_jobs` processes was killed.

        Warns
        -----
        MemberLeftOutWarning
            If `max_time` ran out before some members began.
        UnreachedRowsWarning
            If some rows held out have no density under any member. They are left out of the
            weights, of which they say nothing.
        """
        with self._unchanged_on_failure():
            X = self._read(X, reset=True)
            members = check_members(self._given(), self.get_params(deep=False))
            weight = self._check_weight(X, sample_weight, members)
            kept = np.arange(_num_samples(X)) if weight is None else np.flatnonzero(weight)
            fit = self._take_fitted if self._is_prefit else self._fit_members
            names = fit(members, X, weight, kept)
            fitted = dict(zip(names, self.estimators_, strict=True))
            self.named_estimators_ = Bunch(
                **{name: fitted.get(name, DROPPED) for name, _ in self._given()}
            )
        return self

    def responsibilities(self, X):
        """Share of each member in the density of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        shares : ndarray of shape (n_samples, n_estimators)
            Weighted density of each member, divided by their sum: the probability that a draw that
            fell there came from this member. NaN where the density is zero.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        weighted = self._weighted(X, lambda density: log_density_of(density, X))
        with np.errstate(invalid="ignore"):
            return np.exp(weighted - logsumexp(weighted, axis=1, keepdims=True))

    def _score_copies(self, copies, rows, n_draws=None):
        """Log density of changed copies of rows, as if the rows had not been in training."""
        copies, rows = (self._read(X, reset=False) for X in (copies, rows))
        weighted = self._weighted(
            copies, lambda density: score_copies(density, copies, rows, n_draws)
        )
        return logsumexp(weighted, axis=1)

    def _weighted(self, X, score):
        """Log of the weighted density of each member, which scores X; shape (n, n_estimators)."""
        n, named = _num_samples(X), self.named_estimators_.items()
        names = [name for name, density in named if not is_dropped(density)]
        pairs = zip(names, self.estimators_, strict=True)
        scores = np.column_stack([checked(name, score(density), n) for name, density in pairs])
        with np.errstate(divide="ignore"):
            return scores + np.log(self.weights_)

    # ------------------------------------------------------------------ fit

    @property
    def _is_prefit(self):
        return isinstance(self.cv, str)

    def _given(self):
        """Names and members as they were given, not validated."""
        return default_members() if self.estimators is None else self.estimators

    def _given_densities(self):
        """Members that are not dropped, as far as those given are pairs."""
        pairs = (item for item in self._given() if isinstance(item, tuple | list))
        densities = [pair[1] for pair in pairs if len(pair) == 2]
        return [one for one in densities if not (is_dropped(one) or isinstance(one, type))]

    def _read(self, X, reset):
        """Rows of numbers, or tables where all members take these."""
        tags = get_tags(self).input_tags
        if tags.categorical:
            return read_rows(self, X, reset)
        return read_numbers(self, X, reset, tags.allow_nan)

    def _check_weight(self, X, sample_weight, members):
        if sample_weight is None:
            return None
        with typed_errors("sample_weight"):
            is_zero = not np.asarray(sample_weight).any()
        if is_zero:
            raise InvalidDataError(
                "sample_weight is zero for all rows, so there is none to fit: give some rows a "
                "positive weight."
            )
        weight = check_sample_weight(sample_weight, _num_samples(X))
        for _, density in members:
            if not self._is_prefit:
                require_weights(density)
        return weight

    def _take_fitted(self, members, X, weight, kept):
        """Take members as they are, with weights fitted to all rows; returns their names."""
        for _, density in members:
            check_is_fitted(density)
        rows = _safe_indexing(X, kept)
        scores = np.column_stack([log_density(name, density, rows) for name, density in members])
        self._fit_weights(members, kept, scores, weight)
        self.estimators_ = [density for _, density in members]
        self.refitted_ = np.zeros(len(members), dtype=bool)
        return [name for name, _ in members]

    def _fit_members(self, members, X, weight, kept):
        """Fit weights to rows held out, and members to all rows; returns the members' names."""
        rng = check_random_state(self.random_state)
        splits = hold_out(self.cv, X, kept, rng)
        members = [
            (name, *seeded_copies(density, 1, self.random_state, rng)) for name, density in members
        ]
        n_fits = len(members) * (len(splits) + (not self.ensemble))
        with Progress(n_fits, self.verbose) as progress:
            rounds = Rounds(
                members, splits, (X, weight), self.n_jobs, self.max_time, progress, self.ensemble
            )
            members, positions, scores = rounds.score()
            self._fit_weights(members, positions, scores, weight)
            if self.ensemble:
                self.estimators_ = list(map(self._mean, rounds.of_splits()))
                self.refitted_ = np.zeros(len(members), dtype=bool)
            else:
                self.estimators_, self.refitted_ = rounds.fit(kept, self.weights_)
        return [name for name, _ in members]

    def _mean(self, densities):
        """Fits of a member as one density, their mean."""
        n = len(densities)
        if n == 1:
            return densities[0]
        pairs = [(f"split{i}", density) for i, density in enumerate(densities)]
        mean = StackedDensity(pairs, cv="prefit")
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(mean, name, getattr(self, name))
        mean.estimators_, mean.named_estimators_ = densities, Bunch(**dict(pairs))
        mean.weights_, mean.refitted_ = np.full(n, 1 / n), np.zeros(n, dtype=bool)
        mean.held_out_, mean.log_densities_ = np.empty(0, dtype=int), np.empty((0, n))
        return mean

    def _fit_weights(self, members, positions, log_densities, weight):
        """Fit the weights to rows at some positions."""
        is_reached = reached_rows([name for name, _ in members], positions, log_densities)
        positions, log_densities = positions[is_reached], log_densities[is_reached]
        of_rows = None if weight is None else weight[positions]
        self.weights_ = convex_weights(log_densities, of_rows)
        self.held_out_, self.log_densities_ = positions, log_densities

    # ------------------------------------------------------------------ scikit-learn

    def _held(self):
        if not hasattr(self, "estimators_"):
            return None
        return Held(self.estimators_[0], log_density="other", others=tuple(self.estimators_[1:]))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        known = [
            get_tags(density).input_tags
            for density in self._given_densities()
            if hasattr(density, "__sklearn_tags__")
        ]
        for name in ("allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, bool(known) and all(getattr(t, name) for t in known))
        return tags
