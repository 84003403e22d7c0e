"""Imputers by name, ours and scikit-learn's.

A builder makes one of a seed and of a budget in CPU seconds. It has ``fit(X)``, ``mean()``, the
rows of the fit without holes, and where it knows how sure it is ``draws(n)``, n copies of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Builder = Callable[[int, float], Any]


class Ours:
    """DensityImputer; the mean of 50 draws, of two densities and trees or of one density alone."""

    def __init__(self, seed: int, budget: float, with_trees: bool = True):
        from flowkit import DensityImputer, FlowDensity

        from .budgets import OwnTimeLimit

        density = FlowDensity(callbacks=[OwnTimeLimit(budget)], device="cpu")
        self.model = DensityImputer(density, with_trees=with_trees, random_state=seed)

    def fit(self, X: np.ndarray) -> None:
        self.X = X
        self.model.fit(X)

    def mean(self) -> np.ndarray:
        return self.model.transform(self.X)

    def draws(self, n: int) -> np.ndarray:
        return self.model.impute(self.X, n, random_state=0)


class Peer:
    """An imputer of scikit-learn."""

    def __init__(self, model: Any):
        self.model = model

    def fit(self, X: np.ndarray) -> None:
        self.X = X
        self.model.fit(X)

    def mean(self) -> np.ndarray:
        return self.model.transform(self.X)


class IterativeRidge(Peer):
    """Bayesian ridge regressions in turns, which draw from their posterior where they are asked."""

    def __init__(self, seed: int):
        super().__init__(_iterative(seed))
        self.posterior = _iterative(seed, sample_posterior=True)

    def draws(self, n: int) -> np.ndarray:
        self.posterior.fit(self.X)
        return np.stack([self.posterior.transform(self.X) for _ in range(n)])


def _iterative(seed: int, estimator: Any = None, **options: Any) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(estimator, random_state=seed, **options)


def _trees(seed: int, _: float) -> Peer:
    from sklearn.ensemble import ExtraTreesRegressor

    return Peer(_iterative(seed, ExtraTreesRegressor(50, random_state=seed), max_iter=5))


def _neighbours(_: int, __: float) -> Peer:
    from sklearn.impute import KNNImputer

    return Peer(KNNImputer())


def _means(_: int, __: float) -> Peer:
    from sklearn.impute import SimpleImputer

    return Peer(SimpleImputer())


IMPUTERS: dict[str, Builder] = {
    "DensityImputer": Ours,
    "a density alone": lambda seed, budget: Ours(seed, budget, with_trees=False),
    "iterative ridge": lambda seed, _: IterativeRidge(seed),
    "iterative trees": _trees,
    "k neighbours": _neighbours,
    "mean": _means,
}
