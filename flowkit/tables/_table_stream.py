"""A density of tables that learns from chunks of rows."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if

from .._seeds import check_random_state, draw_seed
from ..estimators import FlowDensity
from ..exceptions import InvalidDataError, RowsLeftOutWarning
from ..nested import require_chunks
from ..validation import name_columns, refuse_wide, warn
from ._table_input import check_weight


def _density_takes_chunks(table):
    density = FlowDensity() if table.density is None else table.density
    return require_chunks(getattr(table, "density_", density), table)


class TableStreamMixin:
    """Method `partial_fit` of a density of tables, where the density within has it."""

    @available_if(_density_takes_chunks)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Go on training the density with a chunk of rows; only where it has `partial_fit`.

        The first call settles kinds, levels, bounds, steps and the encoding of all columns: give it
        a chunk that holds all levels, or columns of a pandas categorical or polars Enum type, whose
        levels count whether a row has them or not, and declare `kinds`, `bounds` and `periods`.
        Later calls, and those after `fit`, keep all this and go on with `density_`, so that changes
        of parameters wait for the next `fit`. Rows that would score ``-inf``, with levels or values
        that the table cannot have, are left out with a warning.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, as in `fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidParameterError, OutsideSupportError, InvalidDataError
            As in `fit`; later also if no row of a chunk can be trained on.

        Warns
        -----
        HeavyValueWarning, RareLevelsWarning
            As in `fit`, of the first chunk.
        RowsLeftOutWarning
            If rows of a later chunk are left out.
        """
        with self._unchanged_on_failure() as before:
            if hasattr(self, "density_"):
                self._go_on(X, sample_weight, before)
            else:
                self._begin(X, sample_weight, "partial_fit")
        return self

    def _go_on(self, X, sample_weight, before):
        """Train on the rows of a later chunk that the table can have."""
        columns, _ = self._read(X, reset=False)
        rows = self._rows(columns)
        weight = check_weight(sample_weight, len(rows), self.density_, n_needed=1)
        if weight is not None:
            rows, weight = rows[weight > 0], weight[weight > 0]
        possible = self._possible(rows)
        options = {} if weight is None else {"sample_weight": weight[possible]}
        # Points within cells of their own for each chunk.
        entropy = [draw_seed(check_random_state(self.random_state)), self._n_chunks]
        rng = np.random.RandomState(np.random.SeedSequence(entropy).generate_state(4))
        kept = options.get("sample_weight")
        encoded, copula = self._encode_training(rows[possible], kept, self.density_, rng)
        refuse_wide(encoded, self._names())
        self._copula = copula or self._copula
        # Training changes it in place.
        before["density_"] = copy.deepcopy(self.density_)
        self.density_ = self.density_.partial_fit(encoded, None, **options)
        self._n_chunks += 1

    def _possible(self, rows):
        """Which rows have a density; the columns of all others are told."""
        contained = self._contained(rows)
        possible = contained.all(1)
        if possible.all():
            return possible
        at_fault = name_columns(np.flatnonzero(~contained.all(0)), self._names())
        what = (
            f"{(~possible).sum()} of {len(rows)} rows of this chunk hold levels or values of "
            f"column(s) {at_fault} that the table cannot have since its first chunk, and score "
            "-inf"
        )
        way_out = "Declare all levels by a categorical type, or wider bounds, and fit anew."
        if not possible.any():
            raise InvalidDataError(f"{what}, so that there is nothing to train on. {way_out}")
        warn(f"{what}: they are left out of training. {way_out}", RowsLeftOutWarning)
        return possible
