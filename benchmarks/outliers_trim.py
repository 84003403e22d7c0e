"""Outliers among the training rows: what `trim` gains there, and what it costs without them.

- unsupervised: all rows of a table of OddBench are pooled, at most --max-train are drawn, and these
  are both trained on and scored: anomalies are left in training, as many as the table has. Tables
  of which fewer than five are drawn are left out.
- one-class: the clean training rows of the table, at most --max-train, and all of its test rows.

Halves of tables are those of outliers_oddbench.py, and so are the settings of the peers. In the
unsupervised protocol columns are standardised by all rows that are drawn.
"""

from __future__ import annotations

import numpy as np
from lib.data import standardised
from lib.methods import DEFAULT_DETECTOR, DETECTORS, warm_up
from lib.oddbench import HALVES, half_of, oddbench_names, split_of_oddbench
from lib.outlier_tables import fit_and_score, report_detectors
from lib.report import distinct, select
from lib.runner import Study

TRIMMED = [DEFAULT_DETECTOR, f"{DEFAULT_DETECTOR}, trim=0.3"]
METHODS = {
    "unsupervised": [*TRIMMED, "IsolationForest", "kNN", "smooth mixture"],
    "one-class": TRIMMED,
}
FEWEST_ANOMALIES = 5


def split_with_anomalies(name: str, max_train: int):
    """Rows to train on and to score, which are the same, and whether they are anomalies."""
    train, test, anomalous = split_of_oddbench(name, np.iinfo(int).max)
    rows = np.vstack([train, test])
    labels = np.append(np.zeros(len(train), dtype=bool), anomalous)
    drawn = np.random.RandomState(0).permutation(len(rows))[:max_train]
    rows, labels = standardised(rows[drawn], np.arange(len(drawn))), labels[drawn]
    return rows, rows, labels


def measure(study: Study) -> None:
    args = study.args
    if not args.smoke:
        warm_up(DETECTORS[DEFAULT_DETECTOR])
    for seed in study.seeds:
        for table in oddbench_names(args.half, args.tables):
            for protocol in args.protocols:
                about = {"half": half_of(table), "protocol": protocol}
                about |= {"data": table, "seed": seed}
                if protocol == "one-class":
                    split = split_of_oddbench(table, args.max_train)
                else:
                    split = split_with_anomalies(table, args.max_train)
                if split[2].sum() < FEWEST_ANOMALIES:
                    continue
                for method in METHODS[protocol]:
                    work = fit_and_score, DETECTORS[method], split, seed, study.budget
                    study.cell({**about, "method": method}, {"max_train": args.max_train}, *work)


def report(results: list[dict]) -> None:
    for half, protocol in distinct(results, "half", "protocol"):
        chosen = select(results, half=half, protocol=protocol)
        report_detectors(chosen, f"{half}, {protocol}", METHODS[protocol], each=False)


def main() -> None:
    study = Study("outliers_trim", __doc__, seeds=1, budget=None)
    names = {"nargs": "+", "choices": HALVES, "default": list(HALVES)}
    study.option("--half", selects="half", help="which tables", **names)
    names = {"nargs": "+", "choices": METHODS, "default": list(METHODS)}
    study.option("--protocols", selects="protocol", help="what trains", **names)
    few = ["iris", "wine"]
    study.option("--tables", nargs="+", selects="data", smoke=few, help="all of --half by default")
    study.option("--max-train", type=int, default=1000, smoke=60, help="most training rows")
    study.run(measure, report)


if __name__ == "__main__":
    main()
