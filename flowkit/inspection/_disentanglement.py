"""How well single latents match known factors, in numbers."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.model_selection import train_test_split

from .._seeds import check_random_state
from ..exceptions import InvalidDataError, InvalidParameterError
from ._checks import check_count

# Columns of whole numbers with more values than this count as continuous.
_MAX_CLASSES = 20
_HOLD_OUT = 0.25
_FEWEST_ROWS = 8
# Leaves this large fit no noise, so that uninformative latents have little importance.
_TREES = {"n_estimators": 50, "max_features": 1.0, "min_samples_leaf": 0.01}


@dataclass(frozen=True)
class DCIScores:
    """Disentanglement, completeness and informativeness, as `dci` returns them.

    Parameters
    ----------
    disentanglement : float
        From 0, each latent matters to all factors alike, to 1, each latent matters to one factor.
    completeness : float
        From 0, each factor needs all latents alike, to 1, each factor needs one latent.
    informativeness : float
        Mean hold-out score over the factors, at most 1: R^2 of continuous factors, accuracy of
        discrete ones. Below 0 where a prediction is worse than the mean of a continuous factor.
    importances : ndarray of shape (n_latents, n_factors)
        Share of each latent in the prediction of each factor. Columns sum to 1, or to 0 where no
        latent helps.

    See Also
    --------
    dci : Compute the scores.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importances: np.ndarray = field(repr=False, compare=False)


def mutual_information_gap(codes, factors, *, n_bins=20, per_factor=False):
    """Gap in mutual information between the two latents that are most informative of a factor.

    The gap (MIG) of factor ``v`` is ``(I(z_1; v) - I(z_2; v)) / H(v)``, where ``z_1`` and ``z_2``
    are the two latents with most mutual information with it. It is 1 if one latent determines the
    factor and no other is informative of it, and 0 if two latents are equally informative. Whether
    a latent is informative of other factors, too, does not matter.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_latents)
        Latents of the rows, such as the posterior means that `PHVAE.transform` returns. A single
        latent is compared with a constant one.
    factors : array-like of shape (n_samples, n_factors)
        True factors of the same rows, as numbers.
    n_bins : int, default=20
        Columns with more distinct values than this are cut into so many quantile bins; others are
        taken as they are.
    per_factor : bool, default=False
        Whether to return the gap of each factor instead of their mean.

    Returns
    -------
    gap : float or ndarray of shape (n_factors,)
        Between 0 and 1.

    Raises
    ------
    InvalidDataError
        If `codes` or `factors` is no matrix of finite numbers, if their rows differ in number, or
        if a factor has one value only.
    InvalidParameterError
        If `n_bins` is no int of at least 2.

    See Also
    --------
    separated_attribute_predictability : The same with linear prediction instead of information.
    dci : Whether each latent depends on one factor only, and each factor on one latent only.

    Notes
    -----
    A histogram finds some information in pure noise: about ``(n_bins - 1)**2 / (2 * n_samples)``
    nats for two continuous columns. Most of it cancels in the gap.

    References
    ----------
    .. [1] R. T. Q. Chen, X. Li, R. Grosse, D. Duvenaud, "Isolating sources of disentanglement in
       variational autoencoders", NeurIPS 2018, arXiv 1802.04942.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.inspection import mutual_information_gap
    >>> factors = np.indices((4, 4)).reshape(2, -1).T
    >>> round(mutual_information_gap(10 * factors, factors), 6)
    1.0
    >>> rotated = factors @ [[1, 1], [1, -1]]
    >>> round(mutual_information_gap(rotated, factors), 6)
    0.0
    """
    check_count("n_bins", n_bins, 2)
    codes, factors = _same_rows(codes, factors)
    latents = [_binned(column, n_bins) for column in _with_a_constant_one(codes).T]
    gaps = []
    for factor in factors.T:
        factor = _binned(factor, n_bins)
        information = [mutual_info_score(factor, latent) for latent in latents]
        gaps.append(_gap(information) / mutual_info_score(factor, factor))
    return np.array(gaps) if per_factor else float(np.mean(gaps))


def separated_attribute_predictability(codes, factors, *, discrete="auto", per_factor=False):
    """Gap between the two latents that predict a factor best, each on its own.

    The score (SAP) of a continuous factor is the gap between the two largest squared correlations
    with a latent, that of a discrete factor the gap between the two largest balanced accuracies of
    a linear classifier of one latent: each row is given the class whose mean is nearest.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_latents)
        Latents of the rows, such as the posterior means that `PHVAE.transform` returns. A single
        latent is compared with a constant one.
    factors : array-like of shape (n_samples, n_factors)
        True factors of the same rows, as numbers.
    discrete : 'auto' or array-like of bool of shape (n_factors,), default='auto'
        Which factors are classes. 'auto': those of whole numbers with at most 20 distinct values.
    per_factor : bool, default=False
        Whether to return the gap of each factor instead of their mean.

    Returns
    -------
    gap : float or ndarray of shape (n_factors,)
        Between 0 and 1; for a factor of ``K`` classes at most ``1 - 1 / K``, as ``1 / K`` is
        chance.

    Raises
    ------
    InvalidDataError
        If `codes` or `factors` is no matrix of finite numbers, if their rows differ in number, or
        if a factor has one value only.
    InvalidParameterError
        If `discrete` is neither 'auto' nor one bool for each factor.

    See Also
    --------
    mutual_information_gap : The same for relations of any form.

    References
    ----------
    .. [1] A. Kumar, P. Sattigeri, A. Balakrishnan, "Variational inference of disentangled latent
       concepts from unlabeled observations", ICLR 2018, arXiv 1711.00848.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.inspection import separated_attribute_predictability
    >>> factors = np.indices((4, 4)).reshape(2, -1).T
    >>> round(separated_attribute_predictability(10 * factors, factors), 6)
    0.75
    >>> round(separated_attribute_predictability(factors, factors, discrete=[False, False]), 6)
    1.0
    """
    codes, factors = _same_rows(codes, factors)
    codes = _standardised(_with_a_constant_one(codes))
    gaps = []
    for factor, is_discrete in zip(factors.T, _which_discrete(discrete, factors), strict=True):
        predictability = _balanced_accuracies if is_discrete else _squared_correlations
        gaps.append(_gap(predictability(codes, _target(factor, is_discrete))))
    return np.array(gaps) if per_factor else float(np.mean(gaps))


def dci(codes, factors, *, discrete="auto", random_state=None):
    """Disentanglement, completeness and informativeness of latents.

    Extremely randomised trees predict each factor from the ranks of all latents. With the
    importances ``R_ij`` of latent i for factor j,

    - disentanglement is one minus the entropy of row i of ``R``, in units of that of a uniform row,
      averaged over latents with weights ``sum_j R_ij``: whether a latent matters to one factor
      only;
    - completeness is one minus the entropy of column j, in units of that of a uniform column,
      averaged over factors: whether a factor needs one latent only;
    - informativeness is the score of the predictions on a hold-out of a quarter of the rows.

    A single factor makes the disentanglement 1, and a single latent the completeness.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_latents)
        Latents of the rows, such as the posterior means that `PHVAE.transform` returns.
    factors : array-like of shape (n_samples, n_factors)
        True factors of the same rows, as numbers.
    discrete : 'auto' or array-like of bool of shape (n_factors,), default='auto'
        Which factors are classes. 'auto': those of whole numbers with at most 20 distinct values.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of the hold-out and the trees; an int for the same scores each time.

    Returns
    -------
    scores : DCIScores
        With attributes `disentanglement`, `completeness`, `informativeness` and `importances`.

    Raises
    ------
    InvalidDataError
        If `codes` or `factors` is no matrix of finite numbers, if their rows differ in number or
        are fewer than 8, or if a factor has one value only.
    InvalidParameterError
        If `discrete` is neither 'auto' nor one bool for each factor.

    See Also
    --------
    mutual_information_gap : A gap that needs no predictor.

    Notes
    -----
    Columns of ``R`` sum to 1, so that a factor that cannot be predicted counts as much as others:
    read the first two scores together with the informativeness. The leaves of the trees hold 1 %
    of the rows or more, which keeps importance from latents that are only noise; classes rarer
    than that are hardly found.

    References
    ----------
    .. [1] C. Eastwood, C. K. I. Williams, "A framework for the quantitative evaluation of
       disentangled representations", ICLR 2018, https://openreview.net/forum?id=By-7dz-AZ.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.inspection import dci
    >>> factors = np.random.default_rng(0).uniform(size=(500, 2))
    >>> aligned = dci(factors, factors, random_state=0)
    >>> bool(aligned.disentanglement > 0.95 and aligned.informativeness > 0.95)
    True
    >>> rotated = dci(factors @ [[1, 1], [1, -1]], factors, random_state=0)
    >>> bool(rotated.disentanglement < 0.1)
    True
    """
    codes, factors = _same_rows(codes, factors)
    if len(codes) < _FEWEST_ROWS:
        raise InvalidDataError(
            f"codes and factors: expected at least {_FEWEST_ROWS} rows, as some are held out, got "
            f"{len(codes)}."
        )
    flags = _which_discrete(discrete, factors)
    rng = check_random_state(random_state)
    # Thresholds are drawn uniformly, and few would hit where the rows of long tails are.
    ranks = np.column_stack([_twice_the_rank(column) for column in codes.T])
    train, test = train_test_split(np.arange(len(codes)), test_size=_HOLD_OUT, random_state=rng)
    importances, scores = [], []
    for factor, is_discrete in zip(factors.T, flags, strict=True):
        trees = ExtraTreesClassifier if is_discrete else ExtraTreesRegressor
        target = _target(factor, is_discrete)
        model = trees(**_TREES, random_state=rng).fit(ranks[train], target[train])
        importances.append(model.feature_importances_)
        scores.append(model.score(ranks[test], target[test]))
    importances = np.array(importances).T
    weights = importances.sum(1)
    # The weights sum to the number of factors that depend on a latent, which may be none.
    disentanglement = weights @ _concentration(importances) / max(weights.sum(), 1.0)
    return DCIScores(
        disentanglement=float(disentanglement),
        completeness=float(_concentration(importances.T).mean()),
        informativeness=float(np.mean(scores)),
        importances=importances,
    )


def active_units(codes, *, threshold=0.01):
    """Count the latents whose posterior mean varies over the rows.

    A variational autoencoder leaves a latent unused by giving it the same posterior for each row.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_latents)
        Posterior means of the rows, such as those that `PHVAE.transform` returns.
    threshold : float, default=0.01
        A latent is active if its variance over the rows is above this, in squared units of the
        latent. 0.01 is meant for a prior of variance 1; one that a flow bends has another.

    Returns
    -------
    n_active : int
        Number of active latents, of `n_latents`.

    Raises
    ------
    InvalidDataError
        If `codes` is no matrix of finite numbers.
    InvalidParameterError
        If `threshold` is no number of at least 0.

    References
    ----------
    .. [1] Y. Burda, R. Grosse, R. Salakhutdinov, "Importance weighted autoencoders", ICLR 2016,
       arXiv 1509.00519.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.inspection import active_units
    >>> active_units(np.random.default_rng(0).normal(size=(100, 3)) * [1.0, 0.5, 0.01])
    2
    """
    if not isinstance(threshold, numbers.Real) or not threshold >= 0:
        raise InvalidParameterError(f"threshold must be a number of at least 0, got {threshold!r}.")
    codes = _matrix(codes, "codes", "n_latents")
    # Of a constant column, the rounded mean alone would leave a variance above 0.
    return int(((codes - codes[0]).var(axis=0) > threshold).sum())


def _matrix(values, name, columns):
    """Values as a matrix of finite float64."""
    expected = f"{name}: expected finite numbers of shape (n_samples, {columns}), got"
    try:
        matrix = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{expected} {type(values).__name__}: {error}.") from error
    if matrix.ndim != 2 or matrix.size == 0:
        raise InvalidDataError(f"{expected} shape {matrix.shape}.")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if bad.size:
        raise InvalidDataError(f"{expected} NaN or infinity in column(s) {bad.tolist()}.")
    return matrix


def _same_rows(codes, factors):
    """Both as matrices."""
    codes = _matrix(codes, "codes", "n_latents")
    factors = _matrix(factors, "factors", "n_factors")
    if len(codes) != len(factors):
        raise InvalidDataError(
            f"factors: expected the {len(codes)} rows of codes, got {len(factors)} rows."
        )
    constant = np.flatnonzero((factors == factors[0]).all(axis=0))
    if constant.size:
        raise InvalidDataError(
            "factors: expected two values or more in each column, got one only in column(s) "
            f"{constant.tolist()}: leave them out, as there is nothing to predict."
        )
    return codes, factors


def _which_discrete(discrete, factors):
    """One bool for each factor."""
    if isinstance(discrete, str) and discrete == "auto":
        return [
            bool((column == np.floor(column)).all()) and len(np.unique(column)) <= _MAX_CLASSES
            for column in factors.T
        ]
    flags = np.asarray(discrete)
    if flags.dtype != bool or flags.shape != factors.shape[1:]:
        raise InvalidParameterError(
            f"discrete must be 'auto' or {factors.shape[1]} bools, one for each column of factors, "
            f"got {discrete!r}."
        )
    return flags


def _target(factor, is_discrete):
    """Numbers of classes from 0 on, or standardised values."""
    if is_discrete:
        return np.unique(factor, return_inverse=True)[1]
    return _standardised(factor)


def _standardised(values):
    """Columns of mean 0 and variance 1, constant ones of 0."""
    # Of order 1 before anything is squared; and constants become 1, whose mean is not rounded.
    peak = np.abs(values).max(axis=0)
    values = values / np.where(peak > 0, peak, 1.0)
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    return values / np.where(spread > 0, spread, 1.0)


def _with_a_constant_one(codes):
    """A constant latent beside the others, so that there are two to compare."""
    return np.column_stack([codes, np.zeros(len(codes))])


def _gap(values):
    """Largest value less the second largest."""
    second, first = np.sort(values)[-2:]
    return first - second


def _binned(column, n_bins):
    """Number of the quantile bin of each value, or of the value itself if these are few."""
    values, codes = np.unique(column, return_inverse=True)
    if len(values) <= n_bins:
        return codes
    return n_bins * _twice_the_rank(column) // (2 * len(column))


def _twice_the_rank(column):
    """Of each value, between 0 and twice the number of rows; ties share their middle rank."""
    _, codes, counts = np.unique(column, return_inverse=True, return_counts=True)
    return (2 * counts.cumsum() - counts)[codes]


def _squared_correlations(codes, factor):
    """Of each latent with the factor, all of them standardised."""
    return (factor @ codes / len(codes)) ** 2


def _balanced_accuracies(codes, labels):
    """Of each latent alone, when a row is given the class whose mean is nearest."""
    accuracies = []
    for latent in codes.T:
        means = np.bincount(labels, latent) / np.bincount(labels)
        order = means.argsort()
        halfway = (means[order][1:] + means[order][:-1]) / 2
        nearest = order[halfway.searchsorted(latent)]
        accuracies.append(balanced_accuracy_score(labels, nearest))
    return accuracies


def _concentration(weights):
    """One minus the entropy of each row of weights, in units of that of a uniform row."""
    n = weights.shape[1]
    total = weights.sum(axis=1, keepdims=True)
    share = np.divide(weights, total, out=np.full(weights.shape, 1 / n), where=total > 0)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)
    return 1 - entropy / np.log(max(n, 2))
