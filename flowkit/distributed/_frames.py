"""A model as a function of pandas frames: what engines of tables map over their chunks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from .._optional import require
from ..exceptions import InvalidDataError
from ..files import load
from ._methods import Method


class FrameScorer:
    """Adds what a fitted estimator says of each row to pandas frames, chunk by chunk.

    Engines that map functions of pandas frames over tables take an instance as it is: Ray Data's
    ``map_batches(scorer, batch_format='pandas')``, Spark's ``mapInPandas(scorer.map, schema)``,
    dask's ``map_partitions(scorer)``. A file is loaded once in each process, without running code
    of it, and every process must find it under the same path.

    Parameters
    ----------
    model : str, path-like or estimator
        A file of `flowkit.save`, or a fitted estimator, which goes to the processes by pickle.
    methods : sequence of {'score_samples', 'decision_function', 'predict', 'transform'}, \
            default=('score_samples',)
        What to add: a column of this name, or, of 'transform', columns of the names that
        ``get_feature_names_out`` gives.
    columns : sequence of str or None, default=None
        Columns that the model reads; None for those it was fitted to if these have names, else for
        all. Others, such as keys, are left as they are.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity
    >>> from flowkit.distributed import FrameScorer
    >>> X = load_iris(as_frame=True).data
    >>> density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> scorer = FrameScorer(density)
    >>> list(scorer(X.head(3).assign(key=[7, 8, 9])).columns[-2:])
    ['key', 'score_samples']
    """

    def __init__(self, model, methods=("score_samples",), columns=None):
        self.model = model
        self.methods = (methods,) if isinstance(methods, str) else tuple(methods)
        self.columns = None if columns is None else list(columns)
        self._loaded = None

    def __call__(self, frame):
        """Add the columns to a frame.

        Parameters
        ----------
        frame : pandas DataFrame of shape (n_rows, n_columns)
            A chunk, perhaps of no rows.

        Returns
        -------
        pandas DataFrame of shape (n_rows, n_columns + n_added)
            A new frame with the same index.

        Raises
        ------
        InvalidDataError
            If columns that the model reads are not there, or one that is added is.
        InvalidParameterError
            If the model has no such method.
        FlowkitFileError
            If the file cannot be loaded.
        """
        pandas = require("pandas", "FrameScorer")
        estimator = self._estimator()
        X = self._read_columns(frame, estimator)
        added = {}
        for method in (Method.of(estimator, name) for name in self.methods):
            values = method.of_rows(estimator, X)
            if method.columns is None:
                added[method.name] = values
            else:
                added |= dict(zip(method.columns, values.T, strict=True))
        if taken := [name for name in added if name in frame.columns]:
            raise InvalidDataError(
                f"the frame has columns {taken} already, which would be added: rename or drop them."
            )
        return pandas.concat([frame, pandas.DataFrame(added, index=frame.index)], axis=1)

    def map(self, frames: Iterable) -> Iterator:
        """Add the columns to one frame after the other.

        Parameters
        ----------
        frames : iterable of pandas DataFrame
            Chunks.

        Yields
        ------
        pandas DataFrame
            As `__call__` returns it.
        """
        for frame in frames:
            yield self(frame)

    def __getstate__(self):
        # A file is loaded where it is used.
        return {**vars(self), "_loaded": None}

    def _estimator(self):
        if not isinstance(self.model, str | os.PathLike):
            return self.model
        if self._loaded is None:
            self._loaded = load(self.model)
        return self._loaded

    def _read_columns(self, frame, estimator):
        columns = self.columns
        if columns is None:
            columns = getattr(estimator, "feature_names_in_", frame.columns)
        if missing := [name for name in columns if name not in frame.columns]:
            raise InvalidDataError(
                f"the frame has no columns {missing}, which the model reads; it has "
                f"{list(frame.columns)}. Give the columns that the model was fitted to."
            )
        X = frame[list(columns)]
        # Who was fitted without names would warn of them.
        return X if hasattr(estimator, "feature_names_in_") else X.to_numpy()
