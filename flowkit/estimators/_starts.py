"""Classical models that a prior starts from."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture

# Rows that the search for a start looks at; more change the start little and cost much.
_MAX_ROWS = 10_000
_COMPONENTS = (1, 2, 3, 4, 6, 8, 11, 15, 20)
# Full covariance matrices have d^2 / 2 numbers a component.
_MAX_FULL_FEATURES = 64
# The search ends when this many sizes in a row have not lowered the BIC.
_PATIENCE = 2
_REGULARISATION = 1e-4


def fit_gaussian_mixture(
    Z: np.ndarray, weight: np.ndarray | None, n_components: int | None, rng: np.random.RandomState
) -> GaussianMixture:
    """Mixture of the least BIC over sizes and forms of the covariances.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    weight : ndarray of shape (n,) or None
        Weights of the rows; the mixture then sees rows drawn in proportion to them.
    n_components : int or None
        Number of components, or None to choose it.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    GaussianMixture
        The fitted mixture, ``covariance_type`` 'full' or 'diag'.
    """
    n = len(Z)
    if weight is not None:
        Z = Z[rng.choice(n, size=min(n, _MAX_ROWS), p=weight / weight.sum())]
    elif n > _MAX_ROWS:
        Z = Z[rng.choice(n, size=_MAX_ROWS, replace=False)]
    forms = ["full", "diag"] if Z.shape[1] <= _MAX_FULL_FEATURES else ["diag"]
    sizes = _COMPONENTS if n_components is None else (n_components,)
    best, best_bic = None, np.inf
    for form in forms:
        setbacks, lowest = 0, np.inf
        for size in sizes:
            if size > len(Z) // 2 and size > 1 and n_components is None:
                break
            mixture = _fit(Z, size, form, rng)
            bic = mixture.bic(Z)
            if bic < best_bic:
                best, best_bic = mixture, bic
            setbacks = 0 if bic < lowest else setbacks + 1
            lowest = min(lowest, bic)
            if setbacks == _PATIENCE:
                break
    return best


def _fit(Z: np.ndarray, size: int, form: str, rng: np.random.RandomState) -> GaussianMixture:
    # GaussianMixture's own start runs k-means on several threads, whose sums differ in the last
    # bits from run to run; one assignment to spread-out rows does not.
    centres, _ = kmeans_plusplus(Z, min(size, len(Z)), random_state=rng)
    label = pairwise_distances_argmin(Z, centres)
    spread = Z.var(0) + _REGULARISATION
    means = np.array([Z[label == k].mean(0) for k in range(len(centres))])
    variances = np.array([Z[label == k].var(0) for k in range(len(centres))])
    variances = np.maximum(variances, 0.1 * spread)
    precisions = 1 / variances
    mixture = GaussianMixture(
        len(centres),
        covariance_type=form,
        reg_covar=_REGULARISATION,
        means_init=means,
        weights_init=np.bincount(label, minlength=len(centres)) / len(Z),
        precisions_init=precisions
        if form == "diag"
        else np.array([np.diag(p) for p in precisions]),
        init_params="random",
        max_iter=300,
        random_state=rng,
    )
    return mixture.fit(Z)
