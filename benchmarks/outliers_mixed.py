"""Outliers of tables with text, categories, dates and missing values.

- made: orders of a shop (--n-made tables, 3,000 rows to train and 3,000 to test, of which 60 do not
  belong, in six ways), with dates, values missing, a running number that goes on in the test rows,
  and a note of its own for each. Four ways break a rule that links columns (a category against all
  numbers, a total, shipping against weight, a region against its city), one is a quantity out of
  range, one a payment that training does not have.
- real: tables of the half "choose" of OddBench with at least two columns of at most 20 distinct
  whole numbers, which become text; a twentieth of all values is missing.

The default detector takes the DataFrame as it is. `TableDensity` and the others get what their
user does by hand: running numbers and notes are dropped, dates become days, and for "one-hot"
methods text becomes a column of zeros and ones for each level (none for new ones), medians stand in
for missing numbers, and numbers are standardised. The flow within `TableDensity` integrates missing
values out, and stops training after --budget seconds of wall time; rows that each lack other values
make its scores slow.
"""

from __future__ import annotations

import os

from lib.methods import WARM_UP_ROWS, Builder, warm_up
from lib.mixed_methods import BUDGETED, MIXED_DETECTORS
from lib.mixed_tables import MixedTable, is_mixed, real_table
from lib.oddbench import HALVES, oddbench_names
from lib.orders import ODDITIES, made_orders
from lib.outlier_tables import fit_and_score, report_detectors
from lib.report import in_order, mean, print_table, select
from lib.runner import Study

PARTS = ("made", "real")


def table_names(study: Study, part: str) -> list[str]:
    args = study.args
    if part == "made":
        return [f"orders {number}" for number in range(args.n_made)]
    if not (args.tables or os.environ.get("FLOWKIT_DATA")):
        print("FLOWKIT_DATA is not set: real tables are left out")
        return []
    return args.tables or [n for n in oddbench_names(HALVES[:1]) if is_mixed(n, args.max_train)]


def load(study: Study, part: str, name: str, seed: int) -> MixedTable:
    args = study.args
    if part == "made":
        return made_orders(int(name.split()[1]), args.max_train, args.made_test, args.made_odd)
    return real_table(name, seed, args.max_train)


def builder(method: str, identifiers: tuple[str, ...]) -> Builder:
    """Builder of a detector for a table with these identifiers."""
    return lambda seed, budget: MIXED_DETECTORS[method](seed, budget, identifiers)


def measure(study: Study) -> None:
    args, warm = study.args, set()
    limits = {name: getattr(args, name) for name in ("max_train", "made_test", "made_odd")}
    for seed in study.seeds:
        for part in args.parts:
            for name in table_names(study, part):
                about = {"part": part, "data": name, "seed": seed}
                if not study.lacks({**about, "method": method} for method in args.methods):
                    continue
                table = load(study, part, name, seed)
                split = table.train, table.test, table.anomalous
                for method in args.methods:
                    build = builder(method, table.identifiers)
                    if method not in warm and not args.smoke:
                        warm_up(build, table.train[:WARM_UP_ROWS])
                        warm.add(method)
                    budget = {"budget": args.budget} if method in BUDGETED else {}
                    work = fit_and_score, build, split, seed, study.budget, table.kinds
                    study.cell({**about, "method": method}, {**limits, **budget}, *work)


def report_kinds(results: list[dict]) -> None:
    """AUROC of each kind of oddity against the usual rows."""
    keys = [f"auroc, {kind}" for kind in ODDITIES]
    rows = [
        [method, *(mean(select(results, method=method), key, 3) for key in keys)]
        for method in in_order(MIXED_DETECTORS, results)
    ]
    print_table("made: AUROC of each thing that is wrong", ["method", *ODDITIES], rows)


def main() -> None:
    study = Study("outliers_mixed", __doc__, seeds=1, budget=20.0, smoke_budget=0.2)
    names = {"nargs": "+", "choices": PARTS, "default": list(PARTS)}
    study.option("--parts", selects="part", smoke=["made"], help="which tables", **names)
    study.option("--tables", nargs="+", help="real ones; all that are mixed by default")
    names = {"nargs": "+", "choices": MIXED_DETECTORS, "metavar": "METHOD"}
    study.option("--methods", selects="method", default=list(MIXED_DETECTORS), **names)
    study.option("--n-made", type=int, default=5, smoke=1, help="made tables")
    study.option("--max-train", type=int, default=3000, smoke=80, help="most training rows")
    study.option("--made-test", type=int, default=3000, smoke=60, help="made test rows")
    study.option("--made-odd", type=int, default=60, smoke=12, help="of which do not belong")
    study.option("--each", action="store_true", help="print each table as well")

    def report(results: list[dict]) -> None:
        for part in PARTS:
            if those := select(results, part=part):
                report_detectors(those, part, list(MIXED_DETECTORS), each=study.args.each)
        report_kinds(select(results, part="made"))

    study.run(measure, report)


if __name__ == "__main__":
    main()
