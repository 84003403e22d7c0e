"""PHVAE and its controls, by name, of equal size and trained for the same CPU seconds.

Controls have as many parameters as the default PHVAE, within two in a hundred, counted without
those that a mask leaves unused; the same latent size, batches and hold-out; and the same CPU
seconds, those before training included, with a learning rate that falls to zero and a divergence
that warms up over what is left of them. An epoch under way is finished, nothing stops early, and
the weights of the best epoch on the hold-out are kept.

- PHVAE: the defaults. "faithful": with the settings of FAITHFUL, nearer to the paper.
- plain VAE: one encoder fed x, standard normal prior, and as many latents; encoder and decoder are
  both widened. "flow prior": with the prior flow of the default PHVAE.
- encoders fed x: PHVAE, but all encoders see order 1, so nothing but the polynomials differs.
- one encoder: PHVAE, but one wider network sees all orders at once and gives all latents; decoder,
  prior and divergence are the same.
- beta-VAE: plain VAE whose divergence has a weight, in training and on the hold-out, at which its
  rate is about PHVAE's. The weight is searched for with the first seed by two shorter fits, and
  kept for the others. Rates are divergences of posterior from prior in nats, medians over test
  rows, which the weight thus has seen: few rows that are like no training row can rule a mean.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from flowkit import PHVAE
from flowkit.modules import PolynomialVAE
from flowkit.nets import GroupedMLP

from .budgets import Annealing, DivergenceWarmUp
from .clocks import Stopwatch
from .data import bits

# What the paper has, as far as it says.
FAITHFUL: dict[str, Any] = {"basis": "power", "linear_path": "first", "prior_flow": None}
FED_X, ONE_ENCODER = "encoders fed x", "one encoder"
PLAIN: dict[str, dict] = {
    "plain VAE": {"prior_flow": None},
    "plain VAE, flow prior": {},
    "beta-VAE": {"prior_flow": None},
}
# The default comes first, then plain: the search for beta begins with the rates of both.
METHODS = ("PHVAE", "PHVAE, faithful", FED_X, ONE_ENCODER, *PLAIN)
GREY_LEVELS = {"likelihood": "discretized_logistic", "n_importance_samples": 64}

# More epochs than any budget has room for.
ENDLESS = 10**6
N_RATE_DRAWS = 16
PROBE_ROWS = 64
# Flows grow no wider from the first of these on.
PROBE_UNITS = (64, 128, 192)
TOLERANCE = 0.02
N_SEARCH, SEARCH_SHARE = 2, 0.5
MAX_LOG_BETA = math.log(50)


# Controls


class Altered(PHVAE):
    """PHVAE whose module is altered when it is built, before it is initialised from data."""

    def alter(self, module: PolynomialVAE, n_rows: int) -> None:
        """Change the module in place."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Altered:
        build = PolynomialVAE.__init__

        @functools.wraps(build)
        def build_altered(module: PolynomialVAE, *args: Any, **kwargs: Any) -> None:
            build(module, *args, **kwargs)
            self.alter(module, len(X))

        # The estimator has no parameter for this, nor would a user want one.
        with patch.object(PolynomialVAE, "__init__", build_altered):
            return super().fit(X, y, sample_weight)


class Repeated(torch.nn.Module):
    """Order 1 of the polynomials, once for each order."""

    def __init__(self, features: Any):
        super().__init__()
        self.features = features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)[:1].repeat(self.features.degree, 1, 1)


class FedX(Altered):
    """PHVAE whose encoders all see the clipped, scaled rows."""

    def alter(self, module: PolynomialVAE, n_rows: int) -> None:
        module.features = Repeated(module.features)


class Joint(torch.nn.Module):
    """One network that sees all orders and gives all latents."""

    def __init__(self, n_in: int, n_out: int, **options: Any):
        super().__init__()
        self.net = GroupedMLP(n_in, n_out, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.flatten(0, 1)[None])[0].unflatten(0, (len(x), -1))


def one_encoder(units: int) -> type:
    """PHVAE with one encoder of this width."""

    class OneEncoder(Altered):
        def alter(self, module: PolynomialVAE, n_rows: int) -> None:
            n_in, n_out = module.likelihood.n_features, 2 * module.base.n_components
            options = {"hidden_units": units, "n_hidden_layers": self.n_hidden_layers}
            # As the estimator has it with dropout='auto'.
            options["dropout"] = min(0.3, 10 / math.sqrt(n_rows))
            options["generator"] = torch.Generator().manual_seed(self.random_state or 0)
            module.encoder = Joint(self.degree * n_in, self.degree * n_out, **options)

    return OneEncoder


# Equal sizes


def count(estimator: Any) -> int:
    """Parameters, but for those of the mixing matrix that its mask leaves unused."""
    module = estimator.module_
    unused = module.mixing.numel() - int(module.below.sum())
    return sum(p.numel() for p in module.parameters() if p.requires_grad) - unused


def probe(estimator: Any, rows: np.ndarray) -> Any:
    """The estimator after one epoch of few rows, to count by."""
    return estimator.set_params(max_epochs=1, early_stopping=False).fit(rows[:PROBE_ROWS])


def make(method: str, reference: Any, units: int, settings: dict) -> Any:
    """Untrained estimator; `reference` has the latent size of the default."""
    if method in PLAIN:
        n_latent = reference.degree_ * reference.n_components_
        given = {"degree": 1, "divergence": "kl", "hidden_units": units, **PLAIN[method]}
        return PHVAE(n_latent, **settings, **given)
    if method == ONE_ENCODER:
        return one_encoder(units)(**settings)
    if method == FED_X:
        return FedX(**settings)
    if method == "PHVAE, faithful":
        return PHVAE(**{**settings, "hidden_units": units, **FAITHFUL})
    return PHVAE(**settings)


def equal_units(method: str, reference: Any, rows: np.ndarray, settings: dict) -> int:
    """Width with which a method has as many parameters as the reference."""
    if method in ("PHVAE", FED_X):
        return reference.hidden_units
    counts = [count(probe(make(method, reference, u, settings), rows)) for u in PROBE_UNITS]
    # The number of parameters is a polynomial of order two in the width.
    units = np.arange(2, 64 * reference.hidden_units)
    predicted = np.polyval(np.polyfit(PROBE_UNITS, counts, 2), units)
    return int(units[np.abs(predicted - count(reference)).argmin()])


# Training and measures


def train(estimator: Any, rows: np.ndarray, seed: int, budget: float) -> dict[str, float]:
    """CPU and wall seconds of the fit."""
    callbacks = [Annealing(budget), DivergenceWarmUp(budget, estimator.kl_warmup)]
    estimator.set_params(max_epochs=ENDLESS, n_iter_no_change=ENDLESS, callbacks=callbacks)
    with Stopwatch() as watch:
        estimator.set_params(random_state=seed, device="cpu").fit(rows)
    return watch.seconds("fit")


@torch.inference_mode()
def rate(estimator: Any, rows: np.ndarray) -> float:
    """Divergence of posterior from prior in nats; median over rows."""
    module, rates = estimator.module_, []
    noise = module.fixed_noise(N_RATE_DRAWS)
    log_noise = -0.5 * (noise.square() + math.log(2 * math.pi)).sum(1)
    Z = torch.from_numpy((rows - estimator.location_) / estimator.scale_)
    mixing = torch.eye(noise.shape[1], dtype=noise.dtype) + module.mixing * module.below
    for part in Z.split(500):
        posterior = module.posterior(part).repeated(len(noise))
        log_scale = posterior.log_deviation
        z = posterior.mean + (log_scale.exp() * noise.repeat(len(part), 1)) @ mixing.t()
        log_posterior = log_noise.repeat(len(part)) - log_scale.sum(1)
        if module.posterior_flow is not None:
            z, log_det = module.posterior_flow(z, posterior.context)
            log_posterior = log_posterior - log_det
        ratio = log_posterior - module.prior.log_prob(z)
        rates.append(ratio.view(len(part), -1).mean(1))
    return float(torch.cat(rates).median())


def find_beta(target: float, rate_of_plain: float, rate_at: Callable[[float], float]) -> float:
    """Weight at which the rate is the target, from a line through logarithms of both."""
    x, y = [0.0], [math.log(max(rate_of_plain, 1e-3))]
    wanted = math.log(max(target, 1e-3))
    for i in range(N_SEARCH + 1):
        slope = np.polyfit(x, y, 1)[0] if len(set(x)) > 1 else -0.7
        nearest = int(np.argmin(np.abs(np.array(y) - wanted)))
        step = (wanted - y[nearest]) / min(float(slope), -0.2)
        log_beta = float(np.clip(x[nearest] + step, -MAX_LOG_BETA, MAX_LOG_BETA))
        if i < N_SEARCH:
            x.append(log_beta)
            y.append(math.log(max(rate_at(math.exp(log_beta)), 1e-3)))
    return math.exp(log_beta)


def describe(estimator: Any) -> dict:
    """How large a fitted model is, and how its training went."""
    return {
        "n_components": estimator.n_components_,
        "hidden_units": estimator.hidden_units,
        "n_parameters": count(estimator),
        "n_epochs": int(estimator.n_iter_),
        "best_epoch": int(estimator.best_epoch_),
    }


def measure_nats(estimator: Any, test: np.ndarray) -> dict:
    """Importance-weighted log density of rows, a lower bound on average."""
    log_density = estimator.score_samples(test)
    return {
        "log_density": float(log_density.mean()),
        # A few rows can rule the mean.
        "median_log_density": float(np.median(log_density)),
        "bits_per_dim": bits(log_density.mean(), test.shape[1]),
    }


def warm_up() -> None:
    """A fit that counts for nothing: the first one would pay for what torch loads when needed."""
    rows = np.random.default_rng(0).normal(size=(PROBE_ROWS, 3))
    train(PHVAE(), rows, 0, 0.3)
