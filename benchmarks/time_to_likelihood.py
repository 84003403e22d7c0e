"""Held-out log density (nats) against CPU seconds: who reaches a likelihood first, and how far.

A fit runs once. What it keeps, which is what it would give if it ended then, is copied at CPU
seconds on a log grid, and scores the test rows afterwards, see `lib.anytime`. Everything between
the call of fit and its return counts, on one thread; imports do not, nor does what a first small
fit loads or compiles. Peers and FlowDensity's earlier defaults are trained with early stopping; a
fit ends with --budget.

Methods "in that time" have the seconds of the reference on the same table and seed: the learning
rate of FlowDensity falls over these CPU seconds; StackedDensity has them as its `max_time`, which
counts wall seconds and does not cut the initialisation of its members short. The reference is the
code of --earlier, a checkout of flowkit that runs in a process of its own, or else the earlier
defaults in the present code.

Tables are prepared as in `likelihood.py`; two are made and have a known density, whose mean log
density of the same test rows is what none can exceed. Beside the results there is a figure.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from lib.anytime import Path as Way
from lib.anytime import curve, seconds_to, value_at, watched
from lib.budgets import Annealing
from lib.clocks import Stopwatch
from lib.data import split_for_likelihood, table_names
from lib.figures import Line, Panel, draw_panels
from lib.known import KNOWN, split_of_known
from lib.methods import LIBRARIES, MixtureByBIC, Normflows, Zuko, named, warm_up
from lib.report import distinct, in_order, print_table, select
from lib.runner import Study

TABLES = ("6_cardio", "22_magic.gamma", "28_pendigits", "earthquakes", "wells", *KNOWN)
SIZES = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 80, 100)
# Mostly those of Okabe and Ito, which colour-blind readers can tell apart too.
HUES = (
    *("#000000", "#999999", "#0072b2", "#d55e00", "#e69f00", "#009e73"),
    *("#b5a300", "#cc79a7", "#56b4e9", "#882255", "#8c6d31"),
)
# Nats below the reference that still count as reaching it.
TOLERANCE = 0.01
EARLIER_CODE, EARLIER = "FlowDensity, earlier code", "FlowDensity, earlier defaults"
FRACTAL_EARLIER = "FractalFlowDensity, earlier code"
# Method that the earlier checkout runs under its own name.
ELSEWHERE = {EARLIER_CODE: "FlowDensity", FRACTAL_EARLIER: "FractalFlowDensity"}
IN_TIME, STACK_IN_TIME = "FlowDensity, in that time", "StackedDensity, in that time"
TIMED = (IN_TIME, STACK_IN_TIME)
# Share of that time that such a method may take and still count as having kept it.
ALLOWED = 1.1
EARLIER_DEFAULTS = {"learning_rate": 1e-3, "max_epochs": 100, "n_iter_no_change": 20}


def earlier_defaults(seed: int, budget: float, n: int):
    """FlowDensity as it was set, with its rule for the batches of n training rows."""
    batch = int(np.clip(round(0.9 * n) // 32, 64, 1024))
    build = named("flowkit.FlowDensity", limited=True, batch_size=batch, **EARLIER_DEFAULTS)
    return build(seed, budget)


def mixture(seed: int, budget: float) -> MixtureByBIC:
    options = {"reg_covar": 1e-4, "max_iter": 300, "random_state": seed}
    return MixtureByBIC(SIZES, ("full", "diag"), budget, **options)


def normflows(seed: int, budget: float) -> Normflows:
    """As many spline couplings as FlowDensity has, of its width."""
    shape = {"n_layers": 4, "num_blocks": 2, "num_hidden_channels": 64, "tail_bound": 4.0}
    return Normflows(seed, budget, **shape)


def in_time(seed: int, budget: float) -> Any:
    from flowkit import FlowDensity

    return FlowDensity(max_epochs=2000, callbacks=[Annealing(budget)], random_state=seed)


METHODS = {
    "FlowDensity": named("flowkit.FlowDensity", limited=True),
    "FractalFlowDensity": named("flowkit.FractalFlowDensity", limited=True),
    "GaussianMixture, BIC": mixture,
    "zuko NSF": lambda seed, budget: Zuko(seed, budget, flow="NSF"),
    "zuko MAF": lambda seed, budget: Zuko(seed, budget, flow="MAF"),
    "normflows": normflows,
    IN_TIME: in_time,
    STACK_IN_TIME: named("flowkit.StackedDensity", timed=True),
}
# The references first, as others need their seconds.
NAMES = [EARLIER_CODE, EARLIER, *METHODS, FRACTAL_EARLIER]
COLOURS = dict(zip(NAMES, HUES, strict=True))


def builder(method: str, n: int):
    """Builder of a method for n training rows."""
    return functools.partial(earlier_defaults, n=n) if method == EARLIER else METHODS[method]


def split(table: str, seed: int, max_rows: int) -> tuple[np.ndarray, np.ndarray, float | None]:
    if table in KNOWN:
        return split_of_known(table, seed, round(0.8 * max_rows), max_rows)
    return *split_for_likelihood(table, seed, max_rows), None


def fit_and_score(method: str, table: str, seed: int, max_rows: int, budget: float) -> dict:
    train, test, truth = split(table, seed, max_rows)
    model, points = builder(method, len(train))(seed, budget), []
    way = Way()
    if method not in TIMED:
        model = watched(model, way)
    with Stopwatch() as watch:
        model.fit(train)
    end = float(np.mean(model.score_samples(test)))
    points = curve(model, way, test)
    shape = {"n_train": len(train), "n_features": train.shape[1], "truth": truth}
    return {"log_density": end, **watch.seconds("fit"), **shape, "curve": points}


def fit_elsewhere(checkout: Path, method: str, table: str, seed: int, args) -> dict:
    """The same cell by the flowkit of another checkout, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="flowkit-bench-") as folder:
        output = Path(folder) / "cell.json"
        options = {"tables": table, "methods": ELSEWHERE[method], "first-seed": seed, "seeds": 1}
        options |= {"max-rows": args.max_rows, "budget": args.budget, "threads": args.threads}
        options |= {"output": output}
        words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
        environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
        command = [sys.executable, __file__, *words]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        (cell,) = json.loads(output.read_text())["results"]
    if "error" in cell:
        raise RuntimeError(cell["error"])
    keys = list(cell)
    return {key: cell[key] for key in keys[keys.index("settings") + 1 :]}


def reference_of(results: list[dict], table: str, seed: int) -> dict | None:
    """The fit of before: by the earlier code, or else by the earlier defaults."""
    own = [r for r in select(results, data=table, seed=seed) if "error" not in r]
    found = (select(own, method=name) for name in (EARLIER_CODE, EARLIER))
    return next((cells[0] for cells in found if cells), None)


def measure(study: Study) -> None:
    args = study.args
    known = [name for name in args.methods or NAMES if args.earlier or name not in ELSEWHERE]
    methods = study.installed(known, LIBRARIES | {"zuko NSF": "zuko"})
    settings = {"max_rows": args.max_rows, "budget": args.budget, "threads": args.threads}
    for method in methods:
        if method not in ELSEWHERE:
            warm_up(builder(method, 64))
    tables = args.tables or [*table_names(None, TABLES[: -len(KNOWN)]), *KNOWN]
    for seed in study.seeds:
        for table in tables:
            for method in methods:
                about = {"data": table, "seed": seed, "method": method}
                cell = table, seed, args.max_rows
                if method in ELSEWHERE:
                    work = fit_elsewhere, args.earlier, method, table, seed, args
                else:
                    budget, before = study.budget, reference_of(study.results, table, seed)
                    if method in TIMED and before is not None:
                        budget = before["fit_cpu_seconds"]
                    work = fit_and_score, method, *cell, budget
                study.cell(about, settings, *work)


def against(results: list[dict], r: dict) -> dict | None:
    """Seconds to the likelihood of the reference, their share of its own, nats at equal time."""
    before = reference_of(results, r["data"], r["seed"])
    if before is None:
        return None
    end = (r["fit_cpu_seconds"], r["log_density"])
    seconds = seconds_to([*r["curve"], end], before["log_density"] - TOLERANCE)
    given = before["fit_cpu_seconds"] * (ALLOWED if r["method"] in TIMED else 1)
    gain = value_at([*r["curve"], end], given) - before["log_density"]
    return {"seconds": seconds, "share": seconds / before["fit_cpu_seconds"], "gain": gain}


def rows_of(results: list[dict], methods: list[str], value, digits: int) -> list[list[str]]:
    """A row a method: means over seeds for each table, and over tables, or in how many it has one.

    A mean over those seeds alone in which something was reached would flatter: it is none.
    """
    rows = []
    for method in methods:
        own = [select(results, data=t, method=method) for (t,) in distinct(results, "data")]
        means = [np.mean([value(r) for r in cells]) if cells else np.nan for cells in own]
        there = np.isfinite(means)
        last = f"{np.mean(means):.{digits}f}" if all(there) else f"{sum(there)} of {len(there)}"
        cells = [f"{v:.{digits}f}" if np.isfinite(v) else "-" for v in means]
        rows.append([method, *cells, last])
    return rows


def report(results: list[dict], figure: Path) -> None:
    methods = in_order(NAMES, results)
    facts = [against(results, r) for r in results]
    compared = [{**r, **fact} for r, fact in zip(results, facts, strict=True) if fact is not None]
    known = [r for r in results if r["truth"] is not None]
    known = [{**r, "lost": r["truth"] - r["log_density"]} for r in known]
    shown = {
        "log_density": ("Log density of test rows at the end, nats", 3, results),
        "lost": ("Nats below the truth at the end", 3, known),
        "fit_cpu_seconds": ("CPU seconds of the whole fit", 1, results),
        "gain": ("Nats above the reference in the CPU seconds of its fit", 3, compared),
        "seconds": (f"CPU seconds to its log density less {TOLERANCE}; - for never", 1, compared),
        "share": ("The same over the seconds of its fit", 2, compared),
    }
    for key, (title, digits, cells) in shown.items():
        rows = rows_of(cells, methods, lambda r, key=key: r[key], digits)
        shapes = {r["data"]: f"{r['data']} {r['n_train']}x{r['n_features']}" for r in cells}
        print_table(title, ["", *shapes.values(), "mean"], rows)
    panels = []
    for (table,) in distinct(results, "data"):
        own = [r for r in select(results, data=table) if r["seed"] == results[0]["seed"]]
        ends = [(r["method"], r["curve"], (r["fit_cpu_seconds"], r["log_density"])) for r in own]
        title = f"{table}, {own[0]['n_train']} x {own[0]['n_features']}"
        panels.append(Panel(title, [Line(*end) for end in ends], own[0]["truth"]))
    draw_panels(
        panels,
        {m: COLOURS[m] for m in methods},
        "CPU seconds",
        "held-out log density, nats",
        figure,
    )
    print(f"\nFigure: {figure}")


def main() -> None:
    study = Study("time_to_likelihood", __doc__, seeds=3, budget=120.0)
    study.option("--tables", nargs="+", selects="data", smoke=["iris", "bent"], help="by name")
    few = [EARLIER, "FlowDensity", "GaussianMixture, BIC", "zuko MAF", *TIMED]
    names = {"nargs": "+", "choices": NAMES, "metavar": "METHOD", "smoke": few}
    study.option("--methods", selects="method", help="all by default", **names)
    study.option("--max-rows", type=int, default=5000, smoke=120, help="rows drawn from a table")
    study.option("--earlier", type=Path, help="another checkout of flowkit, to compare with")
    study.run(measure, lambda results: report(results, study.output.with_suffix(".png")))


if __name__ == "__main__":
    main()
