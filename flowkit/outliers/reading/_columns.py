"""What the default detector makes of a column: a class for each thing it can be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from numbers import Integral

import numpy as np

from ...exceptions import InvalidDataError, UnsupportedValueError
from ...validation import a_kind_of, is_date, missing_in, shown
from ._running import is_running
from ._values import holds_dates, is_number, levels_of, numbers_of

# A level of fewer rows is a rare one; in a short table that is one of few rows in ten.
_FEWEST_ROWS, _LEAST_SHARE = 5, 0.1
# Less often, that a number is missing says more of chance than of the row.
_OFTEN_MISSING = 0.2


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
        """What a column of a table becomes: columns of float64, NaN where a number is missing."""


class IdentifierReading(ColumnReading):
    """A column that tells rows apart but says nothing of them: it becomes nothing."""

    def __call__(self, column):
        return []


class NumberReading(ColumnReading):
    """Numbers, NaN where one is missing; where training lacks many, levels that say so."""

    def __init__(self, numbers, name):
        super().__init__(name)
        self._refuse_infinite(numbers)
        is_often_missing = np.isnan(numbers).mean() >= _OFTEN_MISSING
        self.is_level = (False, True) if is_often_missing else (False,)

    def __call__(self, column):
        numbers = self._numbers(column)
        self._refuse_infinite(numbers)
        return [numbers, np.isnan(numbers).astype(np.float64)][: len(self.is_level)]

    def _numbers(self, column):
        if hasattr(column.dtype, "categories"):
            column = np.asarray(column, dtype=object)
        numbers = numbers_of(column)
        if numbers is None:
            present = column[~missing_in(column)]
            other = [value for value in present if not (is_number(value) or is_date(value))]
            value = other[0] if other else next(v for v in present if is_date(v))
            raise UnsupportedValueError(
                f"column {self.name} holds {shown(value)}, {a_kind_of(value)}, but held numbers or "
                "dates in training: give it numbers, or fit again with it as text."
            )
        return numbers

    def _refuse_infinite(self, numbers):
        if np.isinf(numbers).any():
            raise InvalidDataError(
                f"Input X contains infinity in column(s) {self.name}, or numbers too large for a "
                "float: drop these rows, or put the largest number that makes sense in its place."
            )


class LevelReading(ColumnReading):
    """Levels, coded from the most frequent on; rare and new ones share the last code."""

    is_level = (True,)

    def __init__(self, codes, name):
        super().__init__(name)
        self._codes = codes
        self._by_text = {str(level): code for level, code in codes.items() if _is_plain(level)}

    def __call__(self, column):
        levels = levels_of(column, self.name)
        return [np.array([self._code(level) for level in levels], np.float64)]

    def _code(self, level):
        rare = len(self._codes)
        # Files of text give whole numbers as text, or the other way round.
        return self._codes.get(level, self._by_text.get(str(level), rare))


def _is_plain(level) -> bool:
    return isinstance(level, str | Integral) and not isinstance(level, bool)


def reading_of(column, name, keeps_running: bool = False) -> ColumnReading:
    """What to make of a column of training.

    Parameters
    ----------
    column : ndarray or pandas.Series of shape (n,)
        The column, in its own type.
    name : object
        Its name.
    keeps_running : bool, default=False
        Whether a running index counts as numbers.

    Raises
    ------
    InvalidDataError
        If a number is infinite.
    UnsupportedValueError
        If a value is neither a number nor a date, and cannot be a level.
    """
    numbers = numbers_of(column)
    if numbers is not None and not np.isnan(numbers).all():
        if not keeps_running and is_running(numbers, holds_dates(column)):
            return IdentifierReading(name)
        return NumberReading(numbers, name)
    levels = levels_of(column, name)
    fewest = min(_FEWEST_ROWS, max(2, _LEAST_SHARE * len(levels)))
    counts = Counter(levels).most_common()
    codes = {level: i for i, (level, count) in enumerate(counts) if count >= fewest}
    return LevelReading(codes, name) if codes else IdentifierReading(name)
