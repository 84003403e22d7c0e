"""How the default detector reads a table, as nodes of a graph: what is missing is filled."""

from __future__ import annotations

from ..exceptions import NotExportableError
from ._graph import Value
from ._view_nodes import normal_scores


def read_table(reading, x: Value) -> Value:
    """Rows as the default densities see them, without a missing value.

    Parameters
    ----------
    reading : TableReading
        What was learned of the columns.
    x : Value of shape (n, d)
        Rows of numbers, NaN where one is missing.

    Returns
    -------
    Value of shape (n, n_columns)
        Columns of numbers, and of zeros and ones that say what is missing.

    Raises
    ------
    NotExportableError
        If a column holds levels.
    """
    values, where = [], {}
    for j, column in enumerate(reading._columns):
        if column.is_level and column.is_level[0]:
            raise NotExportableError(
                f"expected a detector of columns of numbers, got column {column.name} of text, "
                "categories or nothing but missing values. Encode it as numbers or leave it out "
                "before fit, or keep the detector in a file by flowkit.save."
            )
        if column.is_level:
            where[j] = len(values)
            values.append(j)
    filled = _completed(reading._donors, x.take(values))
    parts = []
    for j, place in where.items():
        parts.append(filled.take([place]))
        if len(reading._columns[j].is_level) > 1:
            parts.append(x.take([j]).is_nan().cast("DOUBLE"))
    return parts[0].beside(*parts[1:])


def _completed(donors, x):
    """Numbers, those that are missing taken from the training row that is most alike."""
    gaps = x.is_nan()
    filled = gaps.where(donors._medians, x)
    compared = normal_scores(donors._normal_scores, filled).cast("FLOAT")
    squares = None
    for j, of_donors in enumerate(donors._compared.T):
        # In the precision in which the donors are compared.
        gap = compared.take([j]) - x.graph.value(of_donors[None]).cast("FLOAT")
        square = gap.square() * (~gaps.take([j])).cast("FLOAT")
        squares = square if squares is None else squares + square
    nearest = x.graph.add("ArgMin", squares, axis=1, keepdims=0)
    lent = x.graph.value(donors._rows).entries(nearest)
    lent = gaps.all(1, keepdims=True).where(donors._medians, lent)
    return gaps.where(lent, x)
