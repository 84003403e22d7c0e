"""Tables of outlier detectors: means over data sets, each data set, and pairs with the default."""

from __future__ import annotations

import numpy as np

from .clocks import Stopwatch
from .data import by_number
from .methods import DEFAULT_DETECTOR, Builder
from .metrics import measure_scores
from .report import distinct, in_order, means, print_table, select, verdict

# A method this near to the best of a table is as good as first.
NEAR = 0.005
CLOCKS = ("fit_cpu_seconds", "score_cpu_seconds")


def fit_and_score(
    build: Builder,
    split: tuple[np.ndarray, np.ndarray, np.ndarray],
    seed: int,
    budget: float,
    kinds: np.ndarray | None = None,
) -> dict:
    """AUROC, average precision and both clocks of one detector.

    Parameters
    ----------
    build : callable
        Makes the detector.
    split : (ndarray, ndarray, ndarray)
        Training rows, test rows, and whether these are anomalies.
    seed : int
        Of the detector.
    budget : float
        CPU seconds of its training.
    kinds : ndarray of str or None, default=None
        What is wrong with each test row, empty text for those that belong: both measures are also
        those of each kind by itself.
    """
    train, test, anomalous = split
    with Stopwatch() as fitting:
        model = build(seed, budget).fit(train)
    with Stopwatch() as scoring:
        scores = model.score_samples(test)
    of_kinds: dict[str, float] = {}
    for kind in () if kinds is None else np.unique(kinds[anomalous]):
        shown = ~anomalous | (kinds == kind)
        of_kinds |= measure_scores(-scores[shown], anomalous[shown], f", {kind}")
    return {
        **measure_scores(-scores, anomalous),
        **fitting.seconds("fit"),
        **scoring.seconds("score"),
        "n_train": len(train),
        "n_test": len(test),
        "n_anomalies": int(anomalous.sum()),
        "d": train.shape[1],
        **of_kinds,
    }


def report_detectors(
    results: list[dict],
    title: str,
    order: list[str],
    *,
    reference: str | None = None,
    each: bool = True,
) -> None:
    """Means of detectors over the tables that all have, then each table, then pairs.

    Parameters
    ----------
    results : list of dict
        With entries ``data``, ``seed`` and ``method``.
    title : str
        What they are.
    order : list of str
        Methods.
    reference : str or None, default=None
        Method that each other one is compared with, beside the default detector.
    each : bool, default=True
        Whether each table is printed.
    """
    from scipy.stats import rankdata

    tables = sorted({r["data"] for r in results}, key=by_number)
    methods = in_order(order, results)
    auroc, precision = (means(results, k, tables, methods) for k in ("auroc", "average_precision"))
    complete = np.isfinite(auroc).all(1)
    counts = [len(select(results, method=m)) for m in methods]
    for method, count in zip(methods, counts, strict=True):
        if count < max(counts):
            print(f"{title}: {method} has {count} of {max(counts)} results")
    if not complete.any():
        print(f"{title}: no table has results of all of {', '.join(methods)}")
        return
    best = auroc[complete].max(1, keepdims=True)
    seconds = {
        key: [[r[key] for r in select(results, method=m)] for m in methods] for key in CLOCKS
    }
    # name -> values of all methods, and digits.
    columns = {
        "AUROC": (auroc[complete].mean(0), 4),
        "AP": (precision[complete].mean(0), 4),
        "rank": (rankdata(-auroc[complete], axis=1).mean(0), 2),
        "rank AP": (rankdata(-precision[complete], axis=1).mean(0), 2),
        "first": ((auroc[complete] == best).sum(0), 0),
        f"< {NEAR} off": ((auroc[complete] >= best - NEAR).sum(0), 0),
        "fit s": ([np.mean(s) for s in seconds["fit_cpu_seconds"]], 2),
        "most": ([np.max(s) for s in seconds["fit_cpu_seconds"]], 2),
        "score s": ([np.mean(s) for s in seconds["score_cpu_seconds"]], 2),
    }
    ranking = np.argsort(-columns["AUROC"][0])
    rows = [
        [methods[i], *(f"{values[i]:.{digits}f}" for values, digits in columns.values())]
        for i in ranking
    ]
    n_seeds = len(distinct(results, "seed"))
    head = f"{title}: means over the {complete.sum()} tables that all have, {n_seeds} seed(s);\n"
    head += "on how many tables a method is first in AUROC, or near; CPU seconds of fits"
    print_table(head, ["method", *columns], rows)
    if each:
        _report_each(title, tables, methods, auroc, ranking)
    if reference in methods:
        _report_gains(title, methods, auroc, precision, reference)
    if DEFAULT_DETECTOR in methods:
        _report_pairs(title, methods, auroc, precision)


def _report_each(
    title: str, tables: list[str], methods: list[str], auroc: np.ndarray, ranking: np.ndarray
) -> None:
    rows = []
    for table, values in zip(tables, auroc, strict=True):
        stars = np.where(values == np.nanmax(values), "*", " ")
        cells = [f"{values[i]:.3f}{stars[i]}" if np.isfinite(values[i]) else "-" for i in ranking]
        rows.append([table, *cells])
    header = ["table", *(methods[i] for i in ranking)]
    print_table(f"{title}: AUROC of each table, * the best", header, rows)


def _report_gains(
    title: str, methods: list[str], auroc: np.ndarray, precision: np.ndarray, reference: str
) -> None:
    """Each method against the reference, table by table."""
    base = methods.index(reference)
    others = [i for i in range(len(methods)) if i != base]
    rows = [[methods[i], *_compared(auroc, precision, i, base)] for i in others]
    header = ["method", "ahead in AUROC", "gain", "ahead in AP", "gain "]
    print_table(f"{title}: gain over {reference}, with standard errors over tables", header, rows)


def _report_pairs(title: str, methods: list[str], auroc: np.ndarray, precision: np.ndarray) -> None:
    """The default detector against each other method, table by table."""
    default = methods.index(DEFAULT_DETECTOR)
    others = [i for i in range(len(methods)) if i != default]
    rows = [[methods[i], *_compared(auroc, precision, default, i)] for i in others]
    header = ["other", "ahead in AUROC", "difference", "ahead in AP", "difference "]
    title = f"{title}: {DEFAULT_DETECTOR} less another method, with standard errors over tables"
    print_table(title, header, rows)


def _compared(auroc: np.ndarray, precision: np.ndarray, one: int, other: int) -> list[str]:
    """How often a method is ahead of another and by how much, by both measures."""
    cells: list[str] = []
    for values in (auroc, precision):
        pairs = values[:, one] - values[:, other]
        pairs = pairs[np.isfinite(pairs)]
        cells += verdict(pairs, 4)[:2] if len(pairs) else ("-", "-")
    return cells
