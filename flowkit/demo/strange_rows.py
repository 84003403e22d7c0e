"""Wrong orders among right ones: found, and with reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from ..datasets import make_orders
from ..inspection import ExplanationDisplay
from ..outliers import DensityOutlierDetector
from ._other_detectors import scores_of_others
from ._report import (
    INK,
    MUTED,
    OTHERS,
    OURS,
    aligned,
    headline,
    new_figure,
    paragraph,
    plain,
    with_remarks,
)

HEADING = "1. Rows that do not belong, and why"
_SEED = 0
_OURS = "DensityOutlierDetector"
_UNITS = {"price": "price (EUR)", "total": "total (EUR)", "weight": "weight (kg)"}
_N_TOLD, _N_CANDIDATES = 3, 20


def show(quick: bool):
    """What the detector finds among new orders, as text and as a figure."""
    n_train, n_test, n_wrong = (200, 100, 6) if quick else (2000, 2000, 60)
    rng = np.random.default_rng(_SEED)
    train = _presented(make_orders(n_train, random_state=rng).data)
    orders = make_orders(n_test, n_wrong, first_order=n_train, random_state=rng)
    test, wrong = _presented(orders.data), orders.target
    detector, remarks = with_remarks(DensityOutlierDetector(random_state=_SEED).fit, train)
    scores = {_OURS: detector.score_samples(test), **scores_of_others(train, test)}
    is_wrong, order = wrong != "", np.argsort(scores[_OURS])
    # The strangest first; reasons of rows take longer than their scores.
    explained = order[is_wrong[order] | (np.arange(n_test) < _N_CANDIDATES)]
    named = detector.reasons(test.iloc[explained], n_columns=2).columns
    strangest = explained[first_of_each(named[:_N_CANDIDATES, 0])[:_N_TOLD]]
    is_right_name = (named == _named(wrong[explained])[:, None])[is_wrong[explained]]
    text = [
        paragraph(
            f"{n_train:,} orders of a shop to learn from, and {n_test:,} new ones, made up so that "
            f"it is known that {n_wrong} of these are wrong in one value. Text, dates and missing "
            "values go in as they are:"
        ),
        f"\n{train.head(3).to_string(index=False)}\n",
        paragraph(f"The detector says: {' '.join(remarks)}"),
        "",
        paragraph(
            "The strangest orders whose first reasons differ. An effect tells how much more likely "
            "the order were with a value that fits the others: e times for each nat."
        ),
        f"\n{_told(detector, test, wrong, strangest)}\n",
        paragraph(
            f"The wrong value is named first in {is_right_name[:, 0].mean():.0%} of the wrong "
            f"orders, among the first two in {is_right_name.any(axis=1).mean():.0%}."
        ),
        "",
        _compared(scores, is_wrong),
        paragraph(
            "AUROC: chance that a wrong order is stranger than a right one. The others get what "
            "their users do by hand: identifiers dropped, dates as days, text as columns of zeros "
            "and ones, medians for missing numbers, all standardised."
        ),
    ]
    return "\n".join(text), _drawn(detector, test, wrong, scores, strangest)


def _presented(frame: Any) -> Any:
    """Orders as a shop would write them: cents, grams, days, and units in the names."""
    rounded = frame.round({"price": 2, "total": 2, "weight": 3})
    return rounded.assign(day=frame["day"].dt.normalize()).rename(columns=_UNITS)


def _named(columns) -> np.ndarray:
    return np.array([_UNITS.get(column, column) for column in columns], dtype=object)


def first_of_each(names) -> np.ndarray:
    """Positions where a name comes for the first time."""
    return np.sort(np.unique(names.astype(str), return_index=True)[1])


def _told(detector, test, wrong, rows) -> str:
    """Reasons of some rows, each with what is wrong about it."""
    told = test.iloc[rows]
    labels = [
        f"{number} ({f'wrong: {what}' if what else 'right'})"
        for number, what in zip(told["order"], _named(wrong[rows]), strict=True)
    ]
    return str(detector.reasons(told.set_axis(labels), n_columns=2))


def _compared(scores: dict[str, np.ndarray], is_wrong: np.ndarray) -> str:
    n = is_wrong.sum()
    rows = [["", "AUROC", "average precision", f"wrong among the {n} strangest"]]
    for name, values in scores.items():
        found = is_wrong[np.argsort(values)[:n]].sum()
        auroc, precision = (
            f"{metric(is_wrong, -values):.3f}"
            for metric in (roc_auc_score, average_precision_score)
        )
        rows.append([name, auroc, precision, f"{found} of {n}"])
    return aligned(rows)


def _drawn(detector, test, wrong, scores, strangest):
    """How soon wrong orders are found, and the reasons of some."""
    figure = new_figure(8, 5.8)
    headline(
        figure, f"{(wrong != '').sum()} wrong orders among {len(test):,}: found, and explained"
    )
    above, below = figure.subfigures(2, 1, height_ratios=(3, 1.9))
    _draw_found(above.subplots(), scores, wrong != "")
    _draw_reasons(below.subplots(1, len(strangest)), detector, test, wrong, strangest)
    return figure


def _draw_found(ax, scores, is_wrong):
    n = is_wrong.sum()
    looked_at = np.arange(1, min(5 * n, len(is_wrong)) + 1)
    ax.plot(looked_at, np.minimum(looked_at, n), ":", color=MUTED, linewidth=1)
    ax.annotate("none missed", (n, n), (4, -3), textcoords="offset points", va="top", color=MUTED)
    for (name, values), color in zip(scores.items(), (OURS, *OTHERS), strict=True):
        found = np.cumsum(is_wrong[np.argsort(values)])[looked_at - 1]
        ax.plot(looked_at, found, color=color, linewidth=2.4 if name == _OURS else 1.6, label=name)
    ax.set(
        xlim=(0, looked_at[-1]),
        ylim=(0, 1.04 * n),
        xlabel="orders looked at, the strangest first",
        ylabel="wrong orders found",
    )
    ax.legend(frameon=False, fontsize=9, loc="center right", bbox_to_anchor=(1, 0.64))
    plain(ax)


def _draw_reasons(axes, detector, test, wrong, rows):
    """Effects of columns on a few orders."""
    display = ExplanationDisplay.from_estimator(detector, test.iloc[rows], max_features=3, ax=axes)
    for panel, i in zip(display.axes_, rows, strict=True):
        truth = f"wrong: {wrong[i]}" if wrong[i] else "right"
        panel.set_title(f"order {test['order'].iloc[i]}\n{truth}", fontsize=10, color=INK)
