"""Densities and detectors by name, ours and peers: ``fit(X)`` and ``score_samples(X)``.

A builder makes one that is not fitted, of a seed and of a budget in CPU seconds. Scores are the
lower the stranger a row; those of densities are log densities in nats.
"""

from __future__ import annotations

import copy
import importlib
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

Builder = Callable[[int, float], Any]

N_NEIGHBOURS, N_MIXTURES = 5, 5
PATIENCE = 20
WARM_UP_ROWS = 64


def named(
    path: str,
    *,
    seeded: bool = True,
    limited: bool = False,
    timed: bool = False,
    **parameters: Any,
) -> Builder:
    """Builder of the class at an import path.

    Training stops at the budget by a callback if `limited`; if `timed`, the budget is the
    estimator's own `max_time`, which counts wall seconds.
    """

    def build(seed: int, budget: float) -> Any:
        module, _, name = path.rpartition(".")
        given = dict(parameters)
        if seeded:
            given["random_state"] = seed
        if limited:
            from .budgets import TimeLimit

            given |= {"callbacks": [TimeLimit(budget)], "device": "cpu"}
        if timed and np.isfinite(budget):
            given["max_time"] = budget
        return getattr(importlib.import_module(module), name)(**given)

    return build


def warm_up(build: Builder, rows: Any = None) -> None:
    """A fit that counts for nothing: the first one would pay for what is loaded when needed."""
    if rows is None:
        rows = np.random.default_rng(0).normal(size=(WARM_UP_ROWS, 3))
    # What fails here fails again where it is recorded.
    with warnings.catch_warnings(), suppress(Exception):
        warnings.simplefilter("ignore")
        build(0, 0.5).fit(rows).score_samples(rows)


class Gaussian:
    """One normal with a full covariance."""

    def fit(self, X: np.ndarray) -> Gaussian:
        from scipy.stats import multivariate_normal

        self.density = multivariate_normal(X.mean(0), np.cov(X, rowvar=False, bias=True))
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return self.density.logpdf(X)


class MixtureByBIC:
    """Gaussian mixture with as many components as BIC wants, as far as the budget reaches.

    Parameters
    ----------
    sizes : iterable of int
        Numbers of components that are tried, rising.
    covariances : tuple of str
        Which are tried.
    budget : float
        CPU seconds.
    **parameters
        Of `sklearn.mixture.GaussianMixture`.

    Attributes
    ----------
    watch : callable or None
        Called with the best mixture so far after each size.
    """

    watch: Callable[[Any], None] | None = None

    def __init__(
        self, sizes: Iterable[int], covariances: tuple[str, ...], budget: float, **parameters: Any
    ):
        self.sizes, self.covariances, self.parameters = sizes, covariances, parameters
        self.budget = budget

    def fit(self, X: np.ndarray) -> MixtureByBIC:
        from sklearn.mixture import GaussianMixture

        end, best = time.process_time() + self.budget, np.inf
        for k in (k for k in self.sizes if k <= len(X)):
            for covariance in self.covariances:
                given = {"covariance_type": covariance, **self.parameters}
                mixture = GaussianMixture(k, **given).fit(X)
                if (bic := mixture.bic(X)) < best:
                    self.take(mixture)
                    best = bic
            if self.watch is not None:
                self.watch(self.model)
            if time.process_time() > end:
                break
        return self

    def take(self, mixture: Any) -> None:
        """Let a mixture be the one that scores."""
        self.model, self.score_samples = mixture, mixture.score_samples


class MixturesByBIC(MixtureByBIC):
    """Mean density of five mixtures of the size that BIC wants, which differ in their seeds."""

    def fit(self, X: np.ndarray) -> MixturesByBIC:
        from sklearn.base import clone

        first = super().fit(X).model
        seeds = range(first.random_state + 1, first.random_state + N_MIXTURES)
        self.models = [first, *(clone(first).set_params(random_state=s).fit(X) for s in seeds)]
        self.score_samples = self._mean_density
        return self

    def _mean_density(self, X: np.ndarray) -> np.ndarray:
        from scipy.special import logsumexp

        each = [model.score_samples(X) for model in self.models]
        return logsumexp(each, axis=0) - np.log(N_MIXTURES)


class KernelByCV:
    """Kernel density estimate whose bandwidth is chosen by cross-validation."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: np.ndarray) -> KernelByCV:
        from sklearn.model_selection import GridSearchCV, KFold
        from sklearn.neighbors import KernelDensity

        folds = KFold(5, shuffle=True, random_state=self.seed)
        grid = {"bandwidth": np.geomspace(0.05, 1.5, 15)}
        search = GridSearchCV(KernelDensity(), grid, cv=folds).fit(X)
        self.score_samples = search.best_estimator_.score_samples
        return self


class Peer:
    """A flow of another library, trained with AdamW and early stopping on a tenth of the rows.

    Subclasses say how the flow is built, and how it scores rows.

    Parameters
    ----------
    seed : int
        Of torch.
    budget : float
        CPU seconds; the best weights until then are kept.
    **parameters
        Of the flow.

    Attributes
    ----------
    watch : callable or None
        Called with the best weights so far after each epoch.
    """

    watch: Callable[[dict], None] | None = None

    def __init__(self, seed: int, budget: float, **parameters: Any):
        self.seed, self.budget, self.parameters = seed, budget, parameters

    def fit(self, X: np.ndarray) -> Peer:
        import torch

        torch.manual_seed(self.seed)
        self.flow = self._build(X.shape[1])
        self._train(torch.as_tensor(X, dtype=torch.float32))
        return self

    def _build(self, n_features: int) -> Any:
        raise NotImplementedError

    def _log_prob(self, batch: Any) -> Any:
        raise NotImplementedError

    def _train(self, X: Any) -> None:
        import torch

        end, flow = time.process_time() + self.budget, self.flow
        X = X[torch.randperm(len(X))]
        n_validation = len(X) // 10
        validation, train = X[:n_validation], X[n_validation:]
        optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-3)
        best, best_weights, epochs_since = -np.inf, copy.deepcopy(flow.state_dict()), 0
        while epochs_since < PATIENCE and time.process_time() < end:
            for batch in train[torch.randperm(len(train))].split(256):
                optimizer.zero_grad()
                loss = -self._log_prob(batch).mean()
                loss.backward()
                optimizer.step()
            with torch.inference_mode():
                current = self._log_prob(validation).mean().item()
            epochs_since += 1
            if current > best:
                best, best_weights, epochs_since = current, copy.deepcopy(flow.state_dict()), 0
            if self.watch is not None:
                self.watch(best_weights)
        self.take(best_weights)

    def take(self, weights: dict) -> None:
        """Let these weights be the ones that score."""
        self.flow.load_state_dict(weights)

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._log_prob(torch.as_tensor(X, dtype=torch.float32)).double().numpy()


class Zuko(Peer):
    """The flow of zuko that parameter `flow` names."""

    def _build(self, n_features: int) -> Any:
        import zuko

        given = dict(self.parameters)
        return getattr(zuko.flows, given.pop("flow"))(n_features, **given)

    def _log_prob(self, batch: Any) -> Any:
        return self.flow().log_prob(batch)


class Normflows(Peer):
    """Spline couplings of normflows with a linear map after each, as its examples have them."""

    def _build(self, n_features: int) -> Any:
        import normflows

        given, layers = dict(self.parameters), []
        for _ in range(given.pop("n_layers")):
            spline = normflows.flows.CoupledRationalQuadraticSpline(n_features, **given)
            layers += [spline, normflows.flows.LULinearPermute(n_features)]
        base = normflows.distributions.DiagGaussian(n_features, trainable=False)
        return normflows.NormalizingFlow(base, layers)

    def _log_prob(self, batch: Any) -> Any:
        return self.flow.log_prob(batch)


class Neighbours:
    """Distance to the last of the nearest training rows."""

    def fit(self, X: np.ndarray) -> Neighbours:
        from sklearn.neighbors import NearestNeighbors

        self.search = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(X)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return -self.search.kneighbors(X)[0][:, -1]


class DiffusionTime(Neighbours):
    """DTE-NP: the time at which a diffusion of the training rows would most likely give a row.

    Rows x + s e with normal noise e and a flat prior on the variance s^2, which grows with time:
    given a row, s^2 has an inverse gamma density of shape d/2 - 1 and rate D/2, where D is the
    squared distance from x, for which the nearest rows stand: their mean D. Its mode is D/d.

    References
    ----------
    Livernoche, Jain, Hezaveh, Ravanbakhsh, "On diffusion modeling for anomaly detection", 2024.
    They round it to one of a few hundred times, the last of which all far rows would share.
    """

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        shape, rate = X.shape[1] / 2 - 1, (self.search.kneighbors(X)[0] ** 2).mean(1) / 2
        return -rate / (shape + 1)


class PyOD:
    """A detector of PyOD.

    Parameters
    ----------
    path : str
        Module and class below ``pyod.models``.
    needs_width : bool, default=False
        Whether it wants to know the number of columns.
    **parameters
        Of the detector.
    """

    def __init__(self, path: str, needs_width: bool = False, **parameters: Any):
        self.path, self.needs_width, self.parameters = path, needs_width, parameters

    def fit(self, X: np.ndarray) -> PyOD:
        module, _, name = self.path.rpartition(".")
        detector = getattr(importlib.import_module(f"pyod.models.{module}"), name)
        width = [X.shape[1]] if self.needs_width else []
        self.model = detector(*width, **self.parameters).fit(X)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        return -self.model.decision_function(X)


def mixture_of_density(seed: int, budget: float) -> MixtureByBIC:
    """1 to 20 components, full and diagonal."""
    # scikit-learn's reg_covar of 1e-6 overfits columns with atoms: by 6 nats on 6_cardio.
    options = {"reg_covar": 1e-4, "max_iter": 300, "random_state": seed}
    return MixtureByBIC(range(1, 21), ("full", "diag"), budget, **options)


def detector(density: Any = None, **parameters: Any) -> Builder:
    """Builder of our detector.

    Parameters
    ----------
    density : estimator, list of (int, dict) or None, default=None
        A list chooses some of the default densities by their number, and what differs from them.
    **parameters
        Of the detector.
    """

    def build(seed: int, budget: float) -> Any:
        from flowkit import DensityOutlierDetector
        from flowkit.outliers import default_densities

        given = density
        if isinstance(density, list):
            defaults = default_densities()
            given = [defaults[i].set_params(**changes) for i, changes in density]
        return DensityOutlierDetector(given, random_state=seed, **parameters)

    return build


DENSITIES: dict[str, Builder] = {
    "Gaussian": lambda seed, budget: Gaussian(),
    "GaussianMixture": mixture_of_density,
    "KernelDensity": lambda seed, budget: KernelByCV(seed),
    "zuko MAF": lambda seed, budget: Zuko(seed, budget, flow="MAF"),
    "zuko NSF": lambda seed, budget: Zuko(seed, budget, flow="NSF"),
    "FlowDensity": named("flowkit.FlowDensity", limited=True),
    "FractalFlowDensity": named("flowkit.FractalFlowDensity", limited=True),
    "StackedDensity": named("flowkit.StackedDensity", timed=True),
}

DEFAULT_DETECTOR = "DensityOutlierDetector"
OWN_DENSITIES = ("FlowDensity", "FractalFlowDensity", "RGFlowDensity", "PHVAE")
DETECTORS: dict[str, Builder] = {
    DEFAULT_DETECTOR: detector(),
    f"{DEFAULT_DETECTOR}, trim=0.3": detector(trim=0.3),
    **{name: named(f"flowkit.{name}", limited=True) for name in OWN_DENSITIES},
    "kNN": lambda seed, budget: Neighbours(),
    "DTE-NP": lambda seed, budget: DiffusionTime(),
    "LOF": named("sklearn.neighbors.LocalOutlierFactor", seeded=False, novelty=True),
    "IsolationForest": named("sklearn.ensemble.IsolationForest"),
    "OneClassSVM": named("sklearn.svm.OneClassSVM", seeded=False),
    "KernelDensity": named("sklearn.neighbors.KernelDensity", seeded=False, bandwidth="scott"),
    "GaussianMixture": lambda seed, budget: MixtureByBIC(
        range(1, 11), ("full",), np.inf, random_state=seed
    ),
    "smooth mixture": lambda seed, budget: MixtureByBIC(
        range(1, 11), ("full",), np.inf, random_state=seed, reg_covar=0.01
    ),
    "mean of five mixtures": lambda seed, budget: MixturesByBIC(
        range(1, 11), ("full",), np.inf, random_state=seed, reg_covar=0.01
    ),
    "ECOD": lambda seed, budget: PyOD("ecod.ECOD"),
    "COPOD": lambda seed, budget: PyOD("copod.COPOD"),
    "PyOD VAE": lambda seed, budget: PyOD("vae.VAE", random_state=seed, device="cpu", verbose=0),
    "DeepSVDD": lambda seed, budget: PyOD(
        "deep_svdd.DeepSVDD", needs_width=True, random_state=seed, verbose=0
    ),
    "zuko MAF": lambda seed, budget: Zuko(
        seed, budget, flow="MAF", transforms=5, hidden_features=(64, 64)
    ),
}

# Module that a peer needs.
LIBRARIES = {
    **dict.fromkeys(("zuko MAF", "zuko NSF"), "zuko"),
    "normflows": "normflows",
    **dict.fromkeys(("ECOD", "COPOD", "DeepSVDD", "PyOD VAE", "PyOD AutoEncoder"), "pyod"),
}
# Methods that heed the budget.
BUDGETED = (*OWN_DENSITIES, "zuko MAF")
