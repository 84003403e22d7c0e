"""Clusters of rows by name: ``fit(data, seed, budget)``.

It returns the heaviest topic of each row, and the estimator if that can sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .budgets import TimeLimit

# A word group a column beyond so many columns takes too long.
MAX_GROUPS = 64
MNIST_COMPONENTS = 50


@dataclass(frozen=True)
class Data:
    """Rows, their labels, the shape of the images that they are, and what the flow is given."""

    X: np.ndarray
    labels: np.ndarray
    budget: float = 10.0
    image_shape: tuple[int, int] | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def n_classes(self) -> int:
        return len(np.unique(self.labels))

    def scaled(self) -> np.ndarray:
        if self.image_shape is not None:
            return self.X / self.X.max()
        return (self.X - self.X.mean(0)) / self.X.std(0)


def fit_kmeans(data: Data, seed: int, budget: float) -> tuple[np.ndarray, None]:
    from sklearn.cluster import KMeans

    model = KMeans(data.n_classes, n_init=10, random_state=seed)
    return model.fit_predict(data.scaled()), None


def fit_mixture(covariance_type: str) -> Callable:
    def fit(data: Data, seed: int, budget: float) -> tuple[np.ndarray, None]:
        from sklearn.decomposition import PCA
        from sklearn.mixture import GaussianMixture

        X = data.scaled()
        if X.shape[1] > 10 * MNIST_COMPONENTS:
            X = PCA(MNIST_COMPONENTS, random_state=seed).fit_transform(X)
        # Constant pixels and atoms need more than scikit-learn's reg_covar of 1e-6.
        options = {"covariance_type": covariance_type, "reg_covar": 1e-3, "random_state": seed}
        return GaussianMixture(data.n_classes, **options).fit_predict(X), None

    return fit


def fit_lda_alone(backend: str) -> Callable:
    def fit(data: Data, seed: int, budget: float) -> tuple[np.ndarray, None]:
        from flowkit.topics import fit_lda, patch_documents, table_documents

        rng = np.random.RandomState(seed)
        if data.image_shape is None:
            documents = table_documents(data.X)
        else:
            # As FractalFlowDensity makes them: overlapping patches of half the edge.
            patch = min(data.image_shape) // 2
            options = {"patch": patch, "stride": patch // 2}
            documents = patch_documents(data.X, data.image_shape, rng, **options)
        topics = fit_lda(documents, data.n_classes, backend, rng)
        return topics.proportions.argmax(1), None

    return fit


def n_columns(data: Data) -> int:
    return data.X.shape[1]


def n_patches(data: Data) -> int:
    """Patches of 2 by 2 pixels of small images, of 4 by 4 of others."""
    edge = 2 if min(data.image_shape) < 16 else 4
    return math.prod(length // edge for length in data.image_shape)


def fit_fractal(**parameters: Any) -> Callable:
    def fit(data: Data, seed: int, budget: float) -> tuple[np.ndarray, Any]:
        from flowkit import FractalFlowDensity

        given = {k: v(data) if callable(v) else v for k, v in parameters.items()}
        given = {"image_shape": data.image_shape, "random_state": seed, **data.settings, **given}
        limit = TimeLimit(budget)
        estimator = FractalFlowDensity(data.n_classes, callbacks=[limit], **given).fit(data.X)
        return estimator.predict(data.X), estimator

    return fit


CLUSTERERS: dict[str, Callable] = {
    "KMeans": fit_kmeans,
    "GaussianMixture diag": fit_mixture("diag"),
    "GaussianMixture full": fit_mixture("full"),
    "LDA alone, sklearn": fit_lda_alone("sklearn"),
    "LDA alone, gensim": fit_lda_alone("gensim"),
    "fractal": fit_fractal(),
    "fractal, likelihood alone": fit_fractal(topic_penalty=0.0),
    "fractal, 1 group": fit_fractal(n_word_groups=1),
    "fractal, patches": fit_fractal(n_word_groups=n_patches),
    "fractal, a group a column": fit_fractal(n_word_groups=n_columns),
    "fractal, k-means initialised": fit_fractal(lda_backend=None),
    "fractal, gensim initialised": fit_fractal(lda_backend="gensim"),
    "fractal, mixture prior": fit_fractal(prior="gaussian_mixture"),
}
# Module that a method needs.
NEEDED = {name: "gensim" for name in CLUSTERERS if "gensim" in name}


def applies(method: str, data: Data) -> bool:
    """Whether a method makes sense of these data."""
    if "patches" in method:
        return data.image_shape is not None
    return "a group a column" not in method or n_columns(data) <= MAX_GROUPS
