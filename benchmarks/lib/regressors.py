"""Regressors by name that give a distribution, ours and peers.

A builder makes one of a seed and of a budget in CPU seconds. It has ``fit(X, y)``,
``quantiles(X, shares)`` of shape (n, n_shares), and where it has a density also ``log_prob(X, y)``.
"""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import norm

Builder = Callable[[int, float], Any]

PATIENCE, N_DRAWS, GP_ROWS = 20, 500, 800


class Ours:
    """ConditionalFlow.

    Parameters
    ----------
    seed : int
        Random state.
    budget : float
        CPU seconds.
    trained : bool, default=True
        Whether the flow is trained, or left as the classical regression that it begins as.
    **parameters
        Of the estimator.
    """

    def __init__(self, seed: int, budget: float, trained: bool = True, **parameters: Any):
        from flowkit import ConditionalFlow

        from .budgets import TimeLimit, Untrained

        callback = TimeLimit(budget) if trained else Untrained()
        given = {"callbacks": [callback], "device": "cpu", "random_state": seed}
        self.model = ConditionalFlow(**given, **parameters)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Ours:
        self.model.fit(X, y)
        return self

    def quantiles(self, X: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return self.model.predict_quantiles(X, shares)

    def interval(self, X: np.ndarray, coverage: float) -> np.ndarray:
        return self.model.predict_interval(X, coverage)

    def log_prob(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.model.log_prob(X, y)

    def mean(self, X: np.ndarray) -> np.ndarray:
        return self.model.predict(X)


class NormalResiduals:
    """A normal distribution around the prediction of a regressor of scikit-learn.

    Parameters
    ----------
    model : regressor
        One that gives standard deviations, or one whose residuals out of fold give one for all.
    max_rows : int or None, default=None
        Rows that it is fitted to.
    """

    def __init__(self, model: Any, max_rows: int | None = None):
        self.model, self.max_rows = model, max_rows

    def fit(self, X: np.ndarray, y: np.ndarray) -> NormalResiduals:
        from sklearn.model_selection import cross_val_predict

        X, y = X[: self.max_rows], y[: self.max_rows]
        self.deviation = None
        if not self._gives_deviations():
            self.deviation = np.std(y - cross_val_predict(self.model, X, y, cv=5))
        self.model.fit(X, y)
        return self

    def _gives_deviations(self) -> bool:
        return "return_std" in inspect.signature(self.model.predict).parameters

    def normal(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each row."""
        if self.deviation is None:
            return self.model.predict(X, return_std=True)
        return self.model.predict(X), np.full(len(X), self.deviation)

    def quantiles(self, X: np.ndarray, shares: np.ndarray) -> np.ndarray:
        mean, deviation = self.normal(X)
        return mean[:, None] + deviation[:, None] * norm.ppf(shares)

    def log_prob(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return norm.logpdf(y, *self.normal(X))

    def mean(self, X: np.ndarray) -> np.ndarray:
        return self.normal(X)[0]


class NGBoost(NormalResiduals):
    """Natural gradient boosting of normal distributions, stopped early by a tenth of the rows."""

    def __init__(self, seed: int):
        from ngboost import NGBRegressor

        stopping = {"validation_fraction": 0.1, "early_stopping_rounds": 20}
        self.model = NGBRegressor(random_state=seed, verbose=False, **stopping)

    def fit(self, X: np.ndarray, y: np.ndarray) -> NGBoost:
        self.model.fit(X, y)
        return self

    def normal(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = self.model.pred_dist(X, max_iter=self.model.best_val_loss_itr)
        return found.loc, found.scale


class Quantiles:
    """Gradient boosting of each of some quantiles, sorted, with straight lines between them."""

    shares = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Quantiles:
        from sklearn.ensemble import HistGradientBoostingRegressor as Boosting

        given = {"loss": "quantile", "early_stopping": True, "random_state": self.seed}
        self.models = [Boosting(quantile=share, **given).fit(X, y) for share in self.shares]
        return self

    def quantiles(self, X: np.ndarray, shares: np.ndarray) -> np.ndarray:
        known = np.sort(np.column_stack([model.predict(X) for model in self.models]), axis=1)
        return np.array([np.interp(shares, self.shares, row) for row in known])


class QuantileForest(Quantiles):
    """Quantile regression forest."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> QuantileForest:
        from quantile_forest import RandomForestQuantileRegressor

        given = {"min_samples_leaf": 5, "random_state": self.seed}
        self.model = RandomForestQuantileRegressor(**given).fit(X, y)
        return self

    def quantiles(self, X: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return self.model.predict(X, quantiles=list(shares))


class Zuko:
    """A conditional density of zuko, with early stopping on a tenth of the rows.

    Parameters
    ----------
    seed : int
        Of torch.
    budget : float
        CPU seconds; the best weights until then are kept.
    flow : {'NSF', 'GMM'}
        Spline flow, or mixture density network.
    **parameters
        Of the flow.
    """

    def __init__(self, seed: int, budget: float, flow: str, **parameters: Any):
        self.seed, self.budget, self.flow, self.parameters = seed, budget, flow, parameters

    def fit(self, X: np.ndarray, y: np.ndarray) -> Zuko:
        import torch
        import zuko

        torch.manual_seed(self.seed)
        given = {"context": X.shape[1], "hidden_features": (64, 64), **self.parameters}
        self.model = getattr(zuko.flows, self.flow)(1, **given)
        order = torch.randperm(len(X))
        X, Y = (torch.as_tensor(a, dtype=torch.float32)[order] for a in (X, y[:, None]))
        held, rest = slice(len(X) // 10), slice(len(X) // 10, None)
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        best, best_weights, epochs_since = -np.inf, copy.deepcopy(self.model.state_dict()), 0
        end = time.process_time() + self.budget
        while epochs_since < PATIENCE and time.process_time() < end:
            order = torch.randperm(len(X[rest]))
            for batch in order.split(256):
                optimizer.zero_grad()
                loss = -self.model(X[rest][batch]).log_prob(Y[rest][batch]).mean()
                loss.backward()
                optimizer.step()
            with torch.inference_mode():
                current = self.model(X[held]).log_prob(Y[held]).mean().item()
            epochs_since += 1
            if current > best:
                best, epochs_since = current, 0
                best_weights = copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(best_weights)
        return self

    def quantiles(self, X: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return np.quantile(self._draws(X), shares, axis=0).T

    def mean(self, X: np.ndarray) -> np.ndarray:
        return self._draws(X).mean(0)

    def log_prob(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        import torch

        X, Y = (torch.as_tensor(a, dtype=torch.float32) for a in (X, y[:, None]))
        with torch.inference_mode():
            return self.model(X).log_prob(Y).double().numpy()

    def _draws(self, X):
        import torch

        torch.manual_seed(self.seed)
        with torch.inference_mode():
            X = torch.as_tensor(X, dtype=torch.float32)
            return self.model(X).sample((N_DRAWS,))[..., 0].double().numpy()


def ridge(seed: int, budget: float) -> NormalResiduals:
    from sklearn.linear_model import BayesianRidge

    return NormalResiduals(BayesianRidge())


def boosting(seed: int, budget: float) -> NormalResiduals:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return NormalResiduals(HistGradientBoostingRegressor(random_state=seed, early_stopping=True))


def gaussian_process(seed: int, budget: float) -> NormalResiduals:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel() * RBF(3.0) + WhiteKernel()
    return NormalResiduals(GaussianProcessRegressor(kernel, random_state=seed), GP_ROWS)


REGRESSORS: dict[str, Builder] = {
    "ConditionalFlow": lambda seed, budget: Ours(seed, budget),
    "ConditionalFlow, calibrated": lambda seed, budget: Ours(seed, budget, calibrate=True),
    "ConditionalFlow, untrained": lambda seed, budget: Ours(seed, budget, trained=False),
    "ridge": ridge,
    "HGB": boosting,
    "Gaussian process": gaussian_process,
    "quantile HGB": lambda seed, budget: Quantiles(seed),
    "quantile forest": lambda seed, budget: QuantileForest(seed),
    "NGBoost": lambda seed, budget: NGBoost(seed),
    "zuko NSF": lambda seed, budget: Zuko(seed, budget, "NSF", transforms=3),
    "mixture density network": lambda seed, budget: Zuko(seed, budget, "GMM", components=8),
}
# Module that a peer needs.
LIBRARIES = {
    "quantile forest": "quantile_forest",
    "NGBoost": "ngboost",
    **dict.fromkeys(("zuko NSF", "mixture density network"), "zuko"),
}
