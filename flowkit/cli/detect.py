"""``flowkit detect``: the rows that do not belong."""

from __future__ import annotations

import argparse
import sys

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.utils import _safe_indexing

from ..exceptions import InvalidParameterError
from ..reports import told_reasons
from ._columns import check_target
from ._models import load_model, new_detector, read_selection
from ._tables import check_output, write_table

_RESULTS = ("row", "p_value", "score", "reasons")


def detect(options: argparse.Namespace) -> None:
    """Tell the strangest rows of a table, the strangest first, each with its p-value and reasons.

    Parameters
    ----------
    options : Namespace
        What the command was given.
    """
    check_output(options.output)
    check_target(options.target, _RESULTS)
    detector, table, scores, p = _scored(options)
    first = np.argsort(scores, kind="stable")[: options.top]
    reasons = detector.reasons(_safe_indexing(table.rows, first), n_columns=options.reasons)
    told = told_reasons(reasons)
    _tell_target(options, table.target, scores)
    values = (
        [table.row_labels[i] for i in first],
        p[first].tolist(),
        scores[first].tolist(),
        ["; ".join(lines) for lines in told],
    )
    columns = dict(zip(_RESULTS, values, strict=True))
    if table.target is not None:
        columns[options.target] = list(_safe_indexing(table.target, first))
    if options.output is None and options.format == "text":
        _print(columns, told, len(scores), options)
    else:
        write_table(columns, options.output, options.format)


def _scored(options):
    """A detector, and rows with their scores and p-values."""
    if options.model is not None:
        detector = load_model(options.model)
        if not hasattr(detector, "reasons") or not hasattr(detector, "calibration_scores_"):
            raise InvalidParameterError(
                f"--model {options.model!r} holds {type(detector).__name__}, which gives no "
                "p-values: make a detector by `flowkit fit --estimator detector`."
            )
    elif options.train is not None:
        train = read_selection(options, options.train, may_lack=True)
        detector = new_detector(options, train.rows).fit(train.rows)
    else:
        table = read_selection(options, options.data)
        detector = new_detector(options, table.rows).fit(table.rows)
        scores = detector.out_of_fold_scores_
        # Each row is among those that it is compared with.
        p = np.searchsorted(np.sort(scores), scores, side="right") / len(scores)
        return detector, table, scores, p
    table = read_selection(options, options.data, detector)
    scores = detector.score_samples(table.rows)
    return detector, table, scores, detector.p_values(table.rows)


def _print(columns, told, n, options):
    learned = "the rows themselves" if options.train is None else options.train
    learned = learned if options.model is None else options.model
    few = len(told)
    print(f"The {few} strangest of {n} rows, compared with {learned}.")
    print("p: share of the rows compared with that are at least as strange. Rows count from 1.\n")
    for i, lines in enumerate(told):
        label = "" if options.target is None else f", {options.target} {columns[options.target][i]}"
        print(f"row {columns['row'][i]}: p {columns['p_value'][i]:.3g}{label}")
        print("".join(f"    {line}\n" for line in lines), end="")


def _tell_target(options, target, scores):
    """How well scores tell the rarer of two values of a target."""
    if target is None or options.quiet:
        return
    values, codes, counts = np.unique(
        np.asarray(target).astype(str), return_inverse=True, return_counts=True
    )
    if len(values) == 2:
        rare = int(counts.argmin())
        auroc = roc_auc_score(codes == rare, -np.nan_to_num(scores, neginf=-1e300))
        print(
            f"flowkit: {options.target} {str(values[rare])!r} is stranger than "
            f"{str(values[1 - rare])!r} with a probability of {auroc:.3f} (AUROC).",
            file=sys.stderr,
        )
