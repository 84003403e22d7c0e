"""Densities of images with known factors, by name: RG-Flows and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .grey_flow import GreyFlow
from .image_flows import LogitGaussian, fit_fractal, fit_rg, measure_flow

KINDS = (1, 2)
# Seeds of fits are small, so no training image is among these.
PROBE_STATE, TEST_STATE = 10_001, 10_002
PRIORS = ("laplace", "normal", "student_t")
RG_FLOWS = {f"RG, {prior}": fit_rg(prior=prior) for prior in PRIORS}
# Six couplings of this width are two in a hundred larger than RG-Flow.
CONV_REALNVP = {"n_blocks": 6, "hidden_units": 32}
MATRIX_REALNVP = {
    "fractal": "coupling",
    "n_levels": 0,
    "coupling": "affine",
    "n_blocks": 2,
    "hidden_units": 32,
}
GAUSSIAN = "Gaussian of logits"


def fit_gaussian(images: np.ndarray, seed: int, budget: float) -> LogitGaussian:
    return LogitGaussian().fit(images, seed)


def fit_grey_flow(images: np.ndarray, seed: int, budget: float) -> GreyFlow:
    return GreyFlow(**CONV_REALNVP).fit(images, seed, budget)


FITS: dict[str, Callable] = {
    GAUSSIAN: fit_gaussian,
    "RealNVP, conv": fit_grey_flow,
    "RealNVP, conv, matrix": fit_fractal(prior="normal", **MATRIX_REALNVP),
    **RG_FLOWS,
}


def fit_or_load(
    method: str, images: tuple[Callable, np.ndarray], seed: int, budget: float, path: Path | None
) -> tuple[dict, Any]:
    """Result of an RG-Flow, and the estimator, from a file where it is there.

    Parameters
    ----------
    method : str
        One of `RG_FLOWS`.
    images : (callable, ndarray)
        What makes training images, and test images.
    seed : int
        Of the fit.
    budget : float
        CPU seconds.
    path : Path or None
        Where fits are kept.
    """
    import joblib

    if path is not None and path.exists():
        return joblib.load(path)
    make_train, test = images
    told, estimator = measure_flow(RG_FLOWS[method], make_train(), test, seed, budget)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Callbacks hold clocks of this process and cannot be stored.
        joblib.dump((told, estimator.set_params(callbacks=None)), path)
    return told, estimator


def file_of(
    folder: Path | None, kind: int, method: str, seed: int, rows: int, budget: float | None
) -> Path | None:
    """Where the fit of an RG-Flow is kept."""
    if folder is None:
        return None
    prior = method.partition(", ")[2]
    return folder / f"msds{kind}_{prior}_seed_{seed}_{rows}_rows_{budget:g}_s.joblib"
