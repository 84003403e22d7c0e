"""Flows that fill holes, by name, and the images that they are fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.decomposition import PCA

from .clocks import Stopwatch
from .data import flat, load_digits, load_images
from .holes import N_BLOCKS, convolution_weights, matched_width
from .image_flows import CONV_REALNVP, Gaussian, common, describe_flow
from .metrics import count

DATA = ("digits", "mnist", "yale", "cifar")
N_TEST = 500
RG, LIFTED, GAUSSIAN, LOW_RANK = "RG", "Lifting", "Gaussian", "Gaussian, low rank"
REALNVPS = ("RealNVP, matched", "RealNVP, small")
MODELS = (RG, LIFTED, *REALNVPS, GAUSSIAN)
# Principal components of Gaussians of low rank, of which the hold-out chooses.
RANKS, HELD_OUT = (10, 20, 40, 80, 160), 0.2


def split(name: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test images; grey levels of 8 bits but for digits."""
    if name != "digits":
        train, test = load_images(name, rows, seed)
        return train, test[:N_TEST]
    images, _ = load_digits()
    order = np.random.default_rng(seed).permutation(len(images))
    n_test = len(images) // 5
    return images[order[n_test:]][:rows], images[order[:n_test]]


def fit_flow(name: str, train: np.ndarray, seed: int, budget: float, n_parameters: int) -> Any:
    from flowkit import FractalFlowDensity, RGFlowDensity

    shape = {"image_shape": train.shape[1:]}
    X = train if train.dtype == np.uint8 else flat(train)
    if name == LIFTED:
        lifted = {"fractal": "lifting", **common(budget, seed, default_rate=True)}
        return FractalFlowDensity(**lifted | {"batch_size": "auto"}, **shape).fit(X)
    if name == RG:
        blocks = {"layout": "blocks", **common(budget, seed, default_rate=True)}
        return RGFlowDensity(**blocks, **shape).fit(X)
    settings = dict(CONV_REALNVP)
    if name == REALNVPS[0]:
        # Outside of the flow's budget, as it is nothing that a user would do.
        settings |= {"n_blocks": N_BLOCKS, "hidden_units": matched_width(n_parameters)}
    given = {**common(budget, seed), **settings, **shape, "prior": "normal"}
    return FractalFlowDensity(**given).fit(X)


class LowRankGaussian(Gaussian):
    """Normal density of principal components and even noise, of the rank that a hold-out likes."""

    def __init__(self) -> None:
        super().__init__(full=True)

    def _fit(self, X: np.ndarray) -> LowRankGaussian:
        n = int(HELD_OUT * len(X))
        judged = {r: PCA(r).fit(X[n:]).score(X[:n]) for r in RANKS if r < min(X.shape) - n}
        model = PCA(max(judged, key=judged.get)).fit(X)
        self.mean = model.mean_
        self.values, self.vectors = np.linalg.eigh(model.get_covariance())
        return self


class Models:
    """Models of one data set and seed, each fitted when it is first asked for.

    Parameters
    ----------
    name : str
        Images.
    rows : int
        Most training images.
    seed : int
        Of the split and of the fits.
    budget : float
        CPU seconds of a fit.
    folder : Path or None
        Where fits are kept.
    """

    def __init__(self, name: str, rows: int, seed: int, budget: float, folder: Path | None):
        self.name, self.rows, self.seed = name, rows, seed
        self.budget, self.folder = budget, folder
        self.train, self.test = split(name, rows, seed)
        self.fitted: dict[str, tuple[Any, dict]] = {}

    def fit(self, model: str) -> tuple[Any, dict]:
        """The model, and what its fit took."""
        if model not in self.fitted:
            self.fitted[model] = self._fit_or_load(model)
        return self.fitted[model]

    def _fit_or_load(self, model: str) -> tuple[Any, dict]:
        path = None
        if model in (GAUSSIAN, LOW_RANK):
            gaussian = Gaussian(full=True) if model == GAUSSIAN else LowRankGaussian()
            return gaussian.fit(self.train, self.seed), {}
        if self.folder:
            words = [self.name, f"{self.rows}", f"{self.seed}", f"{self.budget:g}s", model]
            path = self.folder / f"{'_'.join(words).replace(', ', '_')}.joblib"
            if path.exists():
                return joblib.load(path)
        n_parameters = 0
        if model == REALNVPS[0]:
            n_parameters = count(self.fit(RG)[0].module_.bijection)
        with Stopwatch() as watch:
            estimator = fit_flow(model, self.train, self.seed, self.budget, n_parameters)
        # Callbacks hold clocks of this process and cannot be stored.
        fitted = estimator.set_params(callbacks=None), watch.seconds("fit")
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            joblib.dump(fitted, path)
        return fitted

    def measure(self, model: str) -> dict:
        """Bits per dimension of unseen images."""
        estimator, seconds = self.fit(model)
        shape = {"n_train": len(self.train), "n_test": len(self.test)}
        if model == GAUSSIAN:
            return {**shape, "bits_per_dim": estimator.bits_per_dim(self.test)}
        return {
            **shape,
            "bits_per_dim": estimator.bits_per_dim(flat(self.test)),
            **seconds,
            **({} if model == LIFTED else describe_parts(estimator)),
            **describe_flow(estimator),
        }


def describe_parts(estimator: Any) -> dict:
    """Number of weights of convolutions, and whether splines of single columns come first."""
    from flowkit.bijections import ElementwiseSpline

    steps = estimator.module_.bijection.bijections
    return {
        "n_convolution_weights": convolution_weights(estimator.module_),
        "splines_first": any(isinstance(step, ElementwiseSpline) for step in steps),
    }
