"""Inpainting: how good the fillings of holes in unseen images are, by blocks and by lifting.

The RealNVPs are FractalFlowDensity without recursion, its
couplings affine and its prior normal: "matched" has as many convolution weights as the lattice has
parameters, "small" is the one of images.py. They may whiten all pixels by a matrix, whose size is
given apart, and have a spline of every pixel besides. Every flow gets the same CPU seconds, those
before training included. Yale faces are split by person; MNIST holes lie within the box of 20 x 20
that the digits fill. All searches take the same steps from the same values, the middle of each
column, in the space behind the logit, or the splines, of single columns; all score what they put
into the hole next to the true surroundings, in float64. A random subset has as many latents as the
cone of the same hole. "Mean of draws" averages Langevin draws, n_samples of inpaint. "Lifting" is
FractalFlowDensity(fractal='lifting'), whose rows are filled in one batch, each with its own hole:
the most likely values, and the mean of what chains see. One Gaussian has a full covariance, shrunk
by Ledoit and Wolf, the other principal components, as many as a hold-out likes, and even noise.
PSNR and MSE are those of the pixels of the hole; estimates are clipped to the range of grey levels,
and the MSE of an image counts as at least 1/12 in its PSNR, that of rounding. "nats over truth":
log density of the filled rows less that of the true ones under the same flow; below zero the search
stopped short of what it could have found.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lib.clocks import Stopwatch
from lib.data import GREY, draw, flat
from lib.holes import KERNEL, Space, corners, lattice_of, square
from lib.inpainting import DATA, GAUSSIAN, LIFTED, LOW_RANK, MODELS, REALNVPS, RG, Models
from lib.report import distinct, mean_and_error, print_table, select
from lib.runner import Study

HOLES = {"digits": (4,), "mnist": (4, 8, 16), "yale": (4, 8, 16), "cifar": (4, 8, 16)}
# First and last row and column that a hole may touch.
WITHIN = {"digits": (0, 8), "mnist": (4, 24), "yale": (0, 32), "cifar": (0, 32)}
PEAKS = {"digits": 16, "mnist": GREY, "yale": GREY, "cifar": GREY}
N_POSITIONS = 8
OURS = "Lifting, mean"
# Method of filling -> the model it takes, if it takes one.
FILLINGS = {
    "RG, cone": RG,
    "RG, mean of draws": RG,
    "Lifting, mode": LIFTED,
    "Lifting, mean": LIFTED,
    **{f"{name}, {free}": name for name in REALNVPS for free in ("all latents", "random subset")},
    "Gaussian, conditional mean": GAUSSIAN,
    "Gaussian, low rank": LOW_RANK,
    "mean image": None,
}


def filler(args: Namespace, models: Models, method: str) -> Callable:
    """X, hole -> what fills the rows, and the number of latents that it moves, if it moves any."""
    if method == "mean image":
        centre = flat(models.train).mean(0)
        return lambda X, hole: (lambda: np.where(hole, centre, X), None)
    model, _ = models.fit(FILLINGS[method])
    if FILLINGS[method] == LIFTED:
        options = {"n_langevin_steps": args.lifted_steps, "n_chains": args.draws}
        options |= {"statistic": method.split()[-1], "random_state": models.seed}
        return lambda X, holes: (lambda: model.inpaint(X, holes, **options), None)
    if FILLINGS[method] in (GAUSSIAN, LOW_RANK):
        return lambda X, hole: (lambda: model.fill(X, hole), None)

    def cone_of(hole: np.ndarray) -> int:
        return len(lattice_of(models.fit(RG)[0]).cone(hole).columns)

    if method == "RG, cone":
        return lambda X, hole: (lambda: model.inpaint(X, hole, n_steps=args.steps), cone_of(hole))
    if method == "RG, mean of draws":
        options = {"n_steps": args.steps, "n_langevin_steps": args.langevin_steps}
        options |= {"n_samples": args.draws, "random_state": models.seed}
        return lambda X, hole: (lambda: model.inpaint(X, hole, **options).mean(0), cone_of(hole))
    space, d = Space(model), flat(models.train).shape[1]

    def by_latents(X: np.ndarray, hole: np.ndarray) -> tuple[Callable, int]:
        n_free = cone_of(hole) if method.endswith("subset") else d
        rng = np.random.default_rng([models.seed, *np.flatnonzero(hole)])
        free = np.sort(rng.permutation(d)[:n_free])
        return lambda: space.fill(X, hole, free, args.steps), n_free

    return by_latents


def fill(args: Namespace, models: Models, method: str, edge: int) -> dict:
    """Fillings of unseen images, those of one position side by side, or all where they may be."""
    name, shape = models.name, models.train.shape[1:]
    peak = PEAKS[name]
    rng = np.random.default_rng([models.seed, edge])
    chosen = flat(draw(models.test, args.images, rng)).astype(np.float64)
    positions = corners(edge, WITHIN[name], N_POSITIONS, rng)
    n_channels = chosen.shape[1] // (shape[0] * shape[1])
    holes = [square(shape[:2], edge, corner).repeat(n_channels) for corner in positions]
    prepare, model = filler(args, models, method), FILLINGS[method]
    which = np.arange(len(chosen)) % N_POSITIONS
    if model == LIFTED:
        batches = [(np.arange(len(chosen)), np.stack(holes)[which])]
    else:
        batches = [(np.flatnonzero(which == i), hole) for i, hole in enumerate(holes)]
    space = Space(models.fit(model)[0]) if model in (RG, *REALNVPS) else None
    errors, gains, n_free, cpu = np.zeros(len(chosen)), np.zeros(len(chosen)), [], 0.0
    for rows, hole in batches:
        X = chosen[rows]
        if not len(X):
            continue
        run, free = prepare(X, hole)
        with Stopwatch() as watch:
            filled = run()
        cpu += watch.cpu
        filled = np.clip(filled, 0, peak)
        hole = np.broadcast_to(hole, X.shape)
        errors[rows] = ((filled - X) ** 2).mean(1, where=hole)
        n_free += [free] * len(X)
        if space is not None:
            gains[rows] = space.log_density(filled) - space.log_density(X)
    aligned = np.array([not any(c % KERNEL for c in corner) for corner in positions])[which]
    return {
        "free_latents": None if n_free[0] is None else float(np.mean(n_free)),
        "cpu_seconds_per_image": cpu / len(chosen),
        "mse": errors.round(4),
        "psnr": (10 * np.log10(peak**2 / np.maximum(errors, 1 / 12))).round(4),
        "aligned": aligned,
        "nats_over_truth": None if space is None else gains.round(3),
    }


def measure(study: Study) -> None:
    args = study.args
    settings = {name: getattr(args, name) for name in ("rows", "budget")}
    names = ("images", "steps", "draws", "langevin_steps", "lifted_steps")
    searches = {**settings, **{name: getattr(args, name) for name in names}}
    for name in args.data:
        for seed in study.seeds:
            key = {"data": name, "seed": seed}
            wanted = {FILLINGS[method] for method in args.methods or FILLINGS}
            fits = [{"what": "fit", **key, "method": m} for m in MODELS if m in wanted]
            fillings = [
                {"what": "filling", **key, "hole": edge, "method": method}
                for edge in HOLES[name]
                if not args.holes or edge in args.holes
                for method in args.methods or FILLINGS
            ]
            if not study.lacks([*fits, *fillings]):
                continue
            models = Models(name, args.rows, seed, study.budget, args.models)
            for about in fits:
                study.cell(about, settings, models.measure, about["method"])
            for about in fillings:
                study.cell(about, searches, fill, args, models, about["method"], about["hole"])


def pooled(results: list[dict], key: str) -> np.ndarray:
    return np.concatenate([r[key] for r in results])


def report(results: list[dict]) -> None:
    sizes = ("n_parameters", "n_convolution_weights", "n_linear_parameters")
    rows = [
        [
            r["data"],
            str(r["seed"]),
            r["method"],
            f"{r['bits_per_dim']:.3f}",
            *(str(r.get(key, "-")) for key in sizes),
            f"{r['fit_cpu_seconds']:.0f}" if "fit_cpu_seconds" in r else "-",
            f"{r['best_epoch']} of {r['n_epochs']}" if "n_epochs" in r else "-",
        ]
        for r in select(results, what="fit")
    ]
    header = ["data", "seed", "model", "bits/dim", "parameters", "convolutions", "matrix"]
    title = "Bits per dimension of unseen images"
    print_table(title, [*header, "CPU s", "best epoch"], rows)
    rows, fillings = [], select(results, what="filling")
    for data, edge, method in distinct(fillings, "data", "hole", "method"):
        own = select(fillings, data=data, hole=edge, method=method)
        ours = select(fillings, data=data, hole=edge, method=OURS)
        psnr, aligned, mse = (pooled(own, key) for key in ("psnr", "aligned", "mse"))
        known = [r["nats_over_truth"] for r in own if r["nats_over_truth"] is not None]
        free = [r["free_latents"] for r in own if r["free_latents"] is not None]
        better = method != OURS and len(pooled(ours, "psnr") if ours else []) == len(psnr)
        rows.append(
            [
                data,
                str(edge),
                method,
                f"{np.mean(free):.0f}" if free else "-",
                mean_and_error(psnr, 2),
                mean_and_error(pooled(ours, "psnr") - psnr, 2) if better else "-",
                *(f"{psnr[a].mean():.2f}" if a.any() else "-" for a in (aligned, ~aligned)),
                mean_and_error(mse, 2 if PEAKS[data] < 100 else 0),
                f"{10 * np.log10(PEAKS[data] ** 2 / mse.mean()):.2f}",
                f"{np.concatenate(known).mean():.1f}" if known else "-",
                f"{np.mean([r['cpu_seconds_per_image'] for r in own]):.2f}",
            ]
        )
    header = [
        "data",
        "hole",
        "method",
        "latents",
        "PSNR",
        f"{OURS} better by",
        "aligned",
        "misaligned",
    ]
    header += ["MSE", "PSNR of MSE", "nats over truth", "CPU s/image"]
    title = "Fillings of unseen images, pixels of the hole: mean and standard error over images"
    print_table(title, header, rows)


def main() -> None:
    study = Study("rg_inpainting", __doc__, seeds=1, budget=240.0)
    data = {"nargs": "+", "choices": DATA, "default": list(DATA), "smoke": ["digits"]}
    study.option("--data", selects="data", help="images", **data)
    study.option("--rows", type=int, default=3000, smoke=100, help="most training images")
    study.option("--images", type=int, default=32, smoke=2, help="test images to fill")
    study.option("--steps", type=int, default=100, smoke=2, help="steps of a search")
    study.option("--draws", type=int, default=16, smoke=2, help="Langevin draws of a row")
    length = {"type": int, "default": 200, "smoke": 3}
    study.option("--langevin-steps", help="length of the chains that draw", **length)
    study.option("--lifted-steps", type=int, default=40, smoke=3, help="the same with lifting")
    some = {"nargs": "+", "default": None, "smoke": None}
    study.option("--holes", type=int, help="edges of holes; all by default", **some)
    study.option("--methods", choices=list(FILLINGS), help="all by default", **some)
    study.option("--models", type=Path, help="folder to keep the fitted flows in")
    study.run(measure, report)


if __name__ == "__main__":
    main()
