"""The columns of a table, as a report reads them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..columns import find_ties
from ..validation import as_objects, container_of, is_missing_value, labels_of

LEVELS, DATES, NUMBERS = "categorical", "date", "number"


@dataclass(frozen=True, eq=False)
class Column:
    """A column of the table.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        What the density takes it for, or what its type is.
    why : str
        The reason, empty where nothing gives one.
    values : ndarray of object of shape (n,)
        Its values, None where one is missing.
    numbers : ndarray of shape (n,) or None
        They as numbers, dates as days since 1970, NaN where one is missing; None of levels.
    """

    name: str
    kind: str
    why: str
    values: np.ndarray
    numbers: np.ndarray | None

    @property
    def is_level(self) -> bool:
        """Whether it holds levels, which have no distances."""
        return self.numbers is None

    @cached_property
    def present(self) -> np.ndarray:
        """Values that are not missing, as numbers where they are such."""
        if self.is_level:
            return np.array([value for value in self.values if value is not None], dtype=object)
        return self.numbers[~np.isnan(self.numbers)]

    @cached_property
    def counts(self) -> list[tuple[object, int]]:
        """Distinct values and how many rows hold each, the most frequent first."""
        return Counter(self.present.tolist()).most_common()

    @cached_property
    def n_missing(self) -> int:
        """Number of rows that lack a value."""
        return len(self.values) - len(self.present)

    @property
    def top_share(self) -> float:
        """Share of the rows with a value that hold the most frequent one."""
        return self.counts[0][1] / len(self.present) if self.counts else np.nan

    @cached_property
    def heavy_values(self) -> list:
        """Values of numbers that many rows share, outside any lattice."""
        if self.is_level or len(self.counts) < 2:
            return []
        return find_ties(self.present)[1]

    def told(self, number: float):
        """A number of this column as it is written: dates as dates."""
        if self.kind == DATES and np.isfinite(number):
            return str(np.datetime64(round(number), "D"))
        return float(number)

    def described(self) -> dict:
        """What there is to say of the column, as plain values."""
        found = {
            "column": self.name,
            "kind": self.kind,
            "why": self.why,
            "missing": self.n_missing,
            "distinct": len(self.counts),
            "most_frequent": self.counts[0][0] if self.counts else None,
            "share_of_most_frequent": float(self.top_share),
        }
        if self.is_level:
            return {**found, "low": None, "median": None, "high": None}
        found["most_frequent"] = self.told(found["most_frequent"]) if self.counts else None
        ends = np.quantile(self.present, [0, 0.5, 1]) if len(self.present) else [np.nan] * 3
        return {
            **found,
            **{k: self.told(v) for k, v in zip(("low", "median", "high"), ends, strict=True)},
        }


def read_columns(X, estimator=None, like=None) -> list[Column]:
    """Columns of a table.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        The table.
    estimator : estimator, default=None
        What was fitted to it: a `TableDensity` tells the kinds of its columns.
    like : list of Column, default=None
        Columns of another table of the same kind, whose kinds these have.
    """
    container = container_of(X)
    columns = [as_objects(column) for column in container.columns()]
    if like is not None:
        heads = [(c.name, c.kind, c.why) for c in like]
        are_levels = [c.is_level for c in like]
    else:
        told = estimator._report_lines() if hasattr(estimator, "_report_lines") else None
        heads = told or [(name, None, "") for name in names_of(X, estimator)]
        are_levels = [head[1] == LEVELS for head in heads]
    return [
        _read(values, *head[:3], is_level)
        for values, head, is_level in zip(columns, heads, are_levels, strict=True)
    ]


def names_of(X, estimator=None) -> list[str]:
    """Names of the columns of a table, x0, x1 and so on where they have none."""
    labels = container_of(X).labels
    if labels is None and estimator is not None:
        labels = labels_of(estimator)
    n_columns = container_of(X).shape[1]
    return [f"x{j}" for j in range(n_columns)] if labels is None else [str(name) for name in labels]


def _read(values, name, kind, why, is_level):
    missing = np.array([is_missing_value(value) for value in values], dtype=bool)
    values = np.where(missing, None, values)
    numbers, found = (None, LEVELS) if is_level else _numbers(values, missing)
    return Column(name, kind or found, why, values, numbers)


def _numbers(values, missing):
    """Values as numbers, if they are such, and what kind of values they are."""
    numbers = np.full(len(values), np.nan)
    present = values[~missing]
    try:
        numbers[~missing] = present.astype(np.float64)
        return numbers, NUMBERS
    except (TypeError, ValueError):
        pass
    try:
        numbers[~missing] = [np.datetime64(v, "us").astype(float) / 86_400e6 for v in present]
    except (TypeError, ValueError):
        return None, LEVELS
    return (None, LEVELS) if any(isinstance(v, str) for v in present) else (numbers, DATES)
