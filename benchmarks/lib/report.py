"""Tables of results as text, and what goes into their cells."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# Standard errors that a mean difference must exceed, and pairs that must be there.
N_ERRORS, FEWEST_PAIRS = 2.0, 5


def select(results: Iterable[dict], **about: Any) -> list[dict]:
    """Results with these entries."""
    return [r for r in results if about.items() <= r.items()]


def distinct(results: Iterable[dict], *keys: str) -> list[tuple]:
    """Values of some entries, in the order in which they first come."""
    return list(dict.fromkeys(tuple(r[k] for k in keys) for r in results))


def in_order(names: Iterable[str], results: Sequence[dict], key: str = "method") -> list[str]:
    """Those names that have results, then the others that have."""
    found = [name for (name,) in distinct(results, key)]
    known = [name for name in names if name in found]
    return known + [name for name in found if name not in known]


def means(
    results: Sequence[dict], key: str, rows: Sequence[str], methods: Sequence[str], by: str = "data"
) -> np.ndarray:
    """Means over seeds, shape (n_rows, n_methods), NaN where there are none."""
    values: dict[tuple, list[float]] = {}
    for r in results:
        if key in r:
            values.setdefault((r[by], r["method"]), []).append(r[key])
    return np.array([[np.mean(values.get((a, m), np.nan)) for m in methods] for a in rows])


def mean(results: Iterable[dict], key: str, digits: int) -> str:
    """Mean over the results that have a value, '-' without any."""
    values = [r[key] for r in results if r.get(key) is not None]
    return f"{np.mean(values):.{digits}f}" if values else "-"


def spread(values: Iterable[float | None], digits: int) -> str:
    """Mean and standard deviation of the values that are there."""
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    text = f"{np.mean(there):.{digits}f}"
    return text if len(there) < 2 else f"{text} +- {np.std(there, ddof=1):.{digits}f}"


def mean_and_error(values: np.ndarray, digits: int) -> str:
    """Mean and its standard error."""
    if len(values) < 2:
        return f"{values.mean():.{digits}f}"
    error = values.std(ddof=1) / math.sqrt(len(values))
    return f"{values.mean():.{digits}f} +- {error:.{digits}f}"


def paired(results: Sequence[dict], first: str, second: str, key: str) -> np.ndarray:
    """Differences of two methods, over all cells that agree in data, rows and seed."""
    pairs = []
    for r in select(results, method=first):
        same = {k: r[k] for k in ("data", "n_train", "seed")}
        pairs += [r[key] - other[key] for other in select(results, **same, method=second)]
    return np.array(pairs)


def verdict(pairs: np.ndarray, digits: int = 3) -> tuple[str, str, str]:
    """Wins, mean difference with its standard error, and whether that tells anything."""
    wins = f"{(pairs > 0).sum()} of {len(pairs)}"
    if len(pairs) < 2 or not np.isfinite(pairs).all():
        return wins, f"{pairs.mean():+.{digits}f}", "cannot tell"
    centre, error = pairs.mean(), pairs.std(ddof=1) / math.sqrt(len(pairs))
    told = "within noise" if abs(centre) <= N_ERRORS * error else "yes" if centre > 0 else "no"
    told = told if len(pairs) >= FEWEST_PAIRS else "cannot tell"
    return wins, f"{centre:+.{digits}f} +- {error:.{digits}f}", told


def format_table(header: list[str], rows: list[list[str]]) -> str:
    """Aligned text: first column to the left, the others to the right."""
    widths = [max(len(row[j]) for row in [header, *rows]) for j in range(len(header))]

    def line(cells: list[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1])] + [cell.rjust(w) for cell, w in others])

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, rows)])


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """A table below a line that says what it shows; nothing if it is empty."""
    if rows:
        print(f"\n{title}\n{format_table(header, rows)}")


def print_figures(
    results: Sequence[dict],
    figures: Mapping[str, tuple[str, int, int]],
    methods: Sequence[str],
    halves: Mapping[str, Collection[str]],
    unranked: Collection[str] = (),
) -> None:
    """A table a figure: means by data and method, and mean ranks over halves of the data.

    A figure has a title, digits, and 1 where more is better, -1 where less is, or 0.
    """
    names = [name for (name,) in distinct(results, "data")]
    may_rank = np.array([method not in unranked for method in methods])
    for key, (title, digits, better) in figures.items():
        values = means(results, key, names, methods)
        rows = [
            [name, *(f"{v:.{digits}f}" if np.isfinite(v) else "-" for v in row)]
            for name, row in zip(names, values, strict=True)
        ]
        for half, members in halves.items():
            inside = [i for i, name in enumerate(names) if name in members]
            if better and inside:
                rows.append([f"mean rank, {half}", *mean_ranks(values[inside], better, may_rank)])
        print_table(title, ["table", *methods], rows)


def mean_ranks(values: np.ndarray, better: int, may_rank: np.ndarray) -> list[str]:
    """Mean rank of each column that may have one and has all values, '-' of the others."""
    takes_part = np.isfinite(values).all(0) & may_rank
    order = (-better * values[:, takes_part]).argsort(1).argsort(1) + 1
    texts = iter(f"{rank:.1f}" for rank in order.mean(0))
    return [next(texts) if part else "-" for part in takes_part]
