"""What is measured: ranks of outliers, distances of samples, images, and ranks of methods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

N_DIRECTIONS = 200


# Outliers


def measure_scores(strangeness: np.ndarray, anomalous: np.ndarray, suffix: str = "") -> dict:
    """AUROC and average precision of scores that are the higher the stranger a row."""
    from scipy.stats import rankdata
    from sklearn.metrics import average_precision_score, roc_auc_score

    # Neither sees more than ranks, which infinite scores have too.
    ranks = rankdata(np.nan_to_num(strangeness, nan=np.inf, posinf=np.inf, neginf=-np.inf))
    return {
        f"auroc{suffix}": float(roc_auc_score(anomalous, ranks)),
        f"average_precision{suffix}": float(average_precision_score(anomalous, ranks)),
    }


# Methods over tables


def summarise(log_density: np.ndarray, methods: list[str]) -> dict[str, list[float]]:
    """Ranks and gaps of methods, columns, over tables, rows; without a result a method is last."""
    from scipy.stats import rankdata

    filled = np.where(np.isnan(log_density), -np.inf, log_density)
    gap_to_best = np.nanmax(log_density, axis=1, keepdims=True) - log_density
    summary = {
        "mean rank": rankdata(-filled, axis=1).mean(0).tolist(),
        "mean gap to best": gap_to_best.mean(0).tolist(),
    }
    if "Gaussian" in methods:
        over_gaussian = log_density - log_density[:, [methods.index("Gaussian")]]
        summary["worst gain on Gaussian"] = over_gaussian.min(0).tolist()
    return summary


# Samples


def wasserstein(X: np.ndarray, Y: np.ndarray) -> tuple[float, float]:
    """Wasserstein-1 and -2 of as many rows each, sliced if there are two columns."""
    angle = math.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
    directions = np.stack([np.cos(angle), np.sin(angle)]) if X.shape[1] == 2 else np.ones((1, 1))
    # In one dimension the best transport leaves the order as it is.
    difference = np.sort(X @ directions, 0) - np.sort(Y @ directions, 0)
    return float(np.abs(difference).mean()), float(np.sqrt((difference**2).mean()))


def mmd(X: np.ndarray, Y: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy, normal kernel; its width is by Y alone."""
    from scipy.spatial.distance import pdist

    width = float(np.median(pdist(Y[:1000])))
    inner = [(_kernel_sum(A, A, width) - len(A)) / (len(A) * (len(A) - 1)) for A in (X, Y)]
    return sum(inner) - 2 * _kernel_sum(X, Y, width) / (len(X) * len(Y))


def _kernel_sum(X: np.ndarray, Y: np.ndarray, width: float) -> float:
    from scipy.spatial.distance import cdist

    parts = np.array_split(X, -(-len(X) // 1000))
    return sum(np.exp(-0.5 * cdist(part, Y, "sqeuclidean") / width**2).sum() for part in parts)


# Images


def ssim(x: np.ndarray, y: np.ndarray, radius: int) -> float:
    """Structural similarity of images (n, height, width) in [0, 1], mean over pixels."""
    from scipy.ndimage import gaussian_filter

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, (0, 1.5, 1.5), radius=(0, radius, radius))

    mean_x, mean_y = smooth(x), smooth(y)
    products = smooth(x * y) - mean_x * mean_y
    squares = smooth(x * x) - mean_x**2 + smooth(y * y) - mean_y**2
    c1, c2 = 0.01**2, 0.03**2
    means = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float((means * (2 * products + c2) / (squares + c2)).mean())


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    """Signal-to-noise ratio in dB over all rows, the signal less the mean of each row."""
    centred = clean - clean.mean(1, keepdims=True)
    return float(10 * np.log10((centred**2).sum() / ((estimate - clean) ** 2).sum()))


def r2(predicted: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the variance that is explained, mean over columns."""
    residual = ((wanted - predicted) ** 2).sum(0) / ((wanted - wanted.mean(0)) ** 2).sum(0)
    return float(1 - residual.mean())


# Fits


def count(module: Any) -> int:
    """Number of parameters of a torch module."""
    return sum(parameter.numel() for parameter in module.parameters())


def fit_line(x: np.ndarray, y: np.ndarray) -> dict:
    """Least squares with an intercept."""
    design = np.stack([np.ones_like(x), x], 1)
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    residuals = y - design @ coefficients
    return {
        "intercept": float(coefficients[0]),
        "slope": float(coefficients[1]),
        "r2": float(1 - (residuals**2).sum() / ((y - y.mean()) ** 2).sum()),
        "residuals": residuals.tolist(),
    }
