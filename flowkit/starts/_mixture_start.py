"""Flows initialised as Gaussian mixtures behind maps of single columns and a whitening matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.covariance import ledoit_wolf

from ._flow_start import FlowStart, MixtureStart
from ._margins import fit_margins, margin_forms
from ._mixture_search import choose_shape
from ._rows import draw_rows

# Rows that the mixture is fitted to in the end.
_MAX_ROWS = 20_000
# Least variances that whitening divides by, the smaller ones tried where the first is felt: a
# direction without spread is left narrow.
_WHITENING_FLOORS = (1e-3, 1e-6, 1e-9)
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
    """The best start with margins as they are, bent, or made normal first.

    Mixtures are chosen by the density of rows left out, one normal by BIC.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    weight : ndarray of shape (n,) or None
        Weights of the rows; rows are then drawn in proportion to them.
    with_mixture : bool
        Whether a Gaussian mixture follows, or one standard normal.
    n_components : int or None
        Number of its components, or None to choose it.
    covariance : {'full', 'diag'} or None
        Form of its covariances, or None to choose it.
    rng : RandomState
        Source of randomness.
    bends : bool, default=True
        Whether columns may have heavy tails; pixels of images have none.

    Returns
    -------
    FlowStart
        The start.
    """
    everything, Z = Z, Z[draw_rows(len(Z), weight, rng)]
    forms = margin_forms(Z, bends)
    if not with_mixture:
        return min((_one_normal(Z, form) for form in forms), key=lambda found: found[1])[0]
    befores = [partial(_whitened, form=form) for form in forms]
    before, shape = choose_shape(Z, befores, n_components, covariance, rng)
    start = before(Z)
    mixture = shape.fit(start.apply(Z)[0].numpy(), rng)
    if len(everything) > len(Z):
        more = everything[draw_rows(len(everything), weight, rng, _MAX_ROWS)]
        mixture = shape.finish(mixture, start.apply(more)[0].numpy())
    return replace(start, prior=mixture)


def _whitened(rows, form):
    margins = fit_margins(form, rows)
    return FlowStart(margins, whitening(margins.apply(rows)[0]))


def _one_normal(Z, form):
    """One normal behind margins and a linear map, and its BIC."""
    margins = fit_margins(form, Z)
    start = FlowStart(margins, best_whitening(margins.apply(Z)[0]))
    latent, log_det = (a.numpy() for a in start.apply(Z))
    n, d = latent.shape
    n_parameters = margins.n_parameters + d * (d + 3) / 2
    bic = (latent**2 + np.log(2 * np.pi)).sum() - 2 * log_det.sum() + np.log(n) * n_parameters
    return start, bic


def _apply_linear(linear, Z):
    matrix, bias = linear
    return Z @ matrix.T + bias


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
    location, scale = rows.mean(0), rows.std(0)
    scale[scale == 0] = 1.0
    rows = (rows - location) / scale
    _, shape = choose_shape(rows, [lambda rows: FlowStart()], n_components, covariance, rng)
    mixture = shape.fit(rows, rng)
    factor = np.outer(scale, scale) if mixture.covariance == "full" else scale**2
    means, covariances = mixture.means * scale + location, mixture.covariances * factor
    mixture = replace(mixture, means=means, covariances=covariances)
    return FlowStart(prior=_at_least(mixture, min_deviation**2))


def _at_least(mixture: MixtureStart, variance: float) -> MixtureStart:
    """The same mixture, widened where it is narrower than its prior may be."""
    if mixture.covariance == "diag":
        return replace(mixture, covariances=np.maximum(mixture.covariances, variance))
    values, vectors = np.linalg.eigh(mixture.covariances)
    if values.min() >= variance:
        return mixture
    wide = vectors * np.maximum(values, variance)[:, None] @ vectors.transpose(0, 2, 1)
    return replace(mixture, covariances=wide)


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
