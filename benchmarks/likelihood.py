"""Held-out mean log density (nats) of flowkit's defaults and of what people use today.

A table is prepared the same for every method, see `lib.data.split_for_likelihood`; the number
reported is the mean log density of the test rows in standardised units. Methods with training stop
once the budget is used up, with the best weights so far; StackedDensity has it as its `max_time`,
which shares it among the fits of all members and counts wall seconds. Without FLOWKIT_DATA the
tables are small ones that ship with scikit-learn.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
from lib.clocks import Stopwatch
from lib.data import split_for_likelihood, table_names
from lib.methods import DENSITIES, LIBRARIES, Builder, named, warm_up
from lib.metrics import summarise
from lib.report import in_order, means, print_table
from lib.runner import Study

TABLES = (
    "2_annthyroid",
    "6_cardio",
    "20_letter",
    "22_magic.gamma",
    "28_pendigits",
    "30_satellite",
    "40_vowels",
    "44_Wilt",
)
OWN = ("FlowDensity", "FractalFlowDensity", "StackedDensity")
SMOKE_METHODS = ["Gaussian", "KernelDensity", "zuko MAF", *OWN]


def parse_variant(words: list[str]) -> tuple[str, dict[str, Any]]:
    """`NAME [estimator=CLASS] KEY=VALUE ...` to a name, the class and its parameters."""
    name, *settings = words
    parameters: dict[str, Any] = {"estimator": "FlowDensity"}
    for setting in settings:
        key, _, text = setting.partition("=")
        try:
            parameters[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            parameters[key] = text
    return name, parameters


def build_variant(estimator: str, **parameters: Any) -> Builder:
    return named(f"flowkit.{estimator}", limited=True, **parameters)


def fit_and_score(
    build: Builder, train: np.ndarray, test: np.ndarray, seed: int, budget: float
) -> dict:
    with Stopwatch() as watch:
        model = build(seed, budget).fit(train)
    return {
        "n_train": len(train),
        "n_test": len(test),
        "n_features": train.shape[1],
        "log_density": float(np.mean(model.score_samples(test))),
        **watch.seconds("fit"),
        "used_up_budget": watch.cpu >= budget,
    }


def measure(study: Study) -> None:
    args = study.args
    variants = dict(map(parse_variant, args.variants))
    builders = {**DENSITIES, **{name: build_variant(**v) for name, v in variants.items()}}
    methods = [*study.installed(args.methods or DENSITIES, LIBRARIES), *variants]
    for method in methods:
        warm_up(builders[method])
    settings = {"max_rows": args.max_rows, "budget": args.budget}
    for table in table_names(args.tables, TABLES):
        for seed in study.seeds:
            train, test = split_for_likelihood(table, seed, args.max_rows)
            for method in methods:
                about = {"data": table, "seed": seed, "method": method}
                own = {**settings, **variants.get(method, {})}
                work = fit_and_score, builders[method], train, test, seed, study.budget
                study.cell(about, own, *work)


def report(results: list[dict]) -> None:
    methods = in_order(DENSITIES, results)
    tables = in_order(TABLES, results, "data")
    log_density = means(results, "log_density", tables, methods)
    shapes = {r["data"]: f"{r['n_train']} x {r['n_features']}" for r in results}
    rows = [
        [table, shapes[table], *(f"{value:.3f}" for value in values)]
        for table, values in zip(tables, log_density, strict=True)
    ]
    seconds = means(results, "fit_cpu_seconds", tables, methods)
    summary = {**summarise(log_density, methods), "mean fit CPU seconds": seconds.mean(0)}
    rows += [[name, "", *(f"{v:.2f}" for v in values)] for name, values in summary.items()]
    seeds = len({r["seed"] for r in results})
    title = f"Mean log density of held-out rows, nats, mean over {seeds} seed(s)"
    print_table(title, ["table", "train rows", *methods], rows)


def main() -> None:
    study = Study("likelihood", __doc__, seeds=3, budget=60.0)
    study.option("--tables", nargs="+", selects="data", smoke=["wine"], help="of ADBench")
    study.option(
        "--methods",
        nargs="+",
        choices=DENSITIES,
        selects="method",
        smoke=SMOKE_METHODS,
        help="columns, all by default",
    )
    study.option("--max-rows", type=int, default=5000, smoke=120, help="rows drawn from a table")
    study.option(
        "--variant",
        dest="variants",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help="one more column: a FlowDensity, or the class that estimator=CLASS names, with these "
        "parameters (may be repeated)",
    )
    study.run(measure, report)


if __name__ == "__main__":
    main()
