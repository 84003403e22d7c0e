"""Scores of incomplete rows: the CPU time that they take, and how far off they are.

A density is fitted to a table with ``missing='marginalize'``. Then rows are scored twice: as they
are, and with a fifth of the values hidden in some of them. For flows, scores of the latter are
compared with those from many draws, and with the errors that they state.
"""

from __future__ import annotations

import numpy as np
from lib.clocks import Stopwatch
from lib.data import SHIPPED, load_table, table_names
from lib.report import print_table
from lib.runner import Study
from sklearn.datasets import load_diabetes

from flowkit import FlowDensity, TableDensity

SHARE, N_REPEATS = 0.2, 5
TABLES = ("breast_cancer", "diabetes")
METHODS = {"FlowDensity": lambda flow: flow, "TableDensity": TableDensity}


def rows_of(table: str) -> np.ndarray:
    return load_diabetes().data if table == "diabetes" else load_table(table)


def with_holes(X: np.ndarray, n_incomplete: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The rows with a fifth of the values hidden in some, and which these are."""
    index = rng.choice(len(X), n_incomplete, replace=False)
    hidden = rng.uniform(size=(n_incomplete, X.shape[1])) < SHARE
    # One at least, and not all.
    hidden[np.arange(n_incomplete), rng.integers(X.shape[1], size=n_incomplete)] = True
    hidden[hidden.all(1), 0] = False
    rows = X.copy()
    rows[index] = np.where(hidden, np.nan, X[index])
    return rows, index


def least_cpu(score) -> float:
    """CPU seconds of a call, the least of some, as other programs slow it down."""
    seconds = []
    for _ in range(N_REPEATS):
        with Stopwatch() as watch:
            score()
        seconds.append(watch.cpu)
    return min(seconds)


def fit_and_time(method, table, seed, max_rows, n_incomplete, epochs, n_reference) -> dict:
    rng = np.random.default_rng(seed)
    X = rows_of(table)
    flow = FlowDensity(missing="marginalize", max_epochs=epochs, random_state=seed, device="cpu")
    density = METHODS[method](flow).fit(X)
    complete = rng.permutation(X)[:max_rows]
    rows, index = with_holes(complete, n_incomplete, rng)
    density.score_samples(rows)
    result = {
        "complete_cpu_seconds": least_cpu(lambda: density.score_samples(complete)),
        "incomplete_cpu_seconds": least_cpu(lambda: density.score_samples(rows)),
    }
    result["price"] = result["incomplete_cpu_seconds"] / result["complete_cpu_seconds"]
    if method == "FlowDensity":
        found, stated = density.score_marginal(rows[index])
        reference, uncertain = density.score_marginal(rows[index], n_draws=n_reference)
        off = np.abs(found - reference)
        result |= {
            "off": float(np.median(off)),
            "largest": float(off.max()),
            "stated": float(np.median(stated)),
            "within_two": float(np.mean(off <= 2 * np.hypot(stated, uncertain))),
        }
    return result


def measure(study: Study) -> None:
    args = study.args
    for table in table_names(args.tables, TABLES):
        for seed in study.seeds:
            for method in args.methods:
                settings = {
                    "max_rows": args.max_rows,
                    "n_incomplete": args.incomplete,
                    "epochs": args.epochs,
                    "n_reference": args.reference_draws,
                }
                about = {"data": table, "seed": seed, "method": method}
                study.cell(about, settings, fit_and_time, method, table, seed, *settings.values())


def report(results: list[dict]) -> None:
    figures = {
        "complete_cpu_seconds": "complete (s)",
        "incomplete_cpu_seconds": "some incomplete (s)",
        "price": "price",
        "off": "off by (nats)",
        "largest": "at most",
        "stated": "stated",
        "within_two": "within 2 stated",
    }
    rows = [
        [r["data"], r["method"], *(f"{r[key]:.3g}" if key in r else "-" for key in figures)]
        for r in results
    ]
    print_table("Rows of which some are incomplete", ["table", "method", *figures.values()], rows)


def main() -> None:
    study = Study("incomplete_rows", __doc__, seeds=1, budget=None)
    few = list(SHIPPED[:1])
    study.option("--tables", nargs="+", selects="data", smoke=few, help="tables, by name")
    names = {"nargs": "+", "choices": METHODS, "default": list(METHODS)}
    study.option("--methods", selects="method", help="densities", **names)
    study.option("--max-rows", type=int, default=400, smoke=60, help="rows that are scored")
    study.option("--incomplete", type=int, default=50, smoke=8, help="of which some are incomplete")
    study.option("--epochs", type=int, default=60, smoke=2, help="epochs of training")
    study.option("--reference-draws", type=int, default=4096, smoke=256, help="of the reference")
    study.run(measure, report)


if __name__ == "__main__":
    main()
