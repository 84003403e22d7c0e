"""What the default detector makes of a column: a class for each thing it can be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

import numpy as np

from ...exceptions import UnsupportedValueError
from ...validation import a_kind_of, shown
from ._values import levels_of, numbers_of

# A level of fewer rows is a rare one.
_FEWEST_ROWS = 5
# Distinct whole numbers that fill this share of their range are a running index.
_INDEX_SHARE = 0.5
_FEWEST_ROWS_OF_AN_INDEX = 50


class ColumnReading(ABC):
    """How one column is read.

    Attributes
    ----------
    is_level : tuple of bool
        For each column that it becomes, whether that holds codes of levels.
    """

    is_level: tuple[bool, ...] = ()

    def __init__(self, name):
        self.name = name

    @property
    def names(self) -> list[str]:
        """Names of the columns that it becomes."""
        return [str(self.name), f"{self.name} is missing"][: len(self.is_level)]

    @abstractmethod
    def __call__(self, column) -> list[np.ndarray]:
        """What a column of a table becomes: columns of float64 without NaN."""


class IdentifierReading(ColumnReading):
    """A column that tells rows apart but says nothing of them: it becomes nothing."""

    def __call__(self, column):
        return []


class NumberReading(ColumnReading):
    """Numbers, the median where one is missing; where training lacks some, levels that say so."""

    def __init__(self, numbers, name):
        super().__init__(name)
        known = numbers[~np.isnan(numbers)]
        self._median = float(np.median(known)) if known.size else 0.0
        self.is_level = (False, True) if 0 < known.size < numbers.size else (False,)

    def __call__(self, column):
        numbers = numbers_of(column)
        if numbers is None:
            value = next(v for v in column if numbers_of(np.array([v], dtype=object)) is None)
            raise UnsupportedValueError(
                f"column {self.name} holds {shown(value)}, {a_kind_of(value)}, but held numbers or "
                "dates in training: give it numbers, or fit again with it as text."
            )
        missing = np.isnan(numbers)
        read = [np.where(missing, self._median, numbers), missing.astype(np.float64)]
        return read[: len(self.is_level)]


class LevelReading(ColumnReading):
    """Levels, coded from the most frequent on; rare and new ones share the last code."""

    is_level = (True,)

    def __init__(self, codes, name):
        super().__init__(name)
        self._codes = codes

    def __call__(self, column):
        rare = len(self._codes)
        levels = levels_of(column, self.name)
        return [np.array([self._codes.get(level, rare) for level in levels], np.float64)]


def reading_of(column, name) -> ColumnReading:
    """What to make of a column of training.

    Parameters
    ----------
    column : ndarray or pandas.Series of shape (n,)
        The column, in its own type.
    name : object
        Its name.
    """
    numbers = numbers_of(column)
    if numbers is not None:
        return IdentifierReading(name) if _is_index(numbers) else NumberReading(numbers, name)
    counts = Counter(levels_of(column, name)).most_common()
    codes = {level: i for i, (level, count) in enumerate(counts) if count >= _FEWEST_ROWS}
    return LevelReading(codes, name) if codes else IdentifierReading(name)


def _is_index(x) -> bool:
    """Whether numbers are whole, distinct, and so dense that they count rows."""
    if len(x) < _FEWEST_ROWS_OF_AN_INDEX or not (np.isfinite(x) & (x == np.rint(x))).all():
        return False
    return bool(len(x) > _INDEX_SHARE * (np.ptp(x) + 1)) and len(np.unique(x)) == len(x)
