"""Distributions of a number given others: log density, CRPS, calibration, beside peers.

One column of a real table is predicted from the others; see `lib.regression_tables`. Targets are
standardised and, where they have ties, spread, the same for every method. Of the test rows: the
mean log density (nats), where a method has one; the continuous ranked probability score, twice the
mean pinball loss of 99 quantiles, in standard deviations; the root mean square error of the mean;
coverage and mean width of the interval between the quantiles 0.05 and 0.95, or of the method's own
intervals; and how many targets lie between neighbours of 10 equally likely quantiles, whose figure
is flat where a method is calibrated. Defaults were chosen on five tables, and five others confirm
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lib.clocks import Stopwatch
from lib.regression_tables import CHOOSE, CONFIRM, SHIPPED, TABLES, split_for_regression
from lib.regressors import LIBRARIES, REGRESSORS
from lib.report import in_order, print_figures, print_table, select
from lib.runner import Study

SHARES = np.arange(1, 100) / 100
COVERAGE, N_BINS = 0.9, 10
SMOKE_METHODS = ["ConditionalFlow", "ridge", "quantile HGB", "mixture density network"]
# What is reported, its digits, and whether more is better.
FIGURES = {
    "log_density": ("Mean log density (nats)", 3, 1),
    "crps": ("CRPS (standard deviations)", 4, -1),
    "rmse": ("Root mean square error (standard deviations)", 3, -1),
    "coverage": (f"Share of targets in intervals of coverage {COVERAGE}", 3, 0),
    "width": ("Mean width of these intervals (standard deviations)", 2, 0),
}


def crps(quantiles: np.ndarray, y: np.ndarray) -> float:
    """Twice the mean pinball loss."""
    error = y[:, None] - quantiles
    return float(2 * np.maximum(SHARES * error, (SHARES - 1) * error).mean())


def fit_and_score(method: str, table: str, seed: int, max_rows: int, budget: float) -> dict:
    train, targets, test, y = split_for_regression(table, seed, max_rows)
    model = REGRESSORS[method](seed, budget)
    with Stopwatch() as watch:
        model.fit(train, targets)
    quantiles = model.quantiles(test, SHARES)
    low, high = quantiles[:, 4], quantiles[:, 94]
    if hasattr(model, "interval"):
        low, high = model.interval(test, COVERAGE).T
    bins = (y[:, None] > quantiles[:, 9::10]).sum(1)
    result: dict[str, Any] = {"n_train": len(train)}
    if hasattr(model, "log_prob"):
        result["log_density"] = float(np.mean(model.log_prob(test, y)))
    mean = model.mean(test) if hasattr(model, "mean") else quantiles.mean(1)
    return result | {
        "crps": crps(quantiles, y),
        "rmse": float(np.sqrt(np.mean((y - mean) ** 2))),
        "coverage": float(np.mean((low <= y) & (y <= high))),
        "width": float(np.mean(high - low)),
        "bins": np.bincount(bins, minlength=N_BINS).tolist(),
        "fit_cpu_seconds": watch.cpu,
    }


def measure(study: Study) -> None:
    args = study.args
    for table in args.tables:
        for seed in study.seeds:
            for method in study.installed(args.methods or REGRESSORS, LIBRARIES):
                about = {"data": table, "seed": seed, "method": method}
                settings = {"max_rows": args.max_rows, "budget": args.budget}
                given = method, table, seed, args.max_rows, study.budget
                study.cell(about, settings, fit_and_score, *given)


def report(results: list[dict]) -> None:
    methods = in_order(REGRESSORS, results)
    print_figures(results, FIGURES, methods, {"choose": CHOOSE, "confirm": CONFIRM})
    print_table(
        "CPU seconds a fit, and uneven bins: root mean square of their shares over 1/10, less 1",
        ["", *methods],
        [
            ["CPU seconds", *(f"{_mean(results, m, 'fit_cpu_seconds'):.1f}" for m in methods)],
            ["unevenness", *(f"{unevenness(select(results, method=m)):.3f}" for m in methods)],
        ],
    )


def _mean(results: list[dict], method: str, key: str) -> float:
    return float(np.mean([r[key] for r in select(results, method=method)]))


def shares_of_bins(results: list[dict]) -> np.ndarray:
    """Mean share of targets in each bin, over tables and seeds."""
    bins = np.array([r["bins"] for r in results], dtype=float)
    return (bins / bins.sum(1, keepdims=True)).mean(0)


def unevenness(results: list[dict]) -> float:
    return float(np.sqrt(np.mean((N_BINS * shares_of_bins(results) - 1) ** 2)))


def draw(study: Study, results: list[dict]) -> None:
    """Histograms of the probability integral transform, a panel a method, beside the results."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    methods = in_order(REGRESSORS, results)
    n_columns = min(4, len(methods))
    n_rows = -(-len(methods) // n_columns)
    figure = Figure(figsize=(2.6 * n_columns, 2.1 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True, sharex=True).ravel()
    for axis, method in zip(axes, methods, strict=False):
        shares = shares_of_bins(select(results, method=method))
        axis.bar((np.arange(N_BINS) + 0.5) / N_BINS, N_BINS * shares, 0.9 / N_BINS, color="#0072b2")
        axis.axhline(1, color="0.3", lw=0.8, ls=":")
        axis.set_title(method, fontsize=9)
        axis.tick_params(labelsize=8, labelbottom=True)
    for axis in axes[len(methods) :]:
        axis.set_axis_off()
    figure.supxlabel("cumulative probability of the target", fontsize=9)
    figure.supylabel("targets over what a calibrated method has", fontsize=9)
    path = study.output.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=90)


def main() -> None:
    study = Study("regression", __doc__, seeds=3, budget=60.0)
    tables = {"nargs": "+", "selects": "data", "choices": TABLES, "default": list(TABLES)}
    study.option("--tables", **tables, smoke=list(SHIPPED[:1]), help="what is predicted")
    study.option(
        "--methods",
        nargs="+",
        choices=REGRESSORS,
        selects="method",
        smoke=SMOKE_METHODS,
        help="columns, all that are installed by default",
    )
    study.option("--max-rows", type=int, default=2000, smoke=120, help="rows drawn from a table")

    def report_and_draw(results: list[dict]) -> None:
        report(results)
        draw(study, results)

    study.run(measure, report_and_draw)


if __name__ == "__main__":
    main()
