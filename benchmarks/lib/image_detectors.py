"""Detectors around densities of images by name; each density is fitted once for all statistics."""

from __future__ import annotations

import copy
import math
from itertools import product
from typing import Any

import numpy as np
from skorch.callbacks import Callback

from .budgets import Annealing, DivergenceWarmUp
from .clocks import Stopwatch
from .data import flat
from .methods import Neighbours, detector, named
from .metrics import measure_scores

DENSITIES = ("RGFlowDensity", "FractalFlowDensity", "PHVAE")
# Log density less that of the start, which is the closed form that training begins at.
RATIO = "ratio to the start"
# Scales of a density without ``score_levels``, from its tree.
TREE_LEVELS = "levels of the tree"
STATISTICS = ("log_density", "typicality", "levels", TREE_LEVELS, "dose", RATIO)
# Statistic -> densities that have what it needs: scales, or a start that is a density of images.
NEEDS = {
    "levels": ("RGFlowDensity",),
    TREE_LEVELS: ("FractalFlowDensity",),
    RATIO: ("RGFlowDensity", "FractalFlowDensity"),
}
OURS = {
    f"{density}, {statistic}": (density, statistic)
    for density, statistic in product(DENSITIES, STATISTICS)
    if density in NEEDS.get(statistic, DENSITIES)
}
RANK, MOST_COMPARED = 50, 2000


class PCANeighbours(Neighbours):
    """Distance to the last of the nearest training rows, in principal components of variance one.

    There are 50, fewer for few rows.
    """

    def fit(self, X: np.ndarray) -> PCANeighbours:
        from sklearn.decomposition import PCA

        self.pca = PCA(min(RANK, len(X) // 2), whiten=True, random_state=0).fit(X)
        super().fit(self.pca.transform(X))
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return super().score_samples(self.pca.transform(X))


PEERS = {
    "kNN": lambda seed, budget: Neighbours(),
    "kNN, PCA": lambda seed, budget: PCANeighbours(),
    "IsolationForest": named("sklearn.ensemble.IsolationForest"),
}
METHODS = [*OURS, *PEERS]


class FirstWeights(Callback):
    """Notes the weights that a training begins at.

    Parameters
    ----------
    notes : list
        Where to, as callbacks are copied.
    """

    def __init__(self, notes: list):
        # A list would be copied with the callback, its method is not.
        self.note = notes.append

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.note(copy.deepcopy(net.best_weights.state_))


class StartRatio:
    """Log density of a fitted density less that of its start, which is its background model.

    Parameters
    ----------
    model : estimator
        Fitted.
    weights : dict of Tensor
        Of its start.
    """

    def __init__(self, model: Any, weights: dict):
        self.model, self.start = model, copy.deepcopy(model)
        self.start.module_.load_state_dict(weights)
        self.start.module_.refresh()

    def fit(self, X: np.ndarray) -> StartRatio:
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return self.model.score_samples(X) - self.start.score_samples(X)


class TreeLevels:
    """Kernel density of two numbers: log density of the pixels of the finest phases, and the rest.

    Parameters
    ----------
    model : FractalFlowDensity
        Fitted, and lifting images.
    """

    def __init__(self, model: Any):
        self.model = model

    def fit(self, X: np.ndarray) -> TreeLevels:
        from sklearn.neighbors import KernelDensity
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rows = self._levels(X[:MOST_COMPARED])
        self.density = make_pipeline(StandardScaler(), KernelDensity(bandwidth="scott")).fit(rows)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return self.density.score_samples(self._levels(X))

    def _levels(self, X: np.ndarray) -> np.ndarray:
        tree = self.model.log_det_tree(X)
        finest = np.flatnonzero(tree.levels == 0)
        columns = np.unique(np.concatenate([tree.features[i] for i in finest]))
        # The prior of fine latents is standard normal.
        z = self.model.transform(X)[:, columns]
        fine = tree.shares[:, finest].sum(1) - 0.5 * (z**2 + math.log(2 * math.pi)).sum(1)
        return np.column_stack([fine, self.model.score_samples(X) - fine])


class ImageDetectors:
    """Detectors of one training set; a density is fitted when it is first asked for.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, height, width) or (n, height, width, n_channels)
        What trains.
    seed : int
        Of the fits.
    budget : float
        CPU seconds of one.
    """

    def __init__(self, images: np.ndarray, seed: int, budget: float):
        self.images, self.seed, self.budget = images, seed, budget
        self.train = flat(images).astype(np.float64)
        self.densities: dict[str, tuple[Any, dict, dict]] = {}

    def density(self, name: str) -> tuple[Any, dict, dict]:
        """The estimator, the weights of its start, and both clocks of its fit."""
        import flowkit

        if name not in self.densities:
            notes: list[dict] = []
            # The budget ends the training.
            model = getattr(flowkit, name)(
                image_shape=self.images.shape[1:],
                max_epochs=1000,
                random_state=self.seed,
                device="cpu",
            )
            callbacks = [FirstWeights(notes), Annealing(self.budget)]
            if hasattr(model, "kl_warmup"):
                callbacks.append(DivergenceWarmUp(self.budget, model.kl_warmup))
            with Stopwatch() as watch:
                model.set_params(callbacks=callbacks).fit(self.images)
            self.densities[name] = model, notes[0], watch.seconds("density")
        return self.densities[name]

    def measure(self, method: str, usual: np.ndarray, strange: dict[str, np.ndarray]) -> dict:
        """AUROC and average precision of each kind, clocks, and epochs of the density.

        Parameters
        ----------
        method : str
            One of `METHODS`.
        usual : ndarray of shape (m, ...)
            Unseen images like those of training.
        strange : dict of ndarray of shape (k, ...)
            Other images, by kind.
        """
        if method in PEERS:
            return self._scored(PEERS[method](self.seed, math.inf), usual, strange)
        from sklearn.frozen import FrozenEstimator

        name, statistic = OURS[method]
        model, start, told = self.density(name)
        told = {**told, "n_epochs": int(model.n_iter_)}
        if statistic == RATIO:
            scored = StartRatio(model, start)
        elif statistic == TREE_LEVELS:
            scored = TreeLevels(model)
        else:
            build = detector(FrozenEstimator(model), statistic=statistic)
            scored = build(self.seed, self.budget)
        return {**self._scored(scored, usual, strange), **told}

    def _scored(self, model: Any, usual: np.ndarray, strange: dict[str, np.ndarray]) -> dict:
        with Stopwatch() as fitting:
            model.fit(self.train)
        result = {**fitting.seconds("fit"), "n_train": len(self.train)}
        with Stopwatch() as scoring:
            found = {
                kind: -model.score_samples(flat(images).astype(np.float64))
                for kind, images in {"": usual, **strange}.items()
            }
        scores = found.pop("")
        for kind, others in found.items():
            anomalous = np.repeat([False, True], [len(scores), len(others)])
            result |= measure_scores(np.concatenate([scores, others]), anomalous, f"_{kind}")
        return {**result, **scoring.seconds("score")}
