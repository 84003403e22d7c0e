"""PHVAE and its controls on small samples of known densities.

A model's draws against as many test rows: Wasserstein-1 and -2 (in two dimensions sliced, over 200
directions), squared maximum mean discrepancy (normal kernel, median distance, unbiased), and
importance-weighted log density, 256 draws. "the density" is what drew the rows: another sample of
it, and its own log density. All but the heavy tail are mixtures of normals; ring and moons have
their centres close together on a curve. Student's t of 2 degrees of freedom has no variance: its
Wasserstein-2 is that of these very samples. Training rows are drawn anew for each seed and test
rows are not, so standard deviations over seeds are those of training. The methods are those of
`lib.vaes`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from lib.metrics import mmd, wasserstein
from lib.runner import Study
from lib.vae_studies import add_options, fit_all, most, report_means, report_verdicts
from lib.vaes import METHODS, warm_up

SIZES = (100, 300, 1000, 10_000)
TRUTH = "the density"
TEST_STATE = 10_002
SETTINGS = {"n_importance_samples": 256}
COLUMNS = {
    "log p(x)": ("log_density", 3),
    "median": ("median_log_density", 3),
    "W1": ("w1", 3),
    "W2": ("w2", 3),
    "1000 MMD^2": ("mmd2", 2),
    "rate": ("rate", 2),
}


class Normals:
    """Normals of one standard deviation around centres that are all as likely."""

    def __init__(self, centres: Any, scale: float):
        self.centres, self.scale = np.asarray(centres, dtype=float), scale

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        centre = self.centres[rng.integers(len(self.centres), size=n)]
        return centre + self.scale * rng.standard_normal(centre.shape)

    def log_density(self, X: np.ndarray) -> np.ndarray:
        from scipy.spatial.distance import cdist
        from scipy.special import logsumexp

        d = X.shape[1]
        exponent = -0.5 * cdist(X, self.centres, "sqeuclidean") / self.scale**2
        constant = math.log(len(self.centres)) + 0.5 * d * math.log(2 * math.pi)
        return logsumexp(exponent, axis=1) - constant - d * math.log(self.scale)


class HeavyTail:
    """Student's t of two degrees of freedom."""

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.standard_t(2, (n, 1))

    def log_density(self, X: np.ndarray) -> np.ndarray:
        from scipy.stats import t

        return t.logpdf(X[:, 0], 2)


def on_circle(low: float, high: float) -> np.ndarray:
    angle = np.linspace(low, high, 500, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


UPPER_MOON = on_circle(0, math.pi)
DENSITIES: dict[str, Any] = {
    "mixture 1-D": Normals([[-3], [0], [4]], 0.6),
    "mixture 2-D": Normals([[-3, 0], [2, 3], [2, -2]], 0.7),
    "heavy tail": HeavyTail(),
    "ring": Normals(2 * on_circle(0, 2 * math.pi), 0.15),
    "two moons": Normals(np.vstack([UPPER_MOON, [1, 0.5] - UPPER_MOON]), 0.1),
}


def compare(test: np.ndarray, sample: np.ndarray, log_density: np.ndarray) -> dict:
    w1, w2 = wasserstein(sample, test)
    return {
        "log_density": float(log_density.mean()),
        # A few rows of a heavy tail can rule the mean.
        "median_log_density": float(np.median(log_density)),
        "w1": w1,
        "w2": w2,
        "mmd2": mmd(sample, test),
    }


def measure_truth(density: Any, test: np.ndarray, sample: np.ndarray) -> dict:
    return compare(test, sample, density.log_density(test))


def measure_model(test: np.ndarray, seed: int, estimator: Any) -> dict:
    sample = estimator.sample(len(test), random_state=seed)
    return compare(test, sample, estimator.score_samples(test))


def measure(study: Study) -> None:
    warm_up()
    n_test = study.args.test_rows
    for seed in study.seeds:
        for i, (name, density) in enumerate(DENSITIES.items()):
            if name not in study.args.data:
                continue
            test = density.draw(n_test, np.random.default_rng([TEST_STATE, i]))
            for size in study.args.sizes:
                size = most(study, size)
                rng = np.random.default_rng([seed, i, size])
                rows, sample = density.draw(size, rng), density.draw(n_test, rng)
                about = {"data": name, "n_train": size, "seed": seed}
                truth = {**about, "method": TRUTH}
                settings = {"test_rows": n_test}
                study.cell(truth, settings, measure_truth, density, test, sample)
                work = functools.partial(measure_model, test, seed)
                fit_all(study, about, rows, test, SETTINGS, work)


def report(results: list[dict]) -> None:
    title = "log p(x) of test rows in nats, and distances of draws from test rows"
    report_means(title, COLUMNS, results, list(DENSITIES), [TRUTH, *METHODS])
    report_verdicts([r for r in results if r["method"] != TRUTH])


def main() -> None:
    study = Study("phvae_small_samples", __doc__, seeds=5, budget=10.0, smoke_budget=0.1)
    add_options(study, 5000, ["PHVAE", "encoders fed x", "one encoder", "plain VAE", "beta-VAE"])
    names = {"nargs": "+", "choices": DENSITIES, "default": list(DENSITIES)}
    study.option("--data", selects="data", smoke=["two moons"], help="densities", **names)
    sizes = {"type": int, "nargs": "+", "default": list(SIZES), "smoke": [80]}
    study.option("--sizes", selects="n_train", help="training rows", **sizes)
    study.run(measure, report)


if __name__ == "__main__":
    main()
