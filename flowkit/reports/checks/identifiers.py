"""R7: columns that look like identifiers, or hold codes for missing values."""

from __future__ import annotations

import numpy as np

from ._base import WARNING, Check, found, passed

_FEWEST_ROWS = 20
# Least share of rows with a level of their own, and most numbers that a running index leaves out.
_DISTINCT_SHARE, _GAPS = 0.9, 2.0


class Identifiers(Check):
    number, page = "R7", "identifiers_and_codes"
    title = "Columns that look like identifiers or codes"
    severity = WARNING

    def look(self, evidence):
        texts = []
        codes = {
            column.name: [value for value in column.heavy_values if value.far]
            for column in evidence.columns
        }
        known = {value.value for values in codes.values() for value in values}
        for column in evidence.columns:
            if _tells_rows_apart(column):
                texts.append(
                    f"Column {column.name} looks like an identifier: nearly every row has a value "
                    "of its own. Leave it out."
                )
            texts += [
                f"Column {column.name} holds {value.value:g} in {value.share:.1%} of the rows, far "
                "away from all others, as codes for missing values do. Make it a missing value."
                for value in codes[column.name]
            ]
            texts += [
                f"Column {column.name} holds {value:g} too, in {_share(column, value):.1%} of the "
                "rows."
                for value in known - {value.value for value in codes[column.name]}
                if not column.is_level and _share(column, value) > 0
            ]
        if texts:
            return found(" ".join(texts))
        return passed(
            "No column tells rows apart, and no value that several rows share stands far away from "
            "all others."
        )


def _share(column, value) -> float:
    """Share of the rows that hold a value."""
    return np.count_nonzero(column.present == value) / len(column.values)


def _tells_rows_apart(column) -> bool:
    n = len(column.present)
    if n < _FEWEST_ROWS:
        return False
    if column.is_level:
        return len(column.counts) >= _DISTINCT_SHARE * n
    whole = np.array_equal(column.present, np.rint(column.present))
    return bool(whole and len(column.counts) == n and np.ptp(column.present) < _GAPS * n)
