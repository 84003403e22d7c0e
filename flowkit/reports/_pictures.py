"""The pictures of a report."""

from __future__ import annotations

import numpy as np

from ._axes import Axes
from ._columns import DATES
from ._comparison import OURS, Comparison
from ._draws import Draws
from ._numbers import shown, ticks
from ._strange import StrangeRows
from ._training import Training

_N_BINS, _MOST_LEVELS, _MOST_DOTS = 24, 8, 500
# Share of the values that histograms leave out on either side, where tails are long.
_TAIL = 0.005
# Share of the epochs, the worst ones, that do not decide how low a curve goes.
_EARLY = 0.1
# How far below the highest mean the lowest is drawn, in distances to the median one.
_REACH = 4.0
# Free space beside the values, as a share of their range.
_ROOM = 0.04
_WIDE = (560, 220)
_ROW = 24
_LETTER = 6.2


def training_curve(training: Training) -> str:
    """Mean log density of training rows and hold-out, by epoch."""
    curves = {"train": training.train, "held": training.valid}
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves.values()])
    if not len(values):
        return ""
    axes = Axes(
        (training.epochs[0], training.epochs[-1]),
        _around(np.quantile(values, _EARLY), values.max()),
        xlabel="epoch",
        ylabel="mean log density (nats)",
        size=_WIDE,
    )
    for name, curve in curves.items():
        axes.line(training.epochs, np.maximum(curve, axes.ylim[0]), name)
    if training.best_epoch is not None:
        axes.upright(training.best_epoch, "mark", f"epoch {training.best_epoch} kept")
    return axes.svg("Mean log density of training rows and hold-out after each epoch")


def means(comparison: Comparison) -> str:
    """Mean log densities of held-out rows, with twice their standard errors of the difference."""
    names = [name for name, s in comparison.scores.items() if np.isfinite(s).any()]
    if not names:
        return ""
    centers = {}
    for name in names:
        s = comparison.scores[name]
        error = 0.0 if name == OURS else 2 * np.nan_to_num(comparison.gain(name)[1])
        centers[name] = s[np.isfinite(s)].mean(), error
    low = min(center - error for center, error in centers.values())
    high = max(center + error for center, error in centers.values())
    # Of one that is far lower than most, the others would be one dot.
    only_centers = np.array([center for center, _ in centers.values()])
    top = only_centers.max()
    reach = _REACH * (top - np.median(only_centers))
    low, high = max(low, top - reach), min(high, top + reach)
    axes = Axes(
        _around(low, high),
        (-0.5, len(names) - 0.5),
        xlabel="mean log density of held-out rows (nats)",
        size=(_WIDE[0], 66 + _ROW * len(names)),
        yticks=[(len(names) - 1 - i, name) for i, name in enumerate(names)],
    )
    for i, name in enumerate(names):
        center, error = centers[name]
        row, style = len(names) - 1 - i, "data" if name == OURS else "other"
        axes.span(center - error, center + error, row, style)
        axes.dots([center], [row], f"{style} whole", 4)
    return axes.svg("Mean log density of held-out rows by each density")


def score_histogram(scores: np.ndarray, strange: StrangeRows | None, label: str) -> str:
    """How often each score is, with the strangest rows below."""
    finite = scores[np.isfinite(scores)]
    if len(finite) < 2:
        return ""
    low, high = _range(finite, room=0)
    # Rows far below are counted in the first bar.
    edges = np.linspace(low, high, 2 * _N_BINS + 1)
    counts, _ = np.histogram(np.clip(finite, low, high), edges)
    axes = Axes(
        (edges[0], edges[-1]), (0, counts.max() * 1.08), xlabel=label, ylabel="rows", size=_WIDE
    )
    axes.bars(edges[:-1], edges[1:], counts, "data")
    if strange is not None:
        shown_at = np.clip(strange.scores, low, high)
        axes.dots(shown_at, np.full(len(shown_at), counts.max() * 0.03), "drawn whole", 3)
    return axes.svg("Histogram of the scores of all rows")


def margin(draws: Draws, j: int) -> str:
    """One column of data, as bars, and of draws, as a line."""
    data, drawn = draws.data[j], draws.drawn[j]
    if data.is_level:
        return _levels(data, drawn)
    low, high = _range(data.present)
    values = np.unique(data.present)
    whole = len(values) <= _N_BINS and np.array_equal(values, np.rint(values))
    if whole and high - low <= 2 * _N_BINS:
        edges = np.arange(np.rint(low), np.rint(high) + 2) - 0.5
    else:
        edges = np.linspace(low, high, _N_BINS + 1)
    shares = [_shares(column.present, edges) for column in (data, drawn)]
    axes = Axes(
        (edges[0], edges[-1]),
        (0, 1.08 * max(share.max() for share in shares)),
        title=_cut(data.name),
        xticks=_date_ticks(edges) if data.kind == DATES else None,
        yticks=[],
    )
    axes.bars(edges[:-1], edges[1:], shares[0], "data soft")
    axes.steps(edges, shares[1], "drawn")
    return axes.svg(f"Column {data.name}: data and draws")


def _levels(data, drawn):
    levels = [value for value, _ in data.counts[:_MOST_LEVELS]]
    counts = [dict(column.counts) for column in (data, drawn)]
    totals = [max(len(column.present), 1) for column in (data, drawn)]
    shares = [[c.get(v, 0) / n for v in levels] for c, n in zip(counts, totals, strict=True)]
    positions = np.arange(len(levels))
    room = 268 / max(len(levels), 1)
    axes = Axes(
        (-0.6, len(levels) - 0.4),
        (0, 1.08 * max(map(max, shares))),
        title=_cut(data.name),
        xticks=[(i, _cut(str(v), max(2, int(room / _LETTER)))) for i, v in enumerate(levels)],
        yticks=[],
    )
    axes.bars(positions - 0.38, positions, shares[0], "data soft")
    axes.bars(positions, positions + 0.38, shares[1], "drawn soft")
    return axes.svg(f"Column {data.name}: shares of levels in data and draws")


def pair(draws: Draws, i: int, j: int, seed: int) -> str:
    """Two columns of data and draws against each other."""
    limits = [_range(draws.data[k].present) for k in (i, j)]
    names = [draws.data[k].name for k in (i, j)]
    axes = Axes(
        *limits,
        title=f"{_cut(names[1], 20)} by {_cut(names[0], 20)}",
        xticks=_date_ticks(limits[0]) if draws.data[i].kind == DATES else None,
        yticks=_date_ticks(limits[1]) if draws.data[j].kind == DATES else None,
    )
    rng = np.random.RandomState(seed)
    for columns, name in ((draws.data, "data"), (draws.drawn, "drawn")):
        x, y = columns[i].numbers, columns[j].numbers
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        chosen = rng.permutation(known)[:_MOST_DOTS]
        axes.dots(x[chosen], y[chosen], name)
    return axes.svg(f"{names[1]} against {names[0]}, data and draws")


def _date_ticks(limits):
    low, high = float(np.min(limits)), float(np.max(limits))
    return [(day, str(np.datetime64(round(day), "D"))) for day in ticks(low, high, 2)]


def _range(values, room=_ROOM):
    """Ends of most values: all of them, unless tails are long."""
    low, high = values.min(), values.max()
    inner = np.quantile(values, [_TAIL, 1 - _TAIL])
    if high - low > 2 * (inner[1] - inner[0]) > 0:
        low, high = inner
    return _around(low, high, room)


def _around(low, high, room=_ROOM):
    room = room * (high - low) if high > low else 0.5
    return float(low - room), float(high + room)


def _shares(values, edges):
    counts, _ = np.histogram(values, edges)
    return counts / max(len(values), 1)


def _cut(text, most=34):
    text = shown(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
