"""Settings of flowkit's outlier detector against its defaults, in the one-class protocol.

Tables and protocol are those of outliers.py; the detector has no budget unless one is set.
"""

from __future__ import annotations

from typing import Any

from lib.data import split_for_outliers, table_names
from lib.methods import DEFAULT_DETECTOR, detector, warm_up
from lib.outlier_tables import fit_and_score, report_detectors
from lib.runner import Study

# name -> parameters of DensityOutlierDetector; "density" has, for some of its default densities by
# their number, what differs from them.
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULT_DETECTOR: {},
    "first density alone": {"density": [(0, {})]},
    "second alone": {"density": [(1, {})]},
    "third alone": {"density": [(2, {})]},
    "first and second": {"density": [(0, {}), (1, {})]},
    "first without noise": {"density": [(0, {"noise": None})]},
    "second at its bandwidth": {"density": [(1, {"bandwidth_factor": 1.0})]},
    "second, linear maps alone": {"density": [(1, {"n_transforms": 0})]},
    "second, normal prior": {"density": [(1, {"prior": "normal"})]},
    "n_estimators=3": {"n_estimators": 3},
}


def measure(study: Study) -> None:
    args = study.args
    limits = {"max_train": args.max_train, "max_test": args.max_test}
    builders = {name: detector(**VARIANTS[name]) for name in args.methods}
    if not args.smoke:
        warm_up(builders[args.methods[0]])
    for seed in study.seeds:
        for table in table_names(args.tables):
            split = split_for_outliers(table, "one-class", seed, **limits)
            for name, build in builders.items():
                told = {key: repr(value) for key, value in VARIANTS[name].items()}
                about = {"data": table, "seed": seed, "method": name}
                work = fit_and_score, build, split, seed, study.budget
                study.cell(about, {**limits, **told}, *work)


def report(results: list[dict]) -> None:
    report_detectors(results, "ablation", list(VARIANTS))


def main() -> None:
    study = Study("outliers_ablation", __doc__, seeds=5, budget=None)
    study.option("--tables", nargs="+", selects="data", smoke=["wine"], help="all by default")
    smoke = [DEFAULT_DETECTOR, "second alone", "second, linear maps alone"]
    names = {"nargs": "+", "choices": VARIANTS, "default": list(VARIANTS), "metavar": "METHOD"}
    study.option("--methods", selects="method", smoke=smoke, help="settings", **names)
    study.option("--max-train", type=int, default=5000, smoke=40, help="most training rows")
    study.option("--max-test", type=int, default=10_000, smoke=40, help="most test rows")
    study.run(measure, report)


if __name__ == "__main__":
    main()
