"""RG-Flow: CPU seconds of training to equal hold-out bits per dimension, by kind of coupling.

Both couplings have the same budget and a schedule laid out for it, so whoever is there early is
there with a rate that is still high. Times are linear between epochs.
"""

from __future__ import annotations

import numpy as np
from lib.budgets import Clock
from lib.data import bits, load_images, make_msds
from lib.image_flows import fit_rg
from lib.report import distinct, print_table, select
from lib.runner import Study

COUPLINGS = ("affine", "spline")
DATA = ("msds1", "msds2", "mnist", "digits")
# Finest differences in bits/dim that a table of times has room for.
N_TARGETS = 5


def training_images(name: str, rows: int, seed: int) -> np.ndarray:
    if name.startswith("msds"):
        return make_msds(int(name[-1]), rows, seed).images
    return load_images(name, rows, seed)[0]


def curve(name: str, coupling: str, seed: int, rows: int, budget: float) -> dict:
    images = training_images(name, rows, seed)
    seconds: list[float] = []
    estimator = fit_rg(coupling=coupling)(images, seed, budget, (Clock(seconds),))
    held_out = estimator.history_["valid_log_density"]
    return {
        "cpu_seconds_after_epoch": seconds,
        "holdout_bits": [bits(value, images[0].size) for value in held_out],
    }


def measure(study: Study) -> None:
    args = study.args
    settings = {"rows": args.rows, "budget": args.budget}
    for name in args.data:
        for seed in study.seeds:
            for coupling in COUPLINGS:
                about = {"data": name, "seed": seed, "method": coupling}
                work = curve, name, coupling, seed, args.rows, study.budget
                study.cell(about, settings, *work)


def seconds_to(curve: dict, target: float) -> float:
    """CPU seconds to the first time that the hold-out is at the target."""
    held_out, seconds = np.array(curve["holdout_bits"]), curve["cpu_seconds_after_epoch"]
    i = int(np.flatnonzero(held_out <= target)[0])
    if i == 0:
        return seconds[0]
    share = (held_out[i - 1] - target) / (held_out[i - 1] - held_out[i])
    return seconds[i - 1] + share * (seconds[i] - seconds[i - 1])


def report(results: list[dict]) -> None:
    for data, seed in distinct(results, "data", "seed"):
        curves = {r["method"]: r for r in select(results, data=data, seed=seed)}
        if len(curves) < len(COUPLINGS):
            continue
        best = {name: min(curve["holdout_bits"]) for name, curve in curves.items()}
        first = max(curve["holdout_bits"][0] for curve in curves.values())
        # Steps towards the best that both reach grow finer, as progress does.
        worst = max(best.values())
        targets = [worst + (first - worst) * 0.25**i for i in range(1, N_TARGETS)] + [worst]
        rows = []
        for target in targets:
            times = [seconds_to(curves[name], target) for name in COUPLINGS]
            cells = [f"{target:.3f}", *(f"{t:.0f}" for t in times)]
            rows.append([*cells, f"{times[1] / max(times[0], 1e-9):.2f}"])
        reached = ", ".join(f"{name} {value:.3f}" for name, value in best.items())
        epochs = ", ".join(f"{name} {len(c['holdout_bits']) - 1}" for name, c in curves.items())
        budget = curves[COUPLINGS[0]]["settings"]["budget"]
        title = f"CPU seconds of {data}, seed {seed}, to equal hold-out bits/dim, initialisation\n"
        title += f"included; budget {budget:g}. Best: {reached}; epochs: {epochs}"
        print_table(title, ["bits/dim", *COUPLINGS, "spline / affine"], rows)


def main() -> None:
    study = Study("rg_curves", __doc__, seeds=1, budget=600.0)
    names = {"nargs": "+", "choices": DATA, "default": ["msds1"], "smoke": ["digits"]}
    study.option("--data", selects="data", help="images", **names)
    study.option("--rows", type=int, default=4000, smoke=100, help="training images")
    study.run(measure, report)


if __name__ == "__main__":
    main()
