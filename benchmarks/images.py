"""Bits per dimension of seismic patches, MNIST, CIFAR-10 and faces.

Bits per dimension are those of held-out 8-bit images with one draw of uniform noise of width one:
lower is better, 8 is no model at all. Every trained method gets the same CPU seconds, those before
training included; an epoch that is under way is finished, and what an estimator does after training
comes on top.

Seismic patches overlap and come from five sections of four surveys. A fold tests on one section
and trains on the surveys that it is not of, so no geology is shared. The hold-out that stops the
training is still drawn at random from the training patches. The RealNVPs begin by whitening all
pixels, FractalFlowDensity does so if its own search finds it better. "RealNVP, MLP" is
a FlowDensity of affine couplings of random halves of the grey levels; "RealNVP, conv" a
FractalFlowDensity without recursion, its couplings affine and its prior normal, which keeps the
logit of grey levels and a spline of every pixel after the couplings. "fractal" is that estimator as
it comes, which lifts images where linear prediction is likelier than a Gaussian; "fractal,
coupling" has couplings instead. "start" is the hold-out at epoch 0, before any training.

Published figures are those of full training sets and hours to days of GPUs: they tell how far a
small flow on a CPU is from the state of the art, and are no contest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lib.data import load_images
from lib.image_flows import (
    COUPLING,
    FLOWS,
    Gaussian,
    fit_fractal,
    measure_flow,
    measure_gaussian,
)
from lib.report import distinct, mean, print_table, select
from lib.runner import Study

DATA = ("seismic", "mnist", "cifar", "yale", "digits")
GAUSSIANS = {"Gaussian, diagonal": False, "Gaussian, full": True}
METHODS = [*GAUSSIANS, *FLOWS]
# A whitening matrix of 3072 values would be 19 million parameters.
CIFAR_COUPLING = {**COUPLING, "n_word_groups": 64}
# name of the data -> model: bits/dim, as their papers give them for full training sets.
PUBLISHED = {
    "mnist": {"RealNVP": 1.06, "Glow": 1.05, "MAF": 1.89, "FFJORD": 0.99, "Residual Flow": 0.97},
    "cifar": {"RealNVP": 3.49, "Glow": 3.35, "MAF": 4.31, "RQ-NSF (C)": 3.38, "Flow++": 3.08},
}


def flows_of(name: str) -> dict[str, tuple[Callable, dict[str, Any]]]:
    """Flows that are fitted to a data set, and their settings."""
    if name in ("mnist", "cifar"):
        settings = CIFAR_COUPLING if name == "cifar" else COUPLING
        coupling = fit_fractal(**settings), settings
        return {"fractal, coupling": coupling, "fractal": FLOWS["fractal"]}
    return FLOWS


def fit_and_measure(
    method: str,
    flow: tuple[Callable, dict] | None,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    budget: float,
) -> dict:
    if flow is None:
        told, _ = measure_gaussian(Gaussian(full=GAUSSIANS[method]), train, test, seed)
    else:
        told, _ = measure_flow(flow[0], train, test, seed, budget)
    return {"n_train": len(train), "n_test": len(test), **told}


def measure_one(
    study: Study, about: dict[str, Any], methods: dict[str, tuple[Callable, dict] | None]
) -> None:
    """All methods on one data set."""
    seed, fold = about["seed"], about["fold"]
    if not study.lacks({**about, "method": method} for method in methods):
        return
    train, test = load_images(about["data"], study.args.rows, seed, fold or 0)
    for method, flow in methods.items():
        settings = {"rows": study.args.rows}
        if flow is not None:
            settings |= {**flow[1], "budget": study.args.budget}
        work = fit_and_measure, method, flow, train, test, seed, study.budget
        study.cell({**about, "method": method}, settings, *work)


def measure(study: Study) -> None:
    for seed in study.seeds:
        for name in study.args.data:
            known = {**dict.fromkeys(GAUSSIANS), **flows_of(name)}
            methods = {m: flow for m, flow in known.items() if m in study.args.methods}
            for fold in study.args.folds if name == "seismic" else [None]:
                measure_one(study, {"data": name, "fold": fold, "seed": seed}, methods)


def report(results: list[dict]) -> None:
    header = ["data", "train", "test", "method", "seeds", "bits/dim", "parameters", "linear"]
    header += ["start", "CPU s", "epochs", "settings"]
    rows = []
    ordered = sorted(results, key=lambda r: (DATA.index(r["data"]), r["fold"] or 0))
    for data, fold, method in distinct(ordered, "data", "fold", "method"):
        own = select(results, data=data, fold=fold, method=method)
        rows.append(
            [
                data if fold is None else f"{data} fold {fold}",
                str(own[0]["n_train"]),
                str(own[0]["n_test"]),
                method,
                str(len(own)),
                mean(own, "bits_per_dim", 3),
                str(own[0]["n_parameters"]),
                str(own[0].get("n_linear_parameters", "-")),
                f"{own[0]['holdout_bits'][0]:.3f}" if "holdout_bits" in own[0] else "-",
                mean(own, "fit_cpu_seconds", 1),
                mean(own, "n_epochs", 1),
                " ".join(f"{k}={v}" for k, v in own[0]["settings"].items()),
            ]
        )
    title = "Bits per dimension of held-out images, means over seeds; 'linear': parameters of them"
    print_table(f"{title}\nin LU-factorised matrices, of which half are used", header, rows)
    for data in [name for (name,) in distinct(ordered, "data") if name in PUBLISHED]:
        figures = ", ".join(f"{name} {bits}" for name, bits in PUBLISHED[data].items())
        print(f"Published on {data}, full training set, hours to days of GPUs: {figures}")


def main() -> None:
    study = Study("images", __doc__, seeds=1, budget=150.0)
    names = {"nargs": "+", "choices": DATA, "default": list(DATA[:3]), "smoke": ["digits"]}
    study.option("--data", selects="data", help="images; digits are those that ship", **names)
    names = {"nargs": "+", "choices": METHODS, "default": METHODS}
    study.option("--methods", selects="method", help="densities", **names)
    folds = {"type": int, "nargs": "+", "default": [0, 2]}
    study.option("--folds", selects="fold", help="sections of seismic to test on", **folds)
    study.option("--rows", type=int, default=3000, smoke=100, help="most training images")
    study.run(measure, report)


if __name__ == "__main__":
    main()
