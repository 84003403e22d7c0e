"""Outliers of tables: flowkit's default detector, its densities, and what people use today.

Every table of ADBench (without FLOWKIT_DATA, small ones that ship with scikit-learn), AUROC and
average precision of the anomalies, for which no method sees a label. Columns that are constant in
training are dropped, all others standardised by the training rows, once for all methods.

- one-class: half of the normal rows train, the others and all anomalies test.
- unsupervised: a random sample of all rows trains, anomalies included, and all rows test. Where the
  table is no larger than --max-train, seeds differ in the methods' own randomness alone.

--max-train and --max-test cap both. Capped test rows keep the share of anomalies, but for tables
with hardly any: ten are kept, which raises their average precision.

Every method has its library's defaults and no tuning, but for these: kNN and DTE-NP have five
neighbours, mixtures one to ten normals by BIC, KernelDensity Scott's bandwidth; "smooth mixture" is
a GaussianMixture with reg_covar=0.01 instead of 1e-6, which suits rows of unit variance better, and
"mean of five mixtures" the mean density of five of these; the MAF has five transforms of 64 x 64
units. flowkit's densities and the MAF stop training once the
budget is used up, with the best weights so far; the default detector has no budget. CPU seconds are
those of one thread, after a first fit that counts for nothing. Ranks, and means over tables, are of
the tables on which all the methods shown have results; values of a table are means over seeds.

All of it takes half a day. Seeds can go to processes and files of their own, with --first-seed and
--output, and be joined with --merge.
"""

from __future__ import annotations

from lib.data import split_for_outliers, table_names
from lib.methods import BUDGETED, DETECTORS, LIBRARIES, warm_up
from lib.outlier_tables import fit_and_score, report_detectors
from lib.report import distinct, select
from lib.runner import Study

PROTOCOLS = ("one-class", "unsupervised")
SMOKE_METHODS = ["DensityOutlierDetector", "PHVAE", "kNN", "DTE-NP", "LOF", "IsolationForest"]
SMOKE_METHODS += ["smooth mixture", "ECOD", "PyOD VAE", "zuko MAF"]


def measure(study: Study) -> None:
    args, warm = study.args, set()
    limits = {"max_train": args.max_train, "max_test": args.max_test}
    methods = study.installed(args.methods or DETECTORS, LIBRARIES)
    for seed in study.seeds:
        for protocol in args.protocols:
            for table in table_names(args.tables):
                about = {"protocol": protocol, "data": table, "seed": seed}
                if not study.lacks({**about, "method": m} for m in methods):
                    continue
                split = split_for_outliers(table, protocol, seed, **limits)
                for method in methods:
                    if method not in warm and not args.smoke:
                        warm_up(DETECTORS[method])
                        warm.add(method)
                    budget = {"budget": args.budget} if method in BUDGETED else {}
                    work = fit_and_score, DETECTORS[method], split, seed, study.budget
                    study.cell({**about, "method": method}, {**limits, **budget}, *work)


def report(results: list[dict]) -> None:
    for (protocol,) in distinct(results, "protocol"):
        report_detectors(select(results, protocol=protocol), protocol, list(DETECTORS))


def main() -> None:
    study = Study("outliers", __doc__, seeds=5, budget=20.0, smoke_budget=0.1)
    names = {"nargs": "+", "choices": PROTOCOLS, "default": list(PROTOCOLS)}
    study.option("--protocols", selects="protocol", help="what trains", **names)
    study.option("--tables", nargs="+", selects="data", smoke=["wine"], help="all by default")
    names = {"nargs": "+", "choices": DETECTORS, "metavar": "METHOD", "smoke": SMOKE_METHODS}
    study.option("--methods", selects="method", help="all by default", **names)
    study.option("--max-train", type=int, default=5000, smoke=40, help="most training rows")
    study.option("--max-test", type=int, default=10_000, smoke=40, help="most test rows")
    study.run(measure, report)


if __name__ == "__main__":
    main()
