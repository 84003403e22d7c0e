"""Densities of 8-bit images by name: ``fit(images, seed, budget)``, and how they are measured.

Every trained one gets the same CPU seconds, those before training included, and a learning rate
that falls to zero over what is left of them; batches of 64, if it has no rule of its own for
images. A budget of 0 leaves a flow as it was initialised.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .budgets import Annealing, Untrained
from .clocks import Stopwatch
from .data import GREY, bits, flat, logits
from .metrics import count

BATCH = 64
LEARNING_RATE = 1e-3
# Chosen so that all three have about as many parameters on patches of 32 x 32 pixels.
COUPLING = {"fractal": "coupling", "n_blocks": 1, "hidden_units": 24}
CONV_REALNVP = {
    "fractal": "coupling",
    "n_levels": 0,
    "coupling": "affine",
    "n_blocks": 2,
    "hidden_units": 32,
}
MLP_REALNVP = {"n_couplings": 4, "hidden_units": 44}
# Width of 256 grey levels, of which the logit sees 0.05 to 0.95.
GREY_SCALE = (GREY + 1) / 0.9


def common(budget: float, seed: int, *, default_rate: bool = False) -> dict[str, Any]:
    """Parameters that all flows share; `default_rate` leaves each its own learning rate."""
    rate = {} if default_rate else {"learning_rate": LEARNING_RATE}
    return {
        **rate,
        "batch_size": BATCH,
        # The budget ends the training.
        "max_epochs": 1000,
        "random_state": seed,
        "callbacks": [Annealing(budget) if budget else Untrained()],
        "device": "cpu",
    }


# Gaussians


class Gaussian:
    """Normal density of grey levels with uniform noise; full covariances are shrunk.

    Parameters
    ----------
    full : bool
        Whether the covariance is full, or diagonal.
    """

    def __init__(self, full: bool):
        self.full = full

    def fit(self, images: np.ndarray, seed: int) -> Gaussian:
        rng = np.random.default_rng(seed)
        return self._fit(self._values(images, rng.uniform(-0.5, 0.5, flat(images).shape)))

    def _fit(self, X: np.ndarray) -> Gaussian:
        from sklearn.covariance import ledoit_wolf

        self.mean = X.mean(0)
        covariance = ledoit_wolf(X)[0] if self.full else np.diag(X.var(0))
        self.values, self.vectors = np.linalg.eigh(covariance)
        return self

    def _values(self, images: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return flat(images) + noise

    @property
    def n_parameters(self) -> int:
        d = len(self.mean)
        return d * (d + 3) // 2 if self.full else 2 * d

    @property
    def covariance(self) -> np.ndarray:
        return (self.vectors * self.values) @ self.vectors.T

    def log_density(self, X: np.ndarray) -> np.ndarray:
        latent = (X - self.mean) @ self.vectors
        log_det = np.log(2 * math.pi * self.values).sum()
        return -0.5 * ((latent**2 / self.values).sum(1) + log_det)

    def bits_per_dim(self, images: np.ndarray) -> float:
        noise = np.random.RandomState(0).uniform(-0.5, 0.5, flat(images).shape)
        X = self._values(images, noise)
        return bits((self.log_density(X) + self._log_slope(X)).mean(), X.shape[1])

    def _log_slope(self, X: np.ndarray) -> float | np.ndarray:
        return 0.0

    def wiener(self, y: np.ndarray, level: float) -> np.ndarray:
        """Expected rows, given rows with normal noise of this standard deviation."""
        gain = self.values / (self.values + level**2)
        return self.mean + ((y - self.mean) @ self.vectors * gain) @ self.vectors.T

    def fill(self, X: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """Rows with the expected values of their hole, given the others."""
        known, covariance = ~hole, self.covariance
        cross = covariance[np.ix_(known, hole)]
        weights = np.linalg.solve(covariance[np.ix_(known, known)], cross)
        filled = X.copy()
        filled[:, hole] = self.mean[hole] + (X - self.mean)[:, known] @ weights
        return filled


class LogitGaussian(Gaussian):
    """Full normal density of the logits of grey levels with uniform noise."""

    def __init__(self) -> None:
        super().__init__(full=True)

    def _values(self, images: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return logits(flat(images) + noise)

    def _log_slope(self, X: np.ndarray) -> np.ndarray:
        return log_slope_of_logits(X)


def log_slope_of_logits(X: np.ndarray) -> np.ndarray:
    """Sum over each row of the log slopes of its logits, shape (n, d), by grey levels."""
    # Slope of the logit is 1 / (p (1 - p)), that of p a constant.
    return (np.logaddexp(0, X) + np.logaddexp(0, -X) + math.log(1 / GREY_SCALE)).sum(1)


# Flows


def fit_fractal(**settings: Any) -> Callable:
    """FractalFlowDensity on images: prior and couplings say whether that is a RealNVP."""

    def fit(images: np.ndarray, seed: int, budget: float) -> Any:
        from flowkit import FractalFlowDensity

        given = {**common(budget, seed), **settings}
        return FractalFlowDensity(image_shape=images.shape[1:], **given).fit(images)

    return fit


def fit_lifting(**settings: Any) -> Callable:
    """FractalFlowDensity that lifts images, at its own batches and learning rate."""

    def fit(images: np.ndarray, seed: int, budget: float) -> Any:
        from flowkit import FractalFlowDensity

        given = {**common(budget, seed, default_rate=True), "batch_size": "auto", **settings}
        return FractalFlowDensity(image_shape=images.shape[1:], **given).fit(images)

    return fit


def fit_rg(**settings: Any) -> Callable:
    """RGFlowDensity on images; `callbacks` come before the budget's."""

    def fit(images: np.ndarray, seed: int, budget: float, callbacks: tuple = ()) -> Any:
        from flowkit import RGFlowDensity

        given = {**common(budget, seed, default_rate=True), **settings}
        given["callbacks"] = [*callbacks, *given["callbacks"]]
        return RGFlowDensity(image_shape=images.shape[1:], **given).fit(images)

    return fit


def fit_mlp_realnvp(n_couplings: int, hidden_units: int) -> Callable:
    """Affine couplings of pixels in random halves, then a matrix that begins by whitening."""

    def fit(images: np.ndarray, seed: int, budget: float) -> Any:
        import torch

        from flowkit import FlowDensity
        from flowkit.bijections import AffineCoupling, LULinear, Permutation

        generator = torch.Generator().manual_seed(seed)
        X = flat(images).astype(np.float64)
        d, dropout = X.shape[1], min(0.3, 10 / math.sqrt(len(X)))
        options = {"hidden_units": hidden_units, "dropout": dropout, "generator": generator}
        steps = []
        for i in range(n_couplings):
            if i % 2 == 0:
                steps.append(Permutation(d, "random", generator))
            steps.append(AffineCoupling(d, reverse=bool(i % 2), **options))
        steps.append(LULinear(d))
        given = common(budget, seed)
        given["callbacks"] = [_whitening(seed), *given["callbacks"]]
        return FlowDensity(steps, prior="normal", **given).fit(X)

    return fit


def _whitening(seed: int) -> Any:
    """skorch callback: the last step of a flow begins by whitening the training rows alone."""
    import torch
    from sklearn.covariance import ledoit_wolf
    from skorch.callbacks import Callback

    class Whitening(Callback):
        @torch.no_grad()
        def on_train_begin(self, net: Any, X: Any = None, **kwargs: Any) -> None:
            *steps, last = net.module_.bijection.bijections
            z = net.iterator_train__noise.add(X.x, torch.Generator().manual_seed(seed))
            for step in steps:
                z, _ = step(z)
            covariance = ledoit_wolf(z.double().numpy())[0]
            values, vectors = np.linalg.eigh(covariance)
            matrix = torch.from_numpy((vectors / np.sqrt(values)) @ vectors.T).float()
            last.start(matrix, -matrix @ z.mean(0))

    return Whitening()


# Measures


def bits_per_dim(estimator: Any, images: np.ndarray) -> float:
    """Of held-out images with one draw of uniform noise of width one."""
    if hasattr(estimator, "bits_per_dim"):
        return float(estimator.bits_per_dim(images))
    noise = np.random.RandomState(0).uniform(-0.5, 0.5, flat(images).shape)
    return bits(estimator.score(flat(images) + noise), noise.shape[1])


def describe_flow(estimator: Any) -> dict[str, Any]:
    """What a fitted flow is made of, and how its training went."""
    from flowkit.bijections import LULinear

    if hasattr(estimator, "n_parameters"):
        return {"n_parameters": estimator.n_parameters, "n_epochs": estimator.n_iter_}
    d = estimator.n_features_in_
    linear = [m for m in estimator.module_.modules() if isinstance(m, LULinear)]
    held_out = estimator.history_["valid_log_density"]
    groups = getattr(estimator, "word_groups_", None)
    return {
        "n_parameters": count(estimator.module_),
        "n_linear_parameters": sum(map(count, linear)),
        "n_word_groups": None if groups is None else len(groups),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
        "holdout_bits": [bits(held_out[i], d) for i in (0, estimator.best_epoch_)],
    }


def measure_gaussian(
    model: Gaussian, train: np.ndarray, test: np.ndarray, seed: int
) -> tuple[dict, Gaussian]:
    """Result, and the fitted model."""
    with Stopwatch() as watch:
        model.fit(train, seed)
    told = {"bits_per_dim": model.bits_per_dim(test), "n_parameters": model.n_parameters}
    return {**told, **watch.seconds("fit")}, model


def measure_flow(
    fit: Callable, train: np.ndarray, test: np.ndarray, seed: int, budget: float
) -> tuple[dict, Any]:
    """Result, and the fitted estimator."""
    with Stopwatch() as watch:
        estimator = fit(train, seed, budget)
    told = {"bits_per_dim": bits_per_dim(estimator, test), **watch.seconds("fit")}
    return {**told, **describe_flow(estimator)}, estimator


def log_prob_of(estimator: Any) -> Callable:
    """Log density as a differentiable function of grey levels, up to a constant."""
    import torch

    # The scale of the columns adds a constant that no gradient sees.
    module = copy.deepcopy(estimator.module_).float().requires_grad_(False)
    location = torch.from_numpy(estimator.location_).float()
    scale = torch.from_numpy(estimator.scale_).float()
    return lambda x: module.log_prob((x - location) / scale)


# Flows of seismic patches.
FLOWS: dict[str, tuple[Callable, dict[str, Any]]] = {
    "RealNVP, MLP": (fit_mlp_realnvp(**MLP_REALNVP), MLP_REALNVP),
    "RealNVP, conv": (fit_fractal(prior="normal", **CONV_REALNVP), CONV_REALNVP),
    "fractal, coupling": (fit_fractal(**COUPLING), COUPLING),
    "fractal": (fit_lifting(), {}),
}
