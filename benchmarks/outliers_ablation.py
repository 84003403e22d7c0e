"""Parts and settings of flowkit's outlier detector against its defaults, on OddBench.

The default detector combines four densities: each is left out, each stands alone, and single
settings of each are changed. Tables and protocol are those of outliers_oddbench.py, on the half on
which the defaults were chosen unless --half says otherwise; the detector has no budget. Figures of
that half flatter what was chosen on it, which is the default.
"""

from __future__ import annotations

from typing import Any

from lib.methods import DEFAULT_DETECTOR, detector, warm_up
from lib.oddbench import HALVES, half_of, oddbench_names, split_of_oddbench
from lib.outlier_tables import fit_and_score, report_detectors
from lib.report import distinct, select
from lib.runner import Study

# The default densities, in their order.
PARTS = ("kernels", "ranked neighbours", "forest", "single columns")


def chosen(*parts: str, **changes: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a detector of some of the default densities, with what differs from them."""
    by_position = {PARTS.index(name): {} for name in parts or PARTS}
    by_position |= {PARTS.index(name.replace("_", " ")): given for name, given in changes.items()}
    return {"density": sorted(by_position.items())}


# name -> parameters of DensityOutlierDetector; "density" has, for some of its default densities by
# their number, what differs from them.
VARIANTS: dict[str, dict[str, Any]] = {
    DEFAULT_DETECTOR: {},
    **{f"without {part}": chosen(*(p for p in PARTS if p != part)) for part in PARTS},
    **{f"{part} alone": chosen(part) for part in PARTS},
    "kernels at their bandwidth": chosen(kernels={"bandwidth_factor": 1.0}),
    "kernels without the flow": chosen(kernels={"n_transforms": 0}),
    "kernels without noise": chosen(kernels={"noise": None}),
    "1 ranked neighbour": chosen(ranked_neighbours={"n_neighbors": 1}),
    "20 ranked neighbours": chosen(ranked_neighbours={"n_neighbors": 20}),
    "forest with leaves of 1": chosen(forest={"min_samples_leaf": 1}),
    "n_estimators=3": {"n_estimators": 3},
}


def measure(study: Study) -> None:
    args = study.args
    builders = {name: detector(**VARIANTS[name]) for name in args.methods}
    if not args.smoke:
        warm_up(builders[args.methods[0]])
    for seed in study.seeds:
        for table in oddbench_names(args.half, args.tables):
            about = {"half": half_of(table), "data": table, "seed": seed}
            if not study.lacks({**about, "method": name} for name in builders):
                continue
            split = split_of_oddbench(table, args.max_train)
            for name, build in builders.items():
                told = {key: repr(value) for key, value in VARIANTS[name].items()}
                work = fit_and_score, build, split, seed, study.budget
                settings = {"max_train": args.max_train, **told}
                study.cell({**about, "method": name}, settings, *work)


def main() -> None:
    study = Study("outliers_ablation", __doc__, seeds=1, budget=None)
    names = {"nargs": "+", "choices": HALVES, "default": [HALVES[0]]}
    study.option("--half", selects="half", smoke=list(HALVES), help="which tables", **names)
    one = ["wine"]
    study.option("--tables", nargs="+", selects="data", smoke=one, help="all of --half by default")
    few = [DEFAULT_DETECTOR, "without forest", "forest alone", "kernels without the flow"]
    names = {"nargs": "+", "choices": VARIANTS, "default": list(VARIANTS), "metavar": "METHOD"}
    study.option("--methods", selects="method", smoke=few, help="settings", **names)
    study.option("--max-train", type=int, default=2000, smoke=40, help="most training rows")
    study.option("--each", action="store_true", help="print each table as well")

    def report(results: list[dict]) -> None:
        for (half,) in distinct(results, "half"):
            report_detectors(select(results, half=half), half, list(VARIANTS), each=study.args.each)

    study.run(measure, report)


if __name__ == "__main__":
    main()
