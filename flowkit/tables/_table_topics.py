"""Topics of a density of tables, in names, levels and units of the table."""

from __future__ import annotations

import numpy as np

from ..exceptions import OutsideSupportError
from ..nested import TopicsWithin
from ..validation import labels_of
from ._column_codecs import Decoder


class TableTopicsMixin(TopicsWithin):
    """Methods of topics of a density of tables, where the density within has them."""

    def _let_read(self, density):
        """Let a density that tells topics know what its columns are here."""
        # Of what stands for a density that is fitted already, nothing is changed.
        if hasattr(type(density), "_read_by"):
            levels = {
                j: list(map(str, codec.levels))
                for j, codec in enumerate(self._codecs)
                if codec.levels is not None
            }
            names = None if labels_of(self) is None else self._names()
            density._read_by(Decoder(self._codecs), names, levels)

    def _rows_within(self, X):
        return self._encoded_density().middles(self._supported(X))

    def _supported(self, X):
        """Rows as numbers, all within the support."""
        rows = self._rows(self._read(X, reset=False)[0])
        outside = ~self._contained(rows)
        if outside.any():
            i, j = np.argwhere(outside)[0]
            raise OutsideSupportError(
                f"column {self._names()[j]} holds a value in row {i} that has no probability, so "
                "its row has no topics: leave out rows whose score is -inf."
            )
        return rows

    def _rows_like(self, X, Z, changed):
        same = self._rows(self._read(X, reset=False)[0])[~changed].T
        values = []
        for codec, y, kept, dtype in zip(self._codecs, Z.T, same, self._form.dtypes, strict=True):
            column = codec.values(y, dtype)
            if codec.levels is None:
                column[~changed] = codec.typed(kept, dtype)
            values.append(column)
        return self._form.build(values, [codec.keeps_type for codec in self._codecs])
