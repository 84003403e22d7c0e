"""Synthetic tables, judged by how well they stand for real rows and how close they come to them.

Methods learn from rows of a real table of numbers and categories and draw as many; see
`lib.synthesis_tables`. Of the draws: the area under the ROC curve of gradient boosted trees that
are trained on them and tested on real rows; the mean distance of margins from those of real rows
(Kolmogorov-Smirnov, of categories total variation); the mean absolute difference of associations
of pairs of columns (Pearson's correlation, of categories Cramér's V, of a number and a category the
correlation ratio); the quality and diagnostic scores of sdmetrics; the median distance to the
closest training row, over that of real rows that nobody learned from; and the share that copies a
training row. Real rows are others than the training rows, whose own figures are what sampling
alone costs. The default of `TableDensity` was chosen on three tables, and three others confirm it.
"""

from __future__ import annotations

from lib.clocks import Stopwatch
from lib.report import in_order, print_figures
from lib.runner import Study
from lib.synthesis_rulers import associations, closeness, margins, of_sdmetrics, prediction
from lib.synthesis_tables import CHOOSE, CONFIRM, SHIPPED, TABLES, split_table
from lib.synthesizers import LIBRARIES, ROWS, SYNTHESIZERS

SMOKE_METHODS = [ROWS, "TableDensity", "one-hot mixture"]
# What is reported, its digits, and whether more is better.
FIGURES = {
    "auc": ("Area under the ROC curve, trained on draws and tested on real rows", 3, 1),
    "margins": ("Mean distance of margins", 3, -1),
    "associations": ("Mean absolute difference of associations", 3, -1),
    "quality": ("Quality report of sdmetrics", 3, 1),
    "diagnostic": ("Diagnostic report of sdmetrics", 3, 0),
    "closest": ("Distance to the closest training row, over that of real rows", 2, 0),
    "copied": ("Share of draws that copy a training row", 3, 0),
    "cpu_seconds": ("CPU seconds to fit and draw", 1, 0),
}


def fit_and_draw(method: str, table: str, seed: int, max_rows: int) -> dict:
    train, test, target = split_table(table, seed, max_rows)
    model = SYNTHESIZERS[method](seed)
    with Stopwatch() as watch:
        model.fit(train, target)
        drawn = model.sample(len(train))
    return {
        "n_train": len(train),
        "n_columns": train.shape[1],
        "auc": prediction(drawn, test, target, train),
        "margins": margins(test, drawn),
        "associations": associations(test, drawn),
        **of_sdmetrics(train, drawn),
        **closeness(train, test, drawn),
        "cpu_seconds": watch.cpu,
    }


def measure(study: Study) -> None:
    args = study.args
    for table in args.tables:
        for seed in study.seeds:
            for method in study.installed(args.methods or SYNTHESIZERS, LIBRARIES):
                about = {"data": table, "seed": seed, "method": method}
                given = method, table, seed, args.max_rows
                study.cell(about, {"max_rows": args.max_rows}, fit_and_draw, *given)


def report(results: list[dict]) -> None:
    methods = in_order(SYNTHESIZERS, results)
    print_figures(results, FIGURES, methods, {"choose": CHOOSE, "confirm": CONFIRM}, [ROWS])


def main() -> None:
    study = Study("synthesis", __doc__, seeds=1, budget=None)
    study.option(
        "--tables",
        nargs="+",
        choices=[*TABLES, SHIPPED],
        selects="data",
        default=list(TABLES),
        smoke=[SHIPPED],
        help="tables, by name",
    )
    study.option(
        "--methods",
        nargs="+",
        choices=SYNTHESIZERS,
        selects="method",
        smoke=SMOKE_METHODS,
        help="columns, all that are installed by default",
    )
    study.option("--max-rows", type=int, default=500, smoke=100, help="rows to learn from")
    study.run(measure, report)


if __name__ == "__main__":
    main()
