"""What detectors of outliers cost: CPU seconds and peak memory of a fit, and of scoring rows.

Made rows: a mixture of three densities whose columns are correlated and heavy-tailed (Student's t
with three degrees of freedom, mixed at random). Each fit has a process of its own, after a first
fit to few rows that counts for nothing. Memory is the growth of the peak resident memory above what
was in use before, with the data (Linux alone).

Methods have their default settings. --score-rows rows are scored in one call, unless a call with a
fiftieth of them says that this would take more than --budget: then its seconds are multiplied, the
result is marked with ~, and there is no memory of it.
"""

from __future__ import annotations

import math
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
from lib.clocks import Stopwatch, set_threads
from lib.memory import PeakMemory
from lib.methods import DEFAULT_DETECTOR, DETECTORS, LIBRARIES, warm_up
from lib.report import distinct, in_order, print_table, select
from lib.runner import Study

METHODS = [DEFAULT_DETECTOR, "IsolationForest", "kNN", "LOF", "KernelDensity"]
N_PARTS, DEGREES_OF_FREEDOM, SPREAD = 3, 3, 3.0
# Rows that are made at once, so that making them takes no memory to speak of.
BLOCK = 1000
# Calls with a part of the rows tell how long all would take.
TRIAL_SHARE = 0.02


def make_rows(n: int, d: int, seed: int, state: int) -> np.ndarray:
    """Rows of a mixture; `seed` is that of the density, `state` that of the rows."""
    rng = np.random.default_rng(seed)
    centres = SPREAD * rng.normal(size=(N_PARTS, d))
    maps = rng.normal(size=(N_PARTS, d, d)) / math.sqrt(d)
    rng, rows = np.random.default_rng([seed, state]), np.empty((n, d))
    for start in range(0, n, BLOCK):
        block = rows[start : start + BLOCK]
        part = rng.integers(N_PARTS, size=len(block))
        tails = rng.standard_t(DEGREES_OF_FREEDOM, size=block.shape)
        for k in range(N_PARTS):
            block[part == k] = centres[k] + tails[part == k] @ maps[k]
    return rows


def fit_and_score(
    method: str, n: int, d: int, n_scored: int, seed: int, budget: float, threads: int
) -> dict:
    """Costs of one detector, in this process."""
    set_threads(threads)
    warnings.simplefilter("ignore")
    train = make_rows(n, d, seed, 0)
    warm_up(DETECTORS[method])
    with PeakMemory() as memory, Stopwatch() as watch:
        model = DETECTORS[method](seed, math.inf).fit(train)
    costs = {**watch.seconds("fit"), "fit_mebibytes": memory.mebibytes}
    few = make_rows(math.ceil(TRIAL_SHARE * n_scored), d, seed, 1)
    with Stopwatch() as watch:
        model.score_samples(few)
    expected = watch.cpu * n_scored / len(few)
    if expected > budget:
        return {**costs, "score_cpu_seconds": expected, "n_scored": len(few)}
    many = make_rows(n_scored, d, seed, 1)
    with PeakMemory() as memory, Stopwatch() as watch:
        model.score_samples(many)
    costs |= {**watch.seconds("score"), "score_mebibytes": memory.mebibytes}
    return {**costs, "n_scored": n_scored}


def in_fresh_process(*args: object) -> dict:
    """As a peak never falls, and memory that was freed is used again."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(fit_and_score, *args).result()


def measure(study: Study) -> None:
    args = study.args
    methods = study.installed(args.methods, LIBRARIES)
    for seed, d, n, method in product(study.seeds, args.columns, args.rows, methods):
        about = {"d": d, "n_train": n, "seed": seed, "method": method}
        work = method, n, d, args.score_rows, seed, study.budget, args.threads
        settings = {"score_rows": args.score_rows, "budget": args.budget, "threads": args.threads}
        study.cell(about, settings, in_fresh_process, *work)


def report(results: list[dict]) -> None:
    n_scored = max(r["n_scored"] for r in results)
    shown = {
        "fit_cpu_seconds": ("CPU seconds of a fit", 2),
        "fit_mebibytes": ("Growth of the peak memory over a fit, MiB", 0),
        "score_cpu_seconds": (f"CPU seconds for {n_scored} rows; ~ from a call with fewer", 2),
        "score_mebibytes": (f"Growth of the peak memory over scoring {n_scored} rows, MiB", 0),
    }
    methods = in_order(METHODS, results)
    for key, (title, digits) in shown.items():
        rows = []
        for d, n in distinct(results, "d", "n_train"):
            here = [select(results, d=d, n_train=n, method=method) for method in methods]
            rows.append([f"{n} x {d}", *(_cell(cells, key, digits, n_scored) for cells in here)])
        print_table(title, ["rows x columns", *methods], rows)


def _cell(results: list[dict], key: str, digits: int, n_scored: int) -> str:
    """Mean over seeds, with ~ where one is from a call with fewer rows."""
    values = [r[key] for r in results if r.get(key) is not None]
    if not values:
        return "-"
    partial = key.startswith("score") and any(r["n_scored"] < n_scored for r in results)
    return f"{'~' if partial else ''}{np.mean(values):.{digits}f}"


def main() -> None:
    study = Study("outliers_cost", __doc__, seeds=1, budget=60.0, smoke_budget=1.0)
    sizes, widths = [1000, 2000, 5000, 10_000, 20_000, 50_000], [3, 10, 30, 100]
    many = {"type": int, "nargs": "+"}
    study.option("--rows", selects="n_train", default=sizes, smoke=[60], help="of training", **many)
    study.option("--columns", selects="d", default=widths, smoke=[3], help="of a table", **many)
    study.option("--score-rows", type=int, default=100_000, smoke=100, help="rows to score")
    names = {"nargs": "+", "choices": DETECTORS, "metavar": "METHOD", "default": METHODS}
    names["smoke"] = [DEFAULT_DETECTOR, "kNN"]
    study.option("--methods", selects="method", help="detectors", **names)
    study.run(measure, report)


if __name__ == "__main__":
    main()
