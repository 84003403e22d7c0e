"""Inpainting with RGFlowDensity: what a step of the search costs as images grow.

One step of the search that fills a hole is a pass from latents to values, one back, the
gradient and an update. Process CPU time of such steps of one image in float64, with untrained
lattices of the estimator's default sizes whose weights are perturbed, against image edges L: with
the blocks of the inference cone of the hole alone, with all of the lattice, and with a
convolutional RealNVP that has as many convolution weights as the lattice has parameters and all
latents free. A figure is the median over rounds, and rounds visit all sizes and methods in turn;
cones are averaged over random positions of the hole, half of them on multiples of the block edge.
The set-up is paid once for each hole: it copies the lattice and runs all of it once. Numbers of
latents in a cone are means over all positions of a hole, wrapped round the edges. Each series is
fitted twice by least squares with an intercept, against log2 L and against L^2; all sizes count the
same, so the largest times decide. ``--budget`` ends the rounds.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
from lib.clocks import Stopwatch
from lib.holes import (
    KERNEL,
    FreeLatents,
    TimedHole,
    convolution_weights,
    corners,
    couplings,
    largest_difference,
    matched_width,
    square,
)
from lib.metrics import count, fit_line
from lib.report import print_table, select
from lib.runner import Study

EDGES = (8, 16, 32, 64, 128)
TIMED_HOLES = (4, 8)
COUNTED_HOLES = (1, 4, 8)
SIZES = ("lattice_parameters", "realnvp_convolution_weights", "realnvp_parameters_by_pixel")
# Pairs of couplings of the estimator's levels, finest first.
FIRST_LAYERS, LAYERS = 2, 4
# Hole edge -> image edge -> mean number of sites in the cone, counted on its own: over all
# positions up to 32, over random ones above.
EXPECTED = {
    1: {16: 112, 32: 220, 64: 364, 128: 540},
    4: {16: 155, 32: 291, 64: 455, 128: 638},
    8: {16: 233, 32: 413, 64: 598, 128: 789},
}


def count_latents(edge: int, hole: int) -> dict:
    """Number of latents in the cone over positions of the hole."""
    from flowkit.bijections import Lattice

    shape = edge, edge
    layout = Lattice(edge**2, image_shape=shape, kernel_size=KERNEL, hidden_units=1).layout
    counts = []
    for corner in itertools.product(range(edge), repeat=2):
        reached = square(shape, hole, corner)
        for sublayer, blocks in zip(layout.sublayers, layout.cone(reached), strict=True):
            reached[sublayer.blocks[blocks]] = True
        counts.append(int(reached.sum()))
    return {
        "positions": len(counts),
        "mean": float(np.mean(counts)),
        "min": min(counts),
        "max": max(counts),
        "expected": EXPECTED[hole].get(edge),
    }


def perturbed(module: Any, generator: Any) -> Any:
    import torch

    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.empty_like(p).normal_(generator=generator))
    return module.double().requires_grad_(False)


def build_cases(edge: int, positions: int, rng: np.random.Generator) -> tuple[dict, dict]:
    """What is timed at one size: name -> timed holes; and what to say about it."""
    import torch

    from flowkit.bijections import Compose, Lattice
    from flowkit.modules import Flow
    from flowkit.modules.lattice_holes import LatticeHole
    from flowkit.nets.swish import without_weight_norm
    from flowkit.priors import Laplace, Normal, Product

    d, shape, generator = edge**2, (edge, edge), torch.Generator().manual_seed(edge)
    n_levels = Lattice(d, image_shape=shape, hidden_units=1).n_levels
    depths = [FIRST_LAYERS, *[LAYERS] * (n_levels - 1)]
    lattice = Lattice(d, image_shape=shape, n_layers=depths, generator=generator)
    lattice = perturbed(lattice, generator)
    prior = Product([Laplace(d, scale=math.sqrt(0.5))], [range(d)])
    width = matched_width(count(lattice))
    realnvp = perturbed(Flow(Compose(couplings(edge, width)), Normal(d)), generator)
    whole = Flow(without_weight_norm(lattice), prior)
    rows = torch.empty(1, d, dtype=torch.float64).normal_(generator=generator)
    everything = np.arange(d)
    about = {
        "levels": lattice.n_levels,
        "lattice_parameters": count(lattice),
        "realnvp_width": width,
        "realnvp_convolution_weights": convolution_weights(realnvp),
        "realnvp_parameters_by_pixel": count(realnvp) - convolution_weights(realnvp),
        "timed_latents": {},
        "setup_seconds": {},
        "difference": {},
    }
    cases = {}
    for size in TIMED_HOLES:
        holes, setups = [], []
        for corner in corners(size, (0, edge), positions, rng):
            pattern = square(shape, size, corner)
            with Stopwatch() as watch:
                hole = LatticeHole(without_weight_norm(lattice).cone(pattern), prior, rows)
            holes.append(hole)
            setups.append(watch.cpu)
        name = f"cone, {size}x{size}"
        cases[name] = [TimedHole(hole) for hole in holes]
        about["timed_latents"][name] = [hole.latents.shape[1] for hole in holes]
        about["setup_seconds"][name] = float(np.median(setups))
        free = FreeLatents(whole, rows, pattern, everything)
        about["difference"][name] = largest_difference(holes[-1], free)
    cases["full lattice"] = [TimedHole(FreeLatents(whole, rows, pattern, everything))]
    cases["RealNVP"] = [TimedHole(FreeLatents(realnvp, rows, pattern, everything))]
    return cases, about


def time_steps(
    built: dict[int, dict[str, list[TimedHole]]], rounds: int, budget: float
) -> dict[tuple[int, str], list[list[float]]]:
    """Seconds of each step, by edge and method, for each position of the hole."""
    seconds: dict = {
        (edge, name): [[] for _ in holes]
        for edge, cases in built.items()
        for name, holes in cases.items()
    }
    begin = time.process_time()
    for i in range(rounds):
        if i and time.process_time() - begin > budget:
            break
        # What else the machine does then hits all sizes and methods alike.
        for edge, cases in built.items():
            for name, holes in cases.items():
                for taken, hole in zip(seconds[edge, name], holes, strict=True):
                    taken += hole.seconds_per_step()
    return seconds


def measure(study: Study) -> None:
    args, edges = study.args, study.args.edges
    for hole, edge in itertools.product(COUNTED_HOLES, edges):
        about = {"what": "latents", "hole": hole, "L": edge}
        study.cell(about, {}, count_latents, edge, hole)
    settings = {name: getattr(args, name) for name in ("rounds", "positions", "budget")}
    settings |= {"edges": edges}
    abouts = {edge: {"what": "seconds", "L": edge} for edge in edges}
    if not study.lacks(abouts.values()):
        return
    # Times are compared, so all of them are measured together or not at all.
    rng = np.random.default_rng(0)
    built = {edge: build_cases(edge, args.positions, rng) for edge in edges}
    cases = {edge: own for edge, (own, _) in built.items()}
    seconds = time_steps(cases, args.rounds, study.budget)
    for edge, (own, facts) in built.items():
        steps = {name: [float(np.median(s)) for s in seconds[edge, name]] for name in own}
        study.cell(abouts[edge], settings, dict, {**facts, "seconds_per_step": steps})


def report_fits(timed: list[dict], counts: list[dict]) -> None:
    names = timed[0]["seconds_per_step"] if timed else []
    series = {
        name: (1e3, timed, [np.mean(r["seconds_per_step"][name]) for r in timed]) for name in names
    }
    for hole in COUNTED_HOLES:
        own = select(counts, hole=hole)
        series[f"latents, {hole}x{hole}"] = 1.0, own, [r["mean"] for r in own]
    rows = []
    for name, (factor, own, values) in series.items():
        if len(own) < 3:
            continue
        edges = np.array([r["L"] for r in own], dtype=float)
        for against, x in (("log2 L", np.log2(edges)), ("L^2", edges**2)):
            fit = fit_line(x, factor * np.array(values))
            numbers = [f"{fit['intercept']:.3g}", f"{fit['slope']:.3g}", f"{fit['r2']:.4f}"]
            residuals = " ".join(f"{r:+.3g}" for r in fit["residuals"])
            rows.append([name, against, *numbers, residuals])
    header = ["series", "against", "intercept", "slope", "R^2", "residuals"]
    print_table("Least squares, in ms or latents; residuals in the order of L", header, rows)


def report(results: list[dict]) -> None:
    counts, timed = select(results, what="latents"), select(results, what="seconds")
    rows = []
    for hole in COUNTED_HOLES:
        own = select(counts, hole=hole)
        cells = [f"{r['mean']:.1f} ({r['min']}-{r['max']})" for r in own]
        rows += [[f"{hole}x{hole}", *cells], ["  known", *(str(r["expected"] or "-") for r in own)]]
    header = ["hole", *(f"L={r['L']}" for r in select(counts, hole=COUNTED_HOLES[0]))]
    title = "Latents in the cone: mean (least-most) over positions of the hole"
    print_table(title, header, rows)
    if timed:
        rows = []
        for name in timed[0]["seconds_per_step"]:
            steps = [1e3 * np.array(r["seconds_per_step"][name]) for r in timed]
            ranges = [f" ({s.min():.1f}-{s.max():.1f})" if len(s) > 1 else "" for s in steps]
            cells = [f"{s.mean():.1f}{told}" for s, told in zip(steps, ranges, strict=True)]
            rows.append([name, *cells])
        for name in timed[0]["setup_seconds"]:
            cells = [f"{1e3 * r['setup_seconds'][name]:.1f}" for r in timed]
            rows.append([f"set-up once, {name}", *cells])
        rows += [[key.replace("_", " "), *(str(r[key]) for r in timed)] for key in SIZES]
        title = "CPU milliseconds of a step: median of rounds, mean (least-most) over positions"
        print_table(title, ["", *(f"L={r['L']}" for r in timed)], rows)
        worst = max(max(r["difference"].values()) for r in timed)
        print(f"Gradients of cone and full lattice differ by at most {worst:.1e} of the largest")
    report_fits(timed, counts)


def main() -> None:
    study = Study("rg_inpainting_cost", __doc__, seeds=1, budget=None)
    edges = {"type": int, "nargs": "+", "default": list(EDGES), "smoke": [8, 16, 32]}
    study.option("--edges", selects="L", help="edges of the images", **edges)
    study.option("--rounds", type=int, default=10, smoke=1, help="rounds of timings")
    study.option("--positions", type=int, default=6, smoke=1, help="timed holes of each size")
    study.run(measure, report)


if __name__ == "__main__":
    main()
