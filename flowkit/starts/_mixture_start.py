"""Flows initialised as Gaussian mixtures behind maps of single columns and a whitening matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from sklearn.cluster import kmeans_plusplus
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture

from ._flow_start import FlowStart, MixtureStart, narrowest_variance
from ._margins import fit_margins, margin_forms
from ._rows import draw_rows

_COMPONENTS = (1, 2, 3, 5, 8, 12, 18)
# Full covariance matrices have d^2 / 2 numbers a component.
_MAX_FULL_FEATURES = 64
# The search ends when this many sizes in a row have not lowered the BIC.
_PATIENCE = 2
# Fits of each size, from other centres each; the likeliest counts.
_N_STARTS = 2
# Least variances of components, the smaller ones tried where the first is felt.
_VARIANCE_FLOORS = (1e-4, 1e-7, 1e-10, 1e-13)
_FELT = 5.0
# Least variances that whitening divides by, likewise: a direction without spread is left narrow.
_WHITENING_FLOORS = (1e-3, 1e-6, 1e-9)
# What single precision tells apart in standardised columns.
_FINEST_VARIANCE = 1e-13
# Gain of the mean log density of rows left out that a smaller floor must bring: in nats, beyond
# so many of its standard errors.
_NOTABLE_GAIN, _SURE = 0.02, 2.0
_N_FOLDS = 5
# With fewer rows than this for each column, the sample covariance is too good to be true.
_ROWS_A_FEATURE = 5


def choose_start(
    Z: np.ndarray,
    weight: np.ndarray | None,
    with_mixture: bool,
    n_components: int | None,
    covariance: str | None,
    rng: np.random.RandomState,
    bends: bool = True,
) -> FlowStart:
    """The start of least BIC, with margins as they are, bent, or made normal first.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    weight : ndarray of shape (n,) or None
        Weights of the rows; rows are then drawn in proportion to them.
    with_mixture : bool
        Whether a Gaussian mixture follows, or one standard normal.
    n_components : int or None
        Number of its components, or None to choose it by BIC.
    covariance : {'full', 'diag'} or None
        Form of its covariances, or None to choose it by BIC.
    rng : RandomState
        Source of randomness.
    bends : bool, default=True
        Whether columns may have heavy tails; pixels of images have none.

    Returns
    -------
    FlowStart
        The start.
    """
    Z = Z[draw_rows(len(Z), weight, rng)]
    best, lowest = None, np.inf
    for form in margin_forms(Z, bends):
        margins = fit_margins(form, Z)
        rows, log_det = margins.apply(Z)
        start = FlowStart(margins, whitening(rows) if with_mixture else best_whitening(rows))
        white = _apply_linear(start.linear, rows)
        bic = _normal_bic(white)
        if with_mixture:
            # A mixture of full covariances has no use for the linear map, so it is not counted.
            mixture = _fit_mixture(white, n_components, covariance, rng, matrix=start.linear[0])
            start = replace(start, prior=_as_start(mixture))
            bic = mixture.bic(white)
        bic += np.log(len(Z)) * margins.n_parameters - 2 * log_det.sum()
        bic -= 2 * len(Z) * np.linalg.slogdet(start.linear[0])[1]
        if bic < lowest:
            best, lowest = start, bic
    return best


def _apply_linear(linear, Z):
    matrix, bias = linear
    return Z @ matrix.T + bias


def _normal_bic(white):
    """Of one standard normal behind a linear map."""
    n, d = white.shape
    return (white**2 + np.log(2 * np.pi)).sum() + np.log(n) * d * (d + 3) / 2


def mixture_start(
    latent: np.ndarray,
    weight: np.ndarray | None,
    n_components: int | None,
    covariance: str | None,
    rng: np.random.RandomState,
    min_deviation: float = 0.0,
) -> FlowStart:
    """The start of a flow whose map is given: a mixture of its latents; parameters as above."""
    rows = latent[draw_rows(len(latent), weight, rng)]
    finest = max(_FINEST_VARIANCE, min_deviation**2)
    mixture = _fit_mixture(rows, n_components, covariance, rng, finest)
    return FlowStart(prior=_as_start(mixture))


def _as_start(mixture: GaussianMixture) -> MixtureStart:
    parts = mixture.weights_, mixture.means_, mixture.covariances_
    return MixtureStart(*parts, mixture.covariance_type)


def whitening(Z: np.ndarray, floor: float = _WHITENING_FLOORS[0]) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric matrix and bias that give Z zero mean and unit covariance, as far as it goes.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows.
    floor : float, default=1e-3
        Least variance that is divided by.

    Returns
    -------
    tuple of ndarray
        Matrix and bias.
    """
    mean, values, vectors = _principal_axes(Z)
    matrix = (vectors / np.sqrt(np.maximum(values, floor))) @ vectors.T
    return matrix, -matrix @ mean


def best_whitening(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`whitening` with the floor by which rows left out are likeliest under one Gaussian."""
    if _principal_axes(Z)[1].min() >= _WHITENING_FLOORS[0]:
        return whitening(Z)

    def log_density(training, test, floor):
        matrix, bias = whitening(training, floor)
        white = _apply_linear((matrix, bias), test)
        return np.linalg.slogdet(matrix)[1] - 0.5 * (white**2).sum(1)

    return whitening(Z, _choose_floor(Z, _WHITENING_FLOORS, log_density))


def _principal_axes(Z):
    """Mean, and variances along orthogonal directions."""
    mean = Z.mean(0)
    covariance = np.atleast_2d(np.cov(Z, rowvar=False, bias=True))
    if len(Z) < _ROWS_A_FEATURE * Z.shape[1]:
        covariance, _ = ledoit_wolf(Z - mean, assume_centered=True)
    return mean, *np.linalg.eigh(covariance)


def _choose_floor(
    Z: np.ndarray, floors: Sequence[float], log_density: Callable[..., np.ndarray]
) -> float:
    """The last of falling floors up to which each makes rows left out surely likelier."""
    # Repeats of a row stay on one side.
    distinct, row = np.unique(Z, axis=0, return_inverse=True)
    if len(distinct) < _N_FOLDS:
        return floors[0]
    row = row.reshape(-1)
    test = row % _N_FOLDS == 0
    best, reached = floors[0], log_density(Z[~test], Z[test], floors[0])
    for floor in floors[1:]:
        with np.errstate(invalid="ignore"):
            gain = (found := log_density(Z[~test], Z[test], floor)) - reached
            error = gain.std() / np.sqrt(len(gain))
        if not gain.mean() > _NOTABLE_GAIN + _SURE * error:
            break
        best, reached = floor, found
    return best


def _fit_mixture(
    Z, n_components, covariance, rng, finest=_FINEST_VARIANCE, matrix=None
) -> GaussianMixture:
    """Mixture of the least BIC, of narrower components where these make rows left out likelier.

    Variances are at least `finest` before the linear map `matrix` behind which the rows lie.
    """
    mixture = _least_bic(Z, n_components, covariance, rng, _VARIANCE_FLOORS[0])
    narrowest = narrowest_variance(mixture.covariances_, mixture.covariance_type)
    if narrowest >= _FELT * mixture.reg_covar:
        return mixture
    size, form = mixture.n_components, mixture.covariance_type
    back = np.eye(Z.shape[1]) if matrix is None else np.linalg.inv(matrix)

    def log_density(training, test, floor):
        fitted = _likeliest(training, size, form, rng, floor)
        full = fitted.covariances_
        full = full if form == "full" else full[:, None] * np.eye(full.shape[1])
        too_fine = narrowest_variance(back @ full @ back.T, "full") < finest
        return np.full(len(test), -np.inf) if too_fine else fitted.score_samples(test)

    floor = _choose_floor(Z, _VARIANCE_FLOORS, log_density)
    if floor == _VARIANCE_FLOORS[0]:
        return mixture
    return _least_bic(Z, n_components, covariance, rng, floor)


def _least_bic(
    Z: np.ndarray,
    n_components: int | None,
    covariance: str | None,
    rng: np.random.RandomState,
    floor: float,
) -> GaussianMixture:
    """Mixture of the least BIC over sizes and forms of the covariances, where these are None."""
    n, d = Z.shape
    if covariance is not None:
        forms = [covariance]
    else:
        forms = ["full", "diag"] if d <= _MAX_FULL_FEATURES else ["diag"]
    best, best_bic = None, np.inf
    for form in forms:
        setbacks, lowest = 0, np.inf
        for size in _COMPONENTS if n_components is None else (n_components,):
            rows_wanted = _ROWS_A_FEATURE * d if form == "full" else 2
            if n_components is None and size * rows_wanted > n and (size, form) != (1, forms[-1]):
                break
            mixture = _likeliest(Z, size, form, rng, floor)
            bic = mixture.bic(Z)
            if bic < best_bic:
                best, best_bic = mixture, bic
            setbacks = 0 if bic < lowest else setbacks + 1
            lowest = min(lowest, bic)
            if setbacks == _PATIENCE:
                break
    return best


def _likeliest(Z, size, form, rng, floor):
    """The likeliest of a few fits from other centres each."""
    fits = [_fit(Z, size, form, rng, floor) for _ in range(_N_STARTS if size > 1 else 1)]
    return max(fits, key=lambda mixture: mixture.lower_bound_)


def _fit(
    Z: np.ndarray, size: int, form: str, rng: np.random.RandomState, floor: float
) -> GaussianMixture:
    # GaussianMixture's own start runs k-means on several threads, whose sums differ in the last
    # bits from run to run; one assignment to spread-out rows does not.
    centres, _ = kmeans_plusplus(Z, min(size, len(Z)), random_state=rng)
    # Equal rows can be drawn as centres twice; all but one of those stay empty.
    used, label = np.unique(pairwise_distances_argmin(Z, centres), return_inverse=True)
    size = len(used)
    spread = Z.var(0) + floor
    means = np.array([Z[label == k].mean(0) for k in range(size)])
    variances = np.array([Z[label == k].var(0) for k in range(size)])
    variances = np.maximum(variances, 0.1 * spread)
    precisions = 1 / variances
    mixture = GaussianMixture(
        size,
        covariance_type=form,
        reg_covar=floor,
        means_init=means,
        weights_init=np.bincount(label) / len(Z),
        precisions_init=precisions
        if form == "diag"
        else np.array([np.diag(p) for p in precisions]),
        init_params="random",
        max_iter=300,
        random_state=rng,
    )
    return mixture.fit(Z)
