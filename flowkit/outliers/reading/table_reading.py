"""A table of anything as a table of numbers, without a word from the user."""

from __future__ import annotations

import numpy as np

from ...exceptions import IdentifierWarning, InvalidDataError
from ...validation import container_of, name_columns, warn
from ._columns import IdentifierReading, reading_of
from ._donors import Donors


class TableReading:
    """The columns of numbers and of codes that a table becomes.

    Numbers and booleans stay as they are, dates become days. Text and categories become codes from
    the most frequent level on; those of fewer than five rows share the last code with all that
    training has not seen, so that a new level is as strange as rare levels are. A missing level is
    a level. A missing number is that of the training row that is most alike, so that it is neither
    strange by itself nor beside the others; where training lacks a fifth of the numbers of a column
    or more, a further column says which. A running index, dates that rise or fall from row to row,
    and levels that are all rare say nothing of a row: they are left out.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Training rows.
    names : list
        Names of the columns.

    Attributes
    ----------
    is_left_out : ndarray of bool of shape (n_features,)
        Which columns of X say nothing of a row.
    is_level : ndarray of bool of shape (n_columns,)
        Which of the columns that a call returns hold codes of levels.
    names : list of str
        Names of these columns.

    Raises
    ------
    InvalidDataError
        If no column is left, or a number is infinite.
    UnsupportedValueError
        If a value is neither a number nor a date, and cannot be a level.
    """

    def __init__(self, X, names):
        self._columns = [
            reading_of(column, name)
            for column, name in zip(container_of(X).columns(), names, strict=True)
        ]
        self.is_left_out = np.array([isinstance(one, IdentifierReading) for one in self._columns])
        self.is_level = np.array([flag for one in self._columns for flag in one.is_level], bool)
        self.names = [name for one in self._columns for name in one.names]
        if not self.is_level.size:
            raise InvalidDataError(
                "no column says anything of a row: each one is a running index, dates in order, or "
                "text that hardly repeats. Give a column of numbers or of levels."
            )
        # The first of the columns that each one becomes; the others say what is missing.
        self._values = np.cumsum([0, *(len(one.is_level) for one in self._columns)])[:-1]
        self._values = self._values[[bool(one.is_level) for one in self._columns]]
        self._donors = Donors(self._read(X)[:, self._values], self.is_level[self._values])

    def warn_of_identifiers(self) -> None:
        """Warn of the columns that are left out, with an IdentifierWarning, if there are any."""
        if self.is_left_out.any():
            names = np.array([str(one.name) for one in self._columns])
            left_out = name_columns(np.flatnonzero(self.is_left_out), names)
            warn(
                f"column(s) {left_out} tell rows apart but say nothing of them, as a running "
                "index, dates in order or text that hardly repeats do, and are left out. Drop them "
                "to be without this warning, or encode them as numbers that mean something.",
                IdentifierWarning,
            )

    def __call__(self, X) -> np.ndarray:
        """Rows as numbers, shape (n_samples, n_columns): codes of levels, and no NaN.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            float64.

        Raises
        ------
        InvalidDataError
            If a number is infinite.
        UnsupportedValueError
            If a column of numbers holds something else.
        """
        read = self._read(X)
        read[:, self._values] = self._donors.complete(read[:, self._values])
        return read

    def _read(self, X):
        """Rows as numbers, NaN where one is missing."""
        columns = container_of(X).columns()
        read = [one(column) for one, column in zip(self._columns, columns, strict=True)]
        return np.column_stack([column for parts in read for column in parts])
