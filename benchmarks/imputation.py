"""Missing values of real tables: how far off they are filled, and whether draws cover them.

A fifth of the values of a standardised table is hidden; imputers are fitted to what is left and
fill it. Values are missing completely at random ('mcar'); at random given the first column, of
which high values hide others ('mar'); or in blocks of a third of the columns, in rows drawn at
random ('blocks'). Of the hidden values: the root mean square error in standard deviations, and the
share that lies between the quantiles 0.05 and 0.95 of 50 draws, where a method has draws.
"""

from __future__ import annotations

import numpy as np
from lib.clocks import Stopwatch
from lib.data import SHIPPED, load_table, table_names
from lib.imputers import IMPUTERS
from lib.report import distinct, in_order, means, print_table, select
from lib.runner import Study
from sklearn.datasets import load_diabetes

SHARE, N_DRAWS, COVERAGE = 0.2, 50, 0.9
TABLES = (
    *("diabetes", "breast_cancer", "wine", "wells", "6_cardio"),
    *("44_Wilt", "28_pendigits", "40_vowels", "22_magic.gamma", "14_glass"),
)
FIGURES = {
    "rmse": "Root mean square error (standard deviations)",
    "coverage": f"Share of hidden values in intervals of {COVERAGE} from draws",
    "cpu_seconds": "CPU seconds of a fit and its means",
}


def hidden(shape: tuple[int, int], mechanism: str, X: np.ndarray, rng) -> np.ndarray:
    """Which values are hidden, not all of a row."""
    n, d = shape
    if mechanism == "mcar":
        holes = rng.uniform(size=shape) < SHARE
    elif mechanism == "mar":
        rank = X[:, 0].argsort().argsort() / n
        holes = rng.uniform(size=shape) < 2 * SHARE * rank[:, None]
        holes[:, 0] = False
    else:
        width = max(1, d // 3)
        first = rng.integers(d, size=n)
        within = (np.arange(d) - first[:, None]) % d < width
        holes = within & (rng.uniform(size=(n, 1)) < SHARE * d / width)
    whole = holes.all(1)
    holes[whole, rng.integers(d, size=whole.sum())] = False
    return holes


def rows_of(table: str) -> np.ndarray:
    return load_diabetes().data if table == "diabetes" else load_table(table)


def fit_and_fill(
    method: str, table: str, mechanism: str, seed: int, max_rows: int, budget: float
) -> dict:
    rng = np.random.default_rng(seed)
    X = rng.permutation(rows_of(table))[:max_rows]
    X = X[:, np.ptp(X, axis=0) > 0]
    X = (X - X.mean(0)) / X.std(0)
    holes = hidden(X.shape, mechanism, X, rng)
    model = IMPUTERS[method](seed, budget)
    with Stopwatch() as watch:
        model.fit(np.where(holes, np.nan, X))
        filled = model.mean()
    error = (filled - X)[holes]
    result = {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "cpu_seconds": watch.cpu,
        "n_rows": len(X),
        "n_columns": X.shape[1],
    }
    if hasattr(model, "draws"):
        tail = (1 - COVERAGE) / 2
        low, high = np.quantile(model.draws(N_DRAWS)[:, holes], [tail, 1 - tail], axis=0)
        result["coverage"] = float(np.mean((low <= X[holes]) & (X[holes] <= high)))
    return result


def measure(study: Study) -> None:
    args = study.args
    for table in table_names(args.tables, TABLES):
        for mechanism in args.mechanisms:
            for seed in study.seeds:
                for method in args.methods:
                    about = {"data": table, "missing": mechanism, "seed": seed, "method": method}
                    settings = {"max_rows": args.max_rows, "budget": args.budget}
                    given = method, table, mechanism, seed, args.max_rows, study.budget
                    study.cell(about, settings, fit_and_fill, *given)


def report(results: list[dict]) -> None:
    for (mechanism,) in distinct(results, "missing"):
        chosen = select(results, missing=mechanism)
        methods = in_order(IMPUTERS, chosen)
        tables = [name for (name,) in distinct(chosen, "data")]
        for key, title in FIGURES.items():
            values = means(chosen, key, tables, methods)
            rows = [
                [table, *(f"{v:.3f}" if np.isfinite(v) else "-" for v in row)]
                for table, row in zip(tables, values, strict=True)
            ]
            print_table(f"{mechanism}: {title}", ["table", *methods], rows)


def main() -> None:
    study = Study("imputation", __doc__, seeds=3, budget=60.0)
    study.option(
        "--tables", nargs="+", selects="data", smoke=list(SHIPPED[:1]), help="tables, by name"
    )
    study.option(
        "--mechanisms",
        nargs="+",
        choices=("mcar", "mar", "blocks"),
        default=["mcar", "mar", "blocks"],
        selects="missing",
        help="why values are missing",
    )
    study.option(
        "--methods",
        nargs="+",
        choices=IMPUTERS,
        default=list(IMPUTERS),
        selects="method",
        smoke=["DensityImputer", "k neighbours", "mean"],
        help="columns",
    )
    study.option("--max-rows", type=int, default=1000, smoke=80, help="rows drawn from a table")
    study.run(measure, report)


if __name__ == "__main__":
    main()
