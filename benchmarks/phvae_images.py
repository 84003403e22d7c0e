"""PHVAE and its controls on images: log density and reconstruction.

Flattened rows and perceptrons. Grey levels of MNIST are 8-bit with a discretised logistic
likelihood; digits are 0 to 16 with one draw of uniform noise of width one, in training and test
alike, and a normal likelihood. MSE and SSIM are of the reconstruction from the posterior mean, grey
levels scaled to [0, 1]; SSIM has a normal window of standard deviation 1.5, cut off at 11 x 11
pixels for MNIST and at 7 x 7 for the 8 x 8 digits, over borders too. Nats are importance-weighted
with 64 draws, a lower bound that is looser the more a posterior is off. The methods are those of
`lib.vaes`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from lib.data import GREY, flat, load_digits, load_images
from lib.metrics import ssim
from lib.runner import Study
from lib.vae_studies import add_options, fit_all, most, report_means, report_verdicts
from lib.vaes import GREY_LEVELS, METHODS, measure_nats, warm_up

SIZES = (500, 5000, 20_000)
DIGITS_ROWS = 1300
DATA = ("digits", "mnist")
COLUMNS = {
    "nats": ("log_density", 1),
    "median": ("median_log_density", 1),
    "bits/dim": ("bits_per_dim", 3),
    "ELBO": ("elbo", 1),
    "rate": ("rate", 1),
    "1000 MSE": ("mse", 2),
    "SSIM": ("ssim", 3),
    "active": ("active_units", 1),
}


def noisy_digits(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows with noise, test rows with noise and without."""
    rng = np.random.default_rng(seed)
    X = rng.permutation(flat(load_digits()[0]))
    noisy = X + rng.uniform(-0.5, 0.5, X.shape)
    return noisy[:rows], noisy[DIGITS_ROWS:], X[DIGITS_ROWS:]


def measure_model(test: np.ndarray, clean: np.ndarray, estimator: Any) -> dict:
    from flowkit.inspection import active_units

    edge = math.isqrt(clean.shape[1])
    # Digits have 17 grey levels.
    peak, radius = (16.0, 3) if edge == 8 else (float(GREY), 5)
    rows = clean.astype(np.float64)
    x, y = (v.reshape(-1, edge, edge) / peak for v in (rows, estimator.reconstruct(rows)))
    return {
        **measure_nats(estimator, test),
        "elbo": float(estimator.elbo(test).mean()),
        "mse": float(((x - y) ** 2).mean()),
        "ssim": ssim(x, y, radius),
        "active_units": active_units(estimator.transform(rows)),
    }


def image_sets(study: Study, seed: int) -> Iterator[tuple[str, tuple[np.ndarray, ...], dict]]:
    """Name, training rows, test rows as they are scored and as they are, and settings."""
    n_test = study.args.test_rows
    if "digits" in study.args.data:
        rows, test, clean = noisy_digits(most(study, DIGITS_ROWS), seed)
        yield "digits", (rows, test[:n_test], clean[:n_test]), {}
    if "mnist" in study.args.data:
        for size in study.args.sizes:
            rows, test = map(flat, load_images("mnist", most(study, size), seed))
            yield "mnist", (rows, test[:n_test], test[:n_test]), GREY_LEVELS


def measure(study: Study) -> None:
    warm_up()
    for seed in study.seeds:
        for name, (rows, test, clean), settings in image_sets(study, seed):
            about = {"data": name, "n_train": len(rows), "seed": seed}
            work = functools.partial(measure_model, test, clean)
            fit_all(study, about, rows, test, settings, work)


def report(results: list[dict]) -> None:
    title = "IWAE-64 nats of test images, and their reconstruction"
    report_means(title, COLUMNS, results, list(DATA), list(METHODS))
    report_verdicts(results)


def main() -> None:
    study = Study("phvae_images", __doc__, seeds=5, budget=60.0, smoke_budget=0.1)
    add_options(study, 500, ["PHVAE", "PHVAE, faithful", "plain VAE, flow prior"])
    names = {"nargs": "+", "choices": DATA, "default": list(DATA), "smoke": ["digits"]}
    study.option("--data", selects="data", help="images", **names)
    sizes = {"type": int, "nargs": "+", "default": list(SIZES)}
    study.option("--sizes", help="training rows of MNIST", **sizes)
    study.run(measure, report)


if __name__ == "__main__":
    main()
