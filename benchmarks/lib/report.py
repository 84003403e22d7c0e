"""Tables of results as text, and what goes into their cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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
