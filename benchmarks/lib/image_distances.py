"""Distances between sets of images: of their features, and of the power of their frequencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .data import flat
from .metrics import mmd

N_DIRECTIONS = 200
# Of the random convolutions: filters of the two layers, their edge, and cells of the last average.
FILTERS, EDGE, CELLS = (16, 32), 3, 2
RANK = 50

Features = Callable[[np.ndarray], np.ndarray]


def pca_features(images: np.ndarray, rank: int = RANK) -> Features:
    """Map of images to their first principal components, each of variance one in `images`.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, n_channels)
        What the components are of.
    rank : int, default=50
        Most components.
    """
    from sklearn.decomposition import PCA

    rows = flat(images).astype(np.float64)
    # The last ones would be noise, of which rows few more than components have none.
    rank = min(rank, len(rows) // 2, rows.shape[1])
    pca = PCA(rank, whiten=True, random_state=0).fit(rows)
    return lambda other: pca.transform(flat(other).astype(np.float64))


def convolution_features(images: np.ndarray, seed: int = 0) -> Features:
    """Map of images to two layers of random convolutions, each of variance one in `images`.

    Filters have mean zero, so that the features tell edges and texture; what follows the second
    layer is averaged over the quarters of the image.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, n_channels)
        What the features are standardised by.
    seed : int, default=0
        Of the filters.
    """
    import torch
    import torch.nn.functional as F

    generator, n_in, kernels = torch.Generator().manual_seed(seed), _channels(images).shape[3], []
    for n_filters in FILTERS:
        kernel = torch.randn(n_filters, n_in, EDGE, EDGE, generator=generator)
        kernels.append(kernel - kernel.mean((1, 2, 3), keepdim=True))
        n_in = n_filters
    grey = max(float(np.std(images)), 1e-12)

    def raw(other: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(_channels(other).astype(np.float32) / grey).permute(0, 3, 1, 2)
        x = F.relu(F.conv2d(x, kernels[0], padding=1))
        x = F.relu(F.conv2d(F.avg_pool2d(x, 2, ceil_mode=True), kernels[1], padding=1))
        return F.adaptive_avg_pool2d(x, CELLS).flatten(1).double().numpy()

    own = raw(images)
    mean, scale = own.mean(0), np.maximum(own.std(0), 1e-9 + 1e-3 * own.std())
    return lambda other: (raw(other) - mean) / scale


def sliced_wasserstein(X: np.ndarray, Y: np.ndarray, seed: int = 0) -> float:
    """Wasserstein-2 distance of as many rows each, root mean square over random directions."""
    if len(X) != len(Y):
        raise ValueError(f"expected as many rows of each, got {len(X)} and {len(Y)}")
    directions = np.random.default_rng(seed).normal(size=(X.shape[1], N_DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    # In one dimension the best transport leaves the order as it is.
    difference = np.sort(X @ directions, 0) - np.sort(Y @ directions, 0)
    return float(np.sqrt((difference**2).mean()))


def high_frequencies(images: np.ndarray) -> tuple[float, float]:
    """Power of the highest third of the spatial frequencies, and its share of that of all.

    A frequency is as high as the higher of its parts by row and by column; the constant one counts
    neither here nor there.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, n_channels)
        Values of any unit.

    Returns
    -------
    power : float
        Mean over images and channels, in squared units for a pixel.
    share : float
        Between 0 and 1.
    """
    channels = _channels(images).astype(np.float64)
    height, width = channels.shape[1:3]
    power = (np.abs(np.fft.fft2(channels, axes=(1, 2))) ** 2).mean((0, 3)) / (height * width) ** 2
    power[0, 0] = 0.0
    rows, columns = (np.abs(np.fft.fftfreq(n)) for n in (height, width))
    # The highest frequency is one half of a wave for each pixel.
    high = float(power[np.maximum(rows[:, None], columns) > 1 / 3].sum())
    return high, high / max(float(power.sum()), np.finfo(float).tiny)


def distances(
    images: np.ndarray, unseen: np.ndarray, features: dict[str, Features]
) -> dict[str, float]:
    """How far a set of images is from another.

    Parameters
    ----------
    images, unseen : ndarray of shape (n, height, width) or (n, height, width, n_channels)
        As many of each.
    features : dict of callable
        By name.

    Returns
    -------
    dict of float
        ``<name>_mmd``, the unbiased squared maximum mean discrepancy, which is about zero for draws
        of one law, and ``<name>_wasserstein``, of features of that name; ``high_power`` and
        ``high_share``, those of `images` divided by those of `unseen`.
    """
    told = {}
    for name, of in features.items():
        X, Y = of(images), of(unseen)
        told |= {f"{name}_mmd": mmd(X, Y), f"{name}_wasserstein": sliced_wasserstein(X, Y)}
    own, wanted = high_frequencies(images), high_frequencies(unseen)
    return told | {
        f"high_{k}": a / b for k, a, b in zip(("power", "share"), own, wanted, strict=True)
    }


def spread_of_distances(
    draw: Callable[[int], np.ndarray],
    unseen: np.ndarray,
    features: dict[str, Features],
    n_sets: int,
) -> dict[str, float]:
    """Means of `distances` over several sets, and standard deviations as ``<name>_std``.

    Parameters
    ----------
    draw : callable
        Gives a set of as many images as there are unseen ones for a seed: draws of a density, or
        of real images, whose distances are the floor.
    unseen : ndarray of shape (n, height, width) or (n, height, width, n_channels)
        Images that no density has seen.
    features : dict of callable
        By name.
    n_sets : int
        Number of sets, at least two.
    """
    sets = [distances(draw(seed), unseen, features) for seed in range(n_sets)]
    values = {name: [told[name] for told in sets] for name in sets[0]}
    means = {name: float(np.mean(v)) for name, v in values.items()}
    return means | {f"{name}_std": float(np.std(v, ddof=1)) for name, v in values.items()}


def _channels(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 4 else images[..., None]
