"""Densities of images: bits per dimension of unseen images, against CPU seconds.

Sets are MNIST and CIFAR-10 of two sizes, Yale and Olivetti faces of 32 x 32 pixels split by person,
and 32 x 32 patches of seismic sections, tested on a section of a survey that training does not see.
Bits per dimension of a density are those of the grey levels with one draw of uniform noise of width
one, in 8-bit units: what a coder that knows the density would need is at most that.

Every budget is a fit of its own, whose learning rate falls to zero over the CPU seconds that are
left after its initialisation; "start" is the density that training begins at. What a first small
fit compiles does not count. Gaussians see the grey levels themselves, the flows have a spline of
every pixel or a logit besides. "RealNVP, conv" is a FractalFlowDensity without recursion, its
couplings affine and its prior normal, which keeps the logit of grey levels, a spline of every pixel
and a matrix that whitens them; "RealNVP, MLP" a FlowDensity of affine couplings of random halves of
the grey levels; "Glow" that of normflows, of three levels of eight steps with networks of 64
channels. "fractal" is FractalFlowDensity as it
comes, which lifts images where linear prediction is likelier than a Gaussian; "fractal, coupling"
has couplings instead; "RG" is RGFlowDensity as it comes.

Lossless coders know nothing of training images. "own file": each test image in a file of its own,
less the file of a black image of that size, which is hardly more than its header; "with header":
not less it; "one picture": all test images tiled into one, which lets coders learn from image to
image, and costs one header. Seismic patches overlap, so that one picture would hold pixels twice.
Figures draw the lower of the first and the last. Published figures are those of full training sets
and hours to days of GPUs, and are no contest. Beside the results there is a figure.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lib.coders import CODERS, measure_coder
from lib.data import load_images
from lib.figures import Line, Panel, draw_budgets, draw_panels
from lib.glow import fit_glow
from lib.image_flows import (
    COUPLING,
    FLOWS,
    Gaussian,
    fit_fractal,
    fit_rg,
    measure_flow,
    measure_gaussian,
)
from lib.report import distinct, in_order, mean, print_table, select
from lib.runner import Study

# Training images of each set, whole sets where there are fewer.
SIZES = {
    "mnist": (2000, 60_000),
    "cifar": (2000, 9968),
    "yale": (3000,),
    "olivetti": (320,),
    "seismic": (3000,),
    "digits": (1300,),
}
GAUSSIANS = {"Gaussian, diagonal": False, "Gaussian, full": True}
TRAINED: dict[str, tuple[Callable, dict[str, Any]]] = {
    "fractal": FLOWS["fractal"],
    "RG": (fit_rg(), {}),
    "RealNVP, conv": FLOWS["RealNVP, conv"],
    "Glow": (fit_glow, {}),
    "fractal, coupling": FLOWS["fractal, coupling"],
    "RealNVP, MLP": FLOWS["RealNVP, MLP"],
}
METHODS = [*GAUSSIANS, *TRAINED, *CODERS]
DEFAULT = [m for m in METHODS if m not in ("fractal, coupling", "RealNVP, MLP")]
# One picture of these would hold pixels twice.
OVERLAPPING = ("seismic",)
# What whitens before the first step has no weights to keep by then.
WITHOUT_START = ("RealNVP, MLP",)
# A whitening matrix of 3072 values would be 19 million parameters.
CIFAR_COUPLING = {**COUPLING, "n_word_groups": 64}
LIBRARIES = {"Glow": "normflows", "JPEG XL": "imagecodecs"}
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# name of the data -> model: bits/dim, as their papers give them for full training sets.
PUBLISHED = {
    "mnist": {"RealNVP": 1.06, "Glow": 1.05, "MAF": 1.89, "FFJORD": 0.99, "Residual Flow": 0.97},
    "cifar": {"RealNVP": 3.49, "Glow": 3.35, "MAF": 4.31, "RQ-NSF (C)": 3.38, "Flow++": 3.08},
}


# Images that a fit needs for compiling all there is to compile.
FEW, MOMENT = 64, 0.2


def flow_of(method: str, data: str) -> tuple[Callable, dict[str, Any]]:
    """What fits a flow to a data set, and its settings."""
    if method == "fractal, coupling" and data == "cifar":
        return fit_fractal(**CIFAR_COUPLING), CIFAR_COUPLING
    return TRAINED[method]


def fit_and_measure(about: dict[str, Any]) -> dict:
    method, seed = about["method"], about["seed"]
    train, test = load_images(about["data"], about["rows"] or 1, seed, about["fold"] or 0)
    if method in CODERS:
        return measure_coder(method, test)
    if method in GAUSSIANS:
        told, _ = measure_gaussian(Gaussian(GAUSSIANS[method]), train, test, seed)
    else:
        fit, _ = flow_of(method, about["data"])
        told, _ = measure_flow(fit, train, test, seed, about["budget"])
    return {"n_train": len(train), "n_test": len(test), **told}


def measure(study: Study) -> None:
    args = study.args
    methods = study.installed(args.methods, LIBRARIES)
    few, _ = load_images("digits", FEW, 0)
    for method in filter(TRAINED.__contains__, methods):
        TRAINED[method][0](few, 0, MOMENT)
    for seed in study.seeds:
        for data in args.data:
            for fold in args.folds if data == "seismic" else [None]:
                about = {"data": data, "fold": fold, "seed": seed}
                for method in filter(CODERS.__contains__, methods):
                    cell = {**about, "rows": None, "method": method, "budget": None}
                    study.cell(cell, {}, fit_and_measure, cell)
                for rows in args.rows or SIZES[data]:
                    measure_densities(study, {**about, "rows": rows}, methods)


def measure_densities(study: Study, about: dict[str, Any], methods: list[str]) -> None:
    """Gaussians, and flows with one budget after the other."""
    for method in filter(GAUSSIANS.__contains__, methods):
        cell = {**about, "method": method, "budget": None}
        study.cell(cell, {}, fit_and_measure, cell)
    for budget in sorted(b for b in {0.0, *study.args.budgets} if b <= study.budget):
        for method in filter(TRAINED.__contains__, methods):
            if budget or method not in WITHOUT_START:
                cell = {**about, "method": method, "budget": budget}
                study.cell(cell, flow_of(method, about["data"])[1], fit_and_measure, cell)


def title_of(data: str, fold: int | None) -> str:
    return data if fold is None else f"{data}, section {fold}"


def report(results: list[dict], path: Path) -> None:
    densities = [r for r in results if r["method"] not in CODERS]
    sets = distinct(densities, "data", "fold", "rows")
    budgets = sorted({r["budget"] for r in densities} - {None, 0})
    header = ["data", "train", "test", "method", "seeds", "start", "CPU s"]
    header += [words for budget in budgets for words in (f"{budget:g} s", "CPU s")]
    rows = []
    for data, fold, size in sets:
        of_set = select(densities, data=data, fold=fold, rows=size)
        for method in in_order(METHODS, of_set):
            own = select(of_set, method=method)
            first = "-" if (n := own[0].get("n_parameters")) is None else str(n)
            cells = [title_of(data, fold), str(own[0]["n_train"]), str(own[0]["n_test"]), method]
            cells.append(str(len({r["seed"] for r in own})))
            for budget in (None if method in GAUSSIANS else 0, *budgets):
                there = select(own, budget=budget)
                cells += [mean(there, "bits_per_dim", 3), mean(there, "fit_cpu_seconds", 1)]
            rows.append([*cells, mean(own, "n_epochs", 0), first])
    title = "Bits per dimension of unseen images, and CPU seconds of the whole fit, by budget"
    print_table(f"{title};\nepochs are means over budgets", [*header, "epochs", "parameters"], rows)
    report_coders([r for r in results if r["method"] in CODERS])
    for data in [name for (name,) in distinct(results, "data") if name in PUBLISHED]:
        figures = ", ".join(f"{name} {bits}" for name, bits in PUBLISHED[data].items())
        print(f"Published on {data}, full training set, hours to days of GPUs: {figures}")
    if sets:
        draw(results, sets, path)


def report_coders(results: list[dict]) -> None:
    rows = []
    for data, fold, method in distinct(results, "data", "fold", "method"):
        own = select(results, data=data, fold=fold, method=method)
        picture = "-" if data in OVERLAPPING else mean(own, "picture", 3)
        cells = [title_of(data, fold), str(own[0]["n_test"]), method]
        rows.append([*cells, mean(own, "bits_per_dim", 3), mean(own, "files", 3), picture])
    header = ["data", "images", "coder", "own file", "with header", "one picture"]
    print_table("Bits per dimension of lossless coders, of the same test images", header, rows)


def level_of(r: dict) -> float:
    """What a figure shows of a Gaussian or a coder."""
    overlaps = r["data"] in OVERLAPPING
    return min(r["bits_per_dim"], np.inf if overlaps else r.get("picture", np.inf))


def draw(results: list[dict], sets: list[tuple], path: Path) -> None:
    panels = []
    for data, fold, size in sets:
        own = [r for r in select(results, data=data, fold=fold) if r["rows"] in (size, None)]
        lines, levels = [], {}
        for method in in_order(METHODS, own):
            fits = select(own, method=method)
            if method in TRAINED:
                ends = [select(fits, budget=b) for b in sorted({r["budget"] for r in fits})]
                keys = "fit_cpu_seconds", "bits_per_dim"
                points = [tuple(np.mean([r[k] for r in cells]) for k in keys) for cells in ends]
                lines.append(Line(method, points[:-1], points[-1]))
            elif method != "Gaussian, diagonal":
                levels[method] = float(np.mean([level_of(r) for r in fits]))
        n_train = next(r["n_train"] for r in own if "n_train" in r)
        panels.append(Panel(f"{title_of(data, fold)}, {n_train}", lines, levels=levels))
    colours = dict(zip(TRAINED, COLOURS, strict=True))
    shown = {m: c for m, c in colours.items() if select(results, method=m)}
    labels = "CPU seconds of the whole fit", "bits per dimension"
    draw_panels(panels, shown, *labels, path, draw_budgets)
    print(f"\nFigure: {path}")


def main() -> None:
    study = Study("images", __doc__, seeds=1, budget=1800.0)
    names = {"nargs": "+", "choices": SIZES, "default": list(SIZES)[:-1], "smoke": ["digits"]}
    study.option("--data", selects="data", help="images; digits are those that ship", **names)
    names = {"nargs": "+", "choices": METHODS, "default": DEFAULT, "metavar": "METHOD"}
    study.option("--methods", selects="method", help="densities and coders", **names)
    folds = {"type": int, "nargs": "+", "default": [0, 2, 3]}
    study.option("--folds", selects="fold", help="sections of seismic to test on", **folds)
    rows = {"type": int, "nargs": "+", "smoke": [100], "help": "training images, if not all sizes"}
    study.option("--rows", selects="rows", **rows)
    budgets = {"type": float, "nargs": "+", "default": [60.0, 300.0, 1800.0], "smoke": [0.5]}
    help = "CPU seconds of one fit each, beside its start; those above --budget are left out"
    study.option("--budgets", help=help, **budgets)
    study.run(measure, lambda results: report(results, study.output.with_suffix(".png")))


if __name__ == "__main__":
    main()
