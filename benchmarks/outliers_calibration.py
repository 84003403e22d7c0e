"""Whether false alarms and false discoveries of the default detector come at the stated rates.

The --n-tables tables of the half "choose" of OddBench with the most training rows, of equally many
those with the most anomalies. Two thirds of the training rows of a table, at most --max-train,
train the detector; the rest are inliers that it has not seen. Each seed splits anew.

- False alarms: the share of held-out inliers below the threshold that `set_threshold` sets for a
  stated rate. Without calibration that is a share of the training rows.
- Discoveries: `select` looks for the anomalies among all held-out inliers, of which as many
  anomalies are drawn as make up --anomalies of the rows, or all that there are. The false
  discovery proportion is the share of inliers among the rows found (0 if none is), power the share
  of anomalies found.

Values of a table are means over seeds; shown are means over tables with their standard errors, and
the worst table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lib.methods import detector, warm_up
from lib.oddbench import HALVES, half_of, oddbench_names, split_of_oddbench
from lib.report import distinct, in_order, mean_and_error, means, print_table
from lib.runner import Study

# name -> parameters of the detector.
METHODS: dict[str, dict[str, Any]] = {
    "no calibration": {},
    "calibrate=True": {"calibrate": True},
    "calibrate='cv'": {"calibrate": "cv"},
}
RATES, ALPHAS = [0.01, 0.05, 0.1], [0.05, 0.1, 0.2]
TRAINING_SHARE = 2 / 3
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def largest_tables(n_tables: int) -> list[str]:
    """Tables with the most training rows, of equally many those with the most anomalies."""

    def size(name: str) -> tuple[int, int]:
        train, _, anomalous = split_of_oddbench(name, np.iinfo(int).max)
        return len(train), int(anomalous.sum())

    names = oddbench_names(HALVES[:1])
    return sorted(names, key=size, reverse=True)[:n_tables]


def draw_rows(table: str, seed: int, max_train: int, share: float) -> Rows:
    """Training rows, inliers that were held out, and as many anomalies as make up a share."""
    inliers, test, anomalous = split_of_oddbench(table, np.iinfo(int).max)
    rng = np.random.default_rng(seed)
    inliers, anomalies = rng.permutation(inliers), rng.permutation(test[anomalous])
    n_train = min(round(TRAINING_SHARE * len(inliers)), max_train)
    held_out = inliers[n_train:]
    n_anomalies = round(share / (1 - share) * len(held_out))
    return inliers[:n_train], held_out, anomalies[:n_anomalies]


def rates_of(method: str, rows: Rows, seed: int, rates: list[float], alphas: list[float]) -> dict:
    """False alarms, false discoveries and power of one fit."""
    train, held_out, anomalies = rows
    parameters = METHODS[method]
    model = detector(**parameters)(seed, np.inf).fit(train)
    counts = {"n_train": len(train), "n_inliers": len(held_out), "n_anomalies": len(anomalies)}
    found: dict[str, float] = {}
    for rate in rates:
        model.set_threshold(**{"rate" if parameters else "contamination": rate})
        found[f"alarms {rate:g}"] = float((model.predict(held_out) == -1).mean())
    if not parameters:
        return {**found, **counts}
    both = np.vstack([held_out, anomalies])
    for alpha in alphas:
        chosen = model.select(both, alpha)
        wrong, right = chosen[: len(held_out)].sum(), chosen[len(held_out) :].sum()
        found[f"discoveries {alpha:g}"] = float(wrong / max(wrong + right, 1))
        found[f"power {alpha:g}"] = float(right / len(anomalies))
    return {**found, **counts}


def measure(study: Study) -> None:
    args = study.args
    tables = args.tables or largest_tables(args.n_tables)
    if not args.smoke:
        warm_up(detector())
    settings = {name: getattr(args, name) for name in ("max_train", "anomalies")}
    for seed in study.seeds:
        for table in tables:
            about = {"half": half_of(table), "data": table, "seed": seed}
            if not study.lacks({**about, "method": method} for method in args.methods):
                continue
            rows = draw_rows(table, seed, args.max_train, args.anomalies)
            for method in args.methods:
                work = rates_of, method, rows, seed, args.rates, args.alphas
                study.cell({**about, "method": method}, settings, *work)


def report(results: list[dict]) -> None:
    stated = list(dict.fromkeys(key for r in results for key in r))
    for kind, title, worst in (
        ("alarms", "Share of held-out inliers below the threshold, by the stated rate", max),
        ("discoveries", "False discovery proportion of select, by alpha", max),
        ("power", "Share of the anomalies that select finds, by alpha", min),
    ):
        keys = [key for key in stated if key.split()[0] == kind]
        _report_rates(results, keys, title, worst)


def _report_rates(results: list[dict], keys: list[str], title: str, worst: Callable) -> None:
    tables = [table for (table,) in distinct(results, "data")]
    rows = []
    for method in in_order(METHODS, results):
        values = [means(results, key, tables, [method])[:, 0] for key in keys]
        values = [of_key[np.isfinite(of_key)] for of_key in values]
        if keys and all(map(len, values)):
            cells = [(mean_and_error(v, 3), f"{worst(v):.3f}") for v in values]
            rows.append([method, *(text for pair in cells for text in pair)])
    header = [text for key in keys for text in (key.split()[1], "worst")]
    print_table(f"{title}; {len(tables)} table(s)", ["method", *header], rows)


def main() -> None:
    study = Study("outliers_calibration", __doc__, seeds=3, budget=None)
    table = {"nargs": "+", "smoke": ["breast_cancer"], "selects": "data"}
    study.option("--tables", help="instead of the largest", **table)
    study.option("--n-tables", type=int, default=20, help="how many of the largest")
    names = {"nargs": "+", "choices": METHODS, "default": list(METHODS), "metavar": "METHOD"}
    study.option("--methods", selects="method", help="ways to calibrate", **names)
    several = {"type": float, "nargs": "+"}
    study.option("--rates", default=RATES, smoke=[0.1], help="false alarms", **several)
    study.option("--alphas", default=ALPHAS, smoke=[0.2], help="of select", **several)
    study.option("--anomalies", type=float, default=0.1, help="share among the rows of select")
    study.option("--max-train", type=int, default=2000, smoke=100, help="most training rows")
    study.run(measure, report)


if __name__ == "__main__":
    main()
