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
        for column in evidence.columns:
            if _tells_rows_apart(column):
                texts.append(
                    f"Column {column.name} looks like an identifier: nearly every row has a value "
                    "of its own. Leave it out."
                )
            codes = [value for value in column.heavy_values if value.far]
            texts += [
                f"Column {column.name} holds {value.value:g} in {value.share:.1%} of the rows, far "
                "away from all others, as codes for missing values do. Make it a missing value."
                for value in codes
            ]
        if texts:
            return found(" ".join(texts))
        return passed(
            "No column tells rows apart, and no value that several rows share stands far away from "
            "all others."
        )


def _tells_rows_apart(column) -> bool:
    n = len(column.present)
    if n < _FEWEST_ROWS:
        return False
    if column.is_level:
        return len(column.counts) >= _DISTINCT_SHARE * n
    whole = np.array_equal(column.present, np.rint(column.present))
    return bool(whole and len(column.counts) == n and np.ptp(column.present) < _GAPS * n)
