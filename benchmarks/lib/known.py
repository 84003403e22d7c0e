"""Made tables whose density is known, so that nats below the truth can be told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

N_BENT, N_TAILS = 10, 6
# Standard deviation around the wave.
WIDTH = 0.5


def bent(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of which each is normal around a wave of the one before.

    Its entropy is that of the normals.
    """
    noise = rng.normal(size=(n, N_BENT))
    X = noise.copy()
    for j in range(1, N_BENT):
        X[:, j] = 2 * np.cos(1.5 * X[:, j - 1]) + WIDTH * noise[:, j]
    return X, stats.norm.logpdf(noise).sum(1) - (N_BENT - 1) * np.log(WIDTH)


def tails(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A linear map of columns with Student's t, three degrees of freedom, and exponential ones.

    Its entropy is the sum of theirs and of the log determinant of the map.
    """
    half = N_TAILS // 2
    sources = np.hstack([rng.standard_t(3, (n, half)), rng.exponential(size=(n, half))])
    log_density = stats.t(3).logpdf(sources[:, :half]).sum(1)
    log_density += stats.expon.logpdf(sources[:, half:]).sum(1)
    mixing = np.eye(N_TAILS) + 0.5 * np.random.default_rng(0).normal(size=(N_TAILS, N_TAILS))
    return sources @ mixing.T, log_density - np.linalg.slogdet(mixing)[1]


KNOWN: dict[str, Callable] = {"bent": bent, "tails": tails}


def split_of_known(
    name: str, seed: int, n_train: int, n_test: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Training and test rows in units of the training rows, and the mean log density of the latter.

    Parameters
    ----------
    name : str
        Of `KNOWN`.
    seed : int
        Of the draw.
    n_train, n_test : int
        Numbers of rows.

    Returns
    -------
    train, test : ndarray
        Rows.
    truth : float
        Nats; its expectation is minus the entropy.
    """
    X, log_density = KNOWN[name](np.random.default_rng(seed), n_train + n_test)
    train, test = X[:n_train], X[n_train:]
    mean, scale = train.mean(0), train.std(0)
    truth = log_density[n_train:].mean() + np.log(scale).sum()
    return (train - mean) / scale, (test - mean) / scale, float(truth)
