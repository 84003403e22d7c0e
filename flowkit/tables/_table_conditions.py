"""Conditions of a density of tables, in names, levels and units of the table."""

from __future__ import annotations

import numpy as np

from ..conditions import ConditionalDensity
from ..exceptions import InvalidDataError, UnsupportedValueError
from ._column_reading import read_columns
from ._dates import dates_as_numbers
from ._table_questions import TableQuestions


class TableConditions(ConditionalDensity):
    """Methods of a density of tables that answer questions about its columns."""

    def _questions(self):
        return TableQuestions(self._encoded_density(), self._names())

    def _levels(self):
        codecs = enumerate(self._codecs)
        return {j: codec.level_values for j, codec in codecs if codec.levels is not None}

    def _numbers(self, X):
        """Rows of a table as numbers, levels by their position."""
        return self._rows(self._read(X, reset=False)[0])

    def _numbers_given(self, column, j, parameter):
        name, codec = self._names()[j], self._codecs[j]
        if codec.is_date:
            numbers = _date_numbers(column, codec, name, parameter)
        else:
            numbers = codec.read(_raw(column, name))
        if numbers is None:
            raise InvalidDataError(
                f"column {name} was {self.kinds_[j]} in fit, but {parameter} holds values that are "
                "not numbers: give it as numbers."
            )
        if np.isinf(numbers).any():
            raise InvalidDataError(
                f"{parameter} holds infinity for column {name}: give finite numbers."
            )
        open_ = np.isnan(numbers)
        possible = codec.contains(numbers, self.cells == "probability")
        if parameter == "given":
            # Rows that are drawn hold what is given.
            numbers_or_any = np.where(open_, codec.typical, numbers)
            possible &= codec.fits(numbers_or_any, self._form.dtypes[j])
        return numbers, open_ | possible

    def _why_outside(self, i, j):
        codec = self._codecs[j]
        is_number = codec.keeps_type and codec.levels is None
        typed = f", in type {self._form.dtypes[j]}" if is_number else ""
        return (
            f"the value given for column {self._names()[j]} in row {i} has no probability, as the "
            f"column holds {codec.support()}{typed}: give another."
        )

    def _in_units(self, numbers, j):
        return self._codecs[j].in_units(numbers)

    def _bounds_of_numbers(self):
        """Bounds of the columns of numbers, infinite where they are open, by their names."""
        columns = zip(self._names(), self._kinds, self._codecs, strict=True)
        return {
            name: kind.bounds
            for name, kind, codec in columns
            if codec.levels is None and not codec.is_date
        }

    def _scored_rows(self, X):
        rows = self._numbers(X)
        log_density, error = np.full(len(rows), -np.inf), np.zeros(len(rows))
        inside = self._contained(rows).all(1)
        if inside.any():
            found = self._encoded_density().estimates(rows[inside])
            log_density[inside], error[inside] = found.T
        return rows, log_density, error

    def _own_kernels(self, X):
        rows = self._numbers(X)
        inside = self._contained(rows).all(1)
        found = self._encoded_density().own_kernels(rows[inside]) if inside.any() else None
        if found is None:
            return None
        own = np.full((len(rows), *found.shape[1:]), -1)
        own[inside] = found
        return own

    def _in_form(self, rows, columns):
        codecs = [self._codecs[j] for j in columns]
        form = self._form.of_columns(columns)
        missing = np.isnan(rows)
        rows = np.where(missing, [codec.typical for codec in codecs], rows)
        parts = zip(codecs, rows.T, form.dtypes, strict=True)
        values = [codec.typed(x, dtype) for codec, x, dtype in parts]
        return form.build(values, [codec.keeps_type for codec in codecs], missing)


def _raw(column, name):
    """A column that is given, as one of a table."""
    table = column.to_frame() if hasattr(column, "to_frame") else column[:, None]
    return read_columns(table, [name])[0]


def _date_numbers(column, codec, name, parameter):
    """Dates that are given, as text or in any of their types, as numbers."""
    typed = hasattr(column, "to_frame") and _is_of_dates(column.dtype)
    try:
        return codec.read(_raw(column, name)) if typed else dates_as_numbers(column, codec.unit)
    except ValueError as error:
        if isinstance(error, UnsupportedValueError):
            raise
        raise InvalidDataError(
            f"column {name} holds dates, but {parameter} does not: {error}."
        ) from error


def _is_of_dates(dtype):
    return getattr(dtype, "kind", "O") == "M" or getattr(dtype, "is_temporal", bool)()
