"""Outliers of OddBench: the default detector beside its peers, also on tables not chosen on.

160 tables with clean training rows and fixed splits; AUROC and average precision of the anomalies
among the test rows, for which no method sees a label. At most --max-train training rows are drawn,
the same for all methods and seeds; all test rows that are stored count. Columns that are constant
in training are dropped, all others standardised by the training rows, once for all methods.

A hash of its name puts each table into one of two halves. Whatever was decided about the defaults
of the detector was decided on the half "choose"; the figures of "confirm" flatter nobody.

Methods have the settings of outliers.py; "mean of five mixtures" averages five smooth mixtures of
the size that BIC wants, which differ in their seeds. CPU seconds are those of one thread, after a
first fit that counts for nothing. Means and ranks are over the tables on which all the methods
shown have results; what failed is listed at the end. Gains are paired, table by table.
"""

from __future__ import annotations

from lib.methods import BUDGETED, DEFAULT_DETECTOR, DETECTORS, LIBRARIES, warm_up
from lib.oddbench import HALVES, half_of, oddbench_names, split_of_oddbench
from lib.outlier_tables import fit_and_score, report_detectors
from lib.report import distinct, select
from lib.runner import Study

REFERENCE = "DTE-NP"
METHODS = [DEFAULT_DETECTOR, REFERENCE, "kNN", "LOF", "IsolationForest", "KernelDensity"]
METHODS += ["smooth mixture", "mean of five mixtures"]


def measure(study: Study) -> None:
    args, warm = study.args, set()
    methods = study.installed(args.methods, LIBRARIES)
    for seed in study.seeds:
        for table in oddbench_names(args.half, args.tables):
            about = {"half": half_of(table), "data": table, "seed": seed}
            if not study.lacks({**about, "method": m} for m in methods):
                continue
            split = split_of_oddbench(table, args.max_train)
            for method in methods:
                if method not in warm and not args.smoke:
                    warm_up(DETECTORS[method])
                    warm.add(method)
                budget = {"budget": args.budget} if method in BUDGETED else {}
                settings = {"max_train": args.max_train, **budget}
                work = fit_and_score, DETECTORS[method], split, seed, study.budget
                study.cell({**about, "method": method}, settings, *work)


def main() -> None:
    study = Study("outliers_oddbench", __doc__, seeds=1, budget=20.0, smoke_budget=0.1)
    names = {"nargs": "+", "choices": HALVES, "default": list(HALVES)}
    study.option("--half", selects="half", help="which tables", **names)
    few = ["iris", "wine"]
    study.option("--tables", nargs="+", selects="data", smoke=few, help="all of --half by default")
    names = {"nargs": "+", "choices": DETECTORS, "metavar": "METHOD", "default": METHODS}
    study.option("--methods", selects="method", help="detectors", **names)
    study.option("--max-train", type=int, default=2000, smoke=40, help="most training rows")
    study.option("--each", action="store_true", help="print each table as well")

    def report(results: list[dict]) -> None:
        options = {"reference": REFERENCE, "each": study.args.each}
        for (half,) in distinct(results, "half"):
            report_detectors(select(results, half=half), half, METHODS, **options)

    study.run(measure, report)


if __name__ == "__main__":
    main()
