"""Scores of tables with discrete columns: what the cells cost, and how far off their averages are.

Tables have two numbers and several yes/no columns that depend on these; the density of encoded
columns is the default one. Of new rows: the CPU time of a score, beside that of the same table
without yes/no columns, also of many rows with at most one of these; the standard error that is
told; the distance to a score by 4,096 points and more; and how often it lies within two told
errors.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from lib.budgets import TimeLimit
from lib.clocks import Stopwatch
from lib.report import print_table, select
from lib.runner import Study

from flowkit import FlowDensity, TableDensity

FINE_DRAWS, FINE_ROWS, N_NUMBERS = 2**12, 50, 2


def yes_no_table(n_columns: int, n_rows: int, rng) -> pd.DataFrame:
    """Numbers, and answers that depend on them."""
    slopes = np.random.default_rng(5).normal(size=(N_NUMBERS, n_columns))
    numbers = rng.normal(size=(n_rows, N_NUMBERS))
    noise = rng.normal(size=(n_rows, n_columns))
    answers = numbers @ slopes + noise > np.linspace(-1, 1, n_columns)
    columns = {f"b{j}": answers[:, j] for j in range(n_columns)}
    return pd.DataFrame(columns | {f"x{j}": numbers[:, j] for j in range(N_NUMBERS)})


def fit_and_score(
    n_columns: int, seed: int, n_train: int, n_rows: int, n_many: int, fine: int, budget: float
) -> dict:
    rng = np.random.default_rng(seed)
    train, test = (yes_no_table(n_columns, n, rng) for n in (n_train, n_rows))
    flow = FlowDensity(callbacks=[TimeLimit(budget)])
    density = TableDensity(flow, random_state=seed).fit(train)
    # The first call compiles.
    density.score_samples(test[:10])
    with Stopwatch() as watch:
        scores, told = density.score_samples(test, return_std=True)
    found = {"microseconds": 1e6 * watch.cpu / n_rows}
    if n_columns <= 1:
        many = yes_no_table(n_columns, n_many, rng)
        with Stopwatch() as watch:
            density.score_samples(many)
        found["microseconds_of_many"] = 1e6 * watch.cpu / n_many
    if n_columns == 0:
        return found
    density.set_params(n_draws=fine)
    distance = np.abs(scores[:FINE_ROWS] - density.score_samples(test[:FINE_ROWS]))
    told = told[:FINE_ROWS]
    return found | {
        "told": float(np.sqrt(np.mean(told**2))),
        "distance": float(np.sqrt(np.mean(distance**2))),
        "largest": float(distance.max()),
        "covered": float(np.mean(distance <= 2 * told)),
    }


def measure(study: Study) -> None:
    args = study.args
    for seed in study.seeds:
        for n_columns in args.columns:
            about = {"columns": n_columns, "seed": seed}
            sizes = {"train": args.train, "rows": args.rows, "many": args.many, "fine": args.fine}
            settings = sizes | {"budget": args.budget}
            given = n_columns, seed, *sizes.values(), study.budget
            study.cell(about, settings, fit_and_score, *given)


def report(results: list[dict]) -> None:
    def mean(chosen, key):
        return float(np.mean([result[key] for result in chosen]))

    counts = sorted({result["columns"] for result in results})
    first = select(results, columns=counts[0])
    usual = mean(first, "microseconds")
    rows = []
    for n_columns in counts:
        chosen = select(results, columns=n_columns)
        time = mean(chosen, "microseconds")
        row = [str(n_columns), f"{time:.0f}", f"{time / usual:.1f}"]
        row.append("-")
        if n_columns <= 1 and counts[0] <= 1:
            of_many = "microseconds_of_many"
            row[-1] = f"{mean(chosen, of_many) / mean(first, of_many):.1f}"
        keys = ("told", "distance", "largest") if n_columns else ()
        row += [f"{mean(chosen, key):.3f}" for key in keys] or ["-"] * 3
        rows.append([*row, f"{mean(chosen, 'covered'):.0%}" if n_columns else "-"])
    head = ["yes/no columns", "CPU microseconds a row", "times that of none", "of many rows"]
    head += ["told error (nats)", "error (nats)", "largest", "within two told"]
    print_table("Scores of tables with yes/no columns", head, rows)


def main() -> None:
    study = Study("cells", __doc__, seeds=1, budget=20.0)
    counts = {"nargs": "+", "type": int, "selects": "columns"}
    study.option(
        "--columns", **counts, default=[0, 1, 2, 3, 6, 12], smoke=[0, 1], help="yes/no columns"
    )
    study.option("--train", type=int, default=2000, smoke=100, help="training rows")
    study.option("--rows", type=int, default=1000, smoke=60, help="rows that are scored")
    study.option("--many", type=int, default=100_000, smoke=200, help="many rows that are scored")
    study.option("--fine", type=int, default=FINE_DRAWS, smoke=256, help="points of fine scores")
    study.run(measure, report)


if __name__ == "__main__":
    main()
