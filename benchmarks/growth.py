"""How time and memory of a fit and of a score grow with rows, columns, topics and levels.

Made rows: three clusters of columns of which neighbours are correlated. Each fit is of one epoch
and in a process of its own, after a small one that counts for nothing; the detector has its own
epochs, over rows that are capped. As many rows as were fitted are scored, in one call. Part
"memory" scores --many rows after a fit to few, for the peak alone. Memory is the growth of the peak
resident memory above what was in use before, with the data (Linux alone).

An exponent is the slope of log seconds, or log MiB, against log size over the upper half of the
sizes: where costs are a x size^b, it is b. A series ends where its next fit and score would take
more than --budget.
"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from lib.clocks import Stopwatch, set_threads
from lib.memory import PeakMemory
from lib.methods import warm_up
from lib.report import distinct, in_order, print_table, select
from lib.runner import Study

N_CLUSTERS, SPREAD, CORRELATION = 3, 4.0, 0.5
# Rows and columns of a table in which something else grows.
ROWS, COLUMNS, COLUMNS_OF_TREE = 2000, 10, 64
SHAPE_OF_MEMORY = (2000, 20)
# Exponents above these are marked.
LIMITS = {"rows": 1.1, "columns": 2.1}
# Below this the peak tells of blocks that are allocated whatever the size.
LEAST_MEBIBYTES = 5.0
# Sizes that an exponent is told from.
FEWEST = 3
MEASURES = {
    "fit_cpu_seconds": ("CPU seconds of a fit", 2),
    "fit_mebibytes": ("Growth of the peak memory over a fit, MiB", 0),
    "score_cpu_seconds": ("CPU seconds of a score", 2),
    "score_mebibytes": ("Growth of the peak memory over a score, MiB", 0),
}


def one_epoch(name: str, **parameters: Any) -> Callable:
    """Builder of a density that is trained for one epoch, of a seed and further parameters."""

    def build(seed: int, **more: Any) -> Any:
        import flowkit

        given = {"max_epochs": 1, "random_state": seed, **parameters, **more}
        return getattr(flowkit, name)(**given)

    return build


def detector(seed: int) -> Any:
    from flowkit import DensityOutlierDetector

    return DensityOutlierDetector(random_state=seed)


def stack(seed: int) -> Any:
    """The default members, trained for one epoch, with a hold-out of a fifth."""
    from flowkit import StackedDensity

    names = ("mixture", "flow", "fractal_flow", "kernel_flow")
    builders = one_epoch("FlowDensity", n_transforms=0), *map(METHODS.get, DENSITIES)
    members = [(name, build(seed)) for name, build in zip(names, builders, strict=True)]
    return StackedDensity(members, cv=0.2, random_state=seed)


DENSITIES = ("FlowDensity", "FractalFlowDensity", "FlowDensity, kernels")
METHODS = {
    "FlowDensity": one_epoch("FlowDensity"),
    "FlowDensity, kernels": one_epoch("FlowDensity", prior="kernel"),
    "FractalFlowDensity": one_epoch("FractalFlowDensity"),
    "RGFlowDensity": one_epoch("RGFlowDensity"),
    "PHVAE": one_epoch("PHVAE"),
    "DensityOutlierDetector": detector,
    "StackedDensity": stack,
}
FRACTAL = ["FractalFlowDensity"]
# What grows -> its sizes, which methods have it, and rows, columns and parameters at a size.
PARTS: dict[str, tuple[list[int], list[str], Callable[[int], tuple]]] = {
    "rows": (
        [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000],
        list(METHODS),
        lambda n: (n, COLUMNS, {}),
    ),
    "columns": (
        [2, 4, 8, 16, 32, 64, 128, 256, 512],
        list(METHODS),
        lambda d: (ROWS, d, {}),
    ),
    "topics": ([2, 4, 8, 16, 32, 64], FRACTAL, lambda k: (ROWS, COLUMNS, {"n_topics": k})),
    "levels": (
        [1, 2, 3, 4, 5, 6],
        FRACTAL,
        lambda n: (ROWS, COLUMNS_OF_TREE, {"n_levels": n}),
    ),
}


def make_rows(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] += CORRELATION * X[:, j - 1]
    X += SPREAD * rng.integers(N_CLUSTERS, size=(n, 1))
    return X


def fit_and_score(
    method: str, shape: tuple[int, int], n_scored: int | None, more: dict, seed: int, threads: int
) -> dict:
    """Costs of one method, in this process; without `n_scored` the training rows are scored."""
    set_threads(threads)
    warnings.simplefilter("ignore")
    build = METHODS[method]
    warm_up(lambda seed, budget: build(seed, **more))
    X = make_rows(*shape, seed)
    with PeakMemory() as memory, Stopwatch() as watch:
        model = build(seed, **more).fit(X)
    costs = {**watch.seconds("fit"), "fit_mebibytes": memory.mebibytes}
    if n_scored is not None:
        X = make_rows(n_scored, shape[1], seed)
    # The first call brings in what a fit has not.
    model.score_samples(X[:1])
    with PeakMemory() as memory, Stopwatch() as watch:
        model.score_samples(X)
    return {**costs, **watch.seconds("score"), "score_mebibytes": memory.mebibytes}


def in_fresh_process(*args: object) -> dict:
    """As a peak never falls, and memory that was freed is used again."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(fit_and_score, *args).result()


def measure(study: Study) -> None:
    args = study.args
    settings = {"budget": args.budget, "threads": args.threads}
    for seed in study.seeds:
        for part in args.parts:
            if part == "memory":
                measure_memory(study, seed, {**settings, "many": args.many})
                continue
            sizes, able, at = PARTS[part]
            for method in (name for name in args.methods if name in able):
                measure_series(study, part, method, seed, sizes[: args.sizes], at, settings)


def measure_series(study, part, method, seed, sizes, at, settings) -> None:
    """Sizes of one part until the next would take too long."""
    expected = 0.0
    for i, size in enumerate(sizes):
        if expected > study.budget:
            print(f"{part} {size}, {method}: left out, as it would take {expected:.0f} CPU seconds")
            break
        n, d, more = at(size)
        about = {"part": part, "size": size, "seed": seed, "method": method}
        work = method, (n, d), None, more, seed, study.args.threads
        result = study.cell(about, settings, in_fresh_process, *work)
        if result is None:
            break
        growth = sizes[min(i + 1, len(sizes) - 1)] / size
        expected = growth * (result["fit_cpu_seconds"] + result["score_cpu_seconds"])


def measure_memory(study: Study, seed: int, settings: dict) -> None:
    for method in study.args.memory_methods:
        about = {"part": "memory", "size": study.args.many, "seed": seed, "method": method}
        work = method, SHAPE_OF_MEMORY, study.args.many, {}, seed, study.args.threads
        study.cell(about, settings, in_fresh_process, *work)


def exponent(sizes: np.ndarray, values: np.ndarray, least: float) -> float:
    """Slope of logs over the upper half of sizes; NaN where too little is there to tell.

    The upper half has `FEWEST` sizes at least.
    """
    half = slice(max(0, min(len(sizes) // 2, len(sizes) - FEWEST)), None)
    sizes, values = sizes[half], values[half]
    if len(sizes) < FEWEST or not (values > least).all():
        return np.nan
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def report(results: list[dict]) -> None:
    for part in PARTS:
        own = select(results, part=part)
        sizes = sorted({r["size"] for r in own})
        for key, (title, digits) in MEASURES.items():
            rows = []
            for method in in_order(METHODS, own):
                cells = [select(own, method=method, size=size) for size in sizes]
                there = [bool(c) and all(r[key] is not None for r in c) for c in cells]
                means = [
                    np.mean([r[key] for r in c]) for c, ok in zip(cells, there, strict=True) if ok
                ]
                least = LEAST_MEBIBYTES if key.endswith("mebibytes") else 0.0
                slope = exponent(np.array(sizes)[there], np.array(means), least)
                mark = " !" if slope > LIMITS.get(part, np.inf) else ""
                values = iter(means)
                shown = [f"{next(values):.{digits}f}" if ok else "-" for ok in there]
                rows.append([method, *shown, f"{slope:.2f}{mark}" if np.isfinite(slope) else "-"])
            print_table(f"{title}, by {part}", ["", *map(str, sizes), "exponent"], rows)
    memory = select(results, part="memory")
    keys = ("score_cpu_seconds", "score_mebibytes")
    for (size,) in distinct(memory, "size"):
        rows = [
            [r["method"], *(f"{r[key]:.0f}" for key in keys)] for r in select(memory, size=size)
        ]
        header = ["", "CPU seconds", "MiB above X"]
        print_table(f"Scoring {size} x {SHAPE_OF_MEMORY[1]}", header, rows)


def main() -> None:
    study = Study("growth", __doc__, seeds=1, budget=60.0, smoke_budget=5.0)
    parts, few = [*PARTS, "memory"], ["FlowDensity", "FractalFlowDensity"]
    names = {"nargs": "+", "choices": parts, "default": parts, "smoke": ["rows", "memory"]}
    study.option("--parts", selects="part", help="what grows", **names)
    names = {"nargs": "+", "choices": METHODS, "metavar": "METHOD"}
    some = ["FlowDensity"]
    study.option(
        "--methods", selects="method", default=list(METHODS), smoke=some, help="which", **names
    )
    few = [*few, "DensityOutlierDetector"]
    study.option("--memory-methods", default=few, smoke=some, help="of part memory", **names)
    study.option("--sizes", type=int, smoke=2, help="how many of each part, the smallest first")
    study.option("--many", type=int, default=1_000_000, smoke=5000, help="rows of part memory")
    study.run(measure, report)


if __name__ == "__main__":
    main()
