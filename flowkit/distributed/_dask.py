"""Methods of fitted estimators, chunk by chunk, on collections of dask."""

from __future__ import annotations

import pickle

import numpy as np

from .._optional import require
from ..exceptions import InvalidDataError
from ._methods import Method


def score_samples(estimator, X):
    """Log density of each row of a collection of dask.

    Nothing is computed before dask is asked to. The estimator is copied into the graph once, as it
    is now, and goes to each worker once. A chunk has the scores that `estimator.score_samples`
    gives these rows.

    Parameters
    ----------
    estimator : estimator
        Fitted: any density or detector of flowkit, or a `Pipeline` that ends in one.
    X : dask array of shape (n_samples, n_features), or dask DataFrame
        Rows. Columns in several chunks are joined, rows stay in the chunks they are in; these may
        be of unknown length, or empty.

    Returns
    -------
    log_density : dask array of shape (n_samples,), or dask Series
        Nats, float64, in the chunks of X; a Series has the index of X.

    Raises
    ------
    InvalidDataError
        If X is no such collection, or has another number of columns than the estimator.
    InvalidParameterError
        If the estimator has no such method.
    NotFittedError
        If the estimator is not fitted.
    MissingDependencyError
        If dask is not installed.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity, distributed
    >>> X = load_iris().data
    >>> density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> scores = distributed.score_samples(density, da.from_array(X, chunks=(50, 4)))
    >>> scores.chunks
    ((50, 50, 50),)
    >>> bool(abs(scores.compute() - density.score_samples(X)).max() < 1e-7)
    True
    """
    return _by_chunk(estimator, "score_samples", X)


def decision_function(estimator, X):
    """How far each row of a collection of dask is above the threshold of a detector.

    Parameters
    ----------
    estimator : estimator
        Fitted: a detector, or a `Pipeline` that ends in one.
    X : dask array of shape (n_samples, n_features), or dask DataFrame
        Rows, as in `score_samples`.

    Returns
    -------
    decision : dask array of shape (n_samples,), or dask Series
        Negative for outliers, float64, in the chunks of X.

    Raises
    ------
    InvalidDataError, InvalidParameterError, NotFittedError, MissingDependencyError
        As in `score_samples`.
    """
    return _by_chunk(estimator, "decision_function", X)


def predict(estimator, X):
    """Label of each row of a collection of dask.

    Parameters
    ----------
    estimator : estimator
        Fitted: a detector, or another estimator whose labels are whole numbers.
    X : dask array of shape (n_samples, n_features), or dask DataFrame
        Rows, as in `score_samples`.

    Returns
    -------
    label : dask array of shape (n_samples,), or dask Series
        -1 for outliers and 1 for others, int64, in the chunks of X.

    Raises
    ------
    InvalidDataError, InvalidParameterError, NotFittedError, MissingDependencyError
        As in `score_samples`.
    """
    return _by_chunk(estimator, "predict", X)


def transform(estimator, X):
    """Latent of each row of a collection of dask.

    Parameters
    ----------
    estimator : estimator
        Fitted: a density with latents, or a `Pipeline` that ends in one.
    X : dask array of shape (n_samples, n_features), or dask DataFrame
        Rows, as in `score_samples`.

    Returns
    -------
    latent : dask array of shape (n_samples, n_latent), or dask DataFrame
        Latents, float32 if X is and float64 else, in the chunks of X; a DataFrame has the index
        of X and the columns that `estimator.get_feature_names_out()` names.

    Raises
    ------
    InvalidDataError, InvalidParameterError, NotFittedError, MissingDependencyError
        As in `score_samples`.
    """
    return _by_chunk(estimator, "transform", X)


def _by_chunk(estimator, name, X):
    method = Method.of(estimator, name)
    dask = require("dask", f"flowkit.distributed.{name}")
    is_array = _is_a(X, "dask.array.core", "Array")
    if not (is_array and X.ndim == 2) and not _is_a(X, "dask.dataframe", "DataFrame"):
        raise InvalidDataError(
            f"X must be a dask array of two axes or a dask DataFrame, got {_in_words(X)}. Rows in "
            f"memory are given to estimator.{name}(X) itself."
        )
    n_expected = getattr(estimator, "n_features_in_", X.shape[1])
    if X.shape[1] != n_expected:
        raise InvalidDataError(
            f"X has {X.shape[1]} columns, but {type(estimator).__name__} was fitted to "
            f"{n_expected}: give the same columns."
        )
    # One task, on which all chunks depend, and a copy that no later fit changes.
    model = dask.delayed(pickle.loads, pure=True)(pickle.dumps(estimator))
    return (_array if is_array else _frame)(method, model, X)


def _array(method, model, X):
    da = require("dask.array", f"flowkit.distributed.{method.name}")
    if len(X.chunks[1]) > 1:
        X = X.rechunk({1: -1})
    options = {"meta": method.empty(X._meta), "dtype": method.empty(X._meta).dtype}
    if method.columns is None:
        return da.map_blocks(_rows, X, model, method, drop_axis=1, **options)
    chunks = (X.chunks[0], (len(method.columns),))
    return da.map_blocks(_rows, X, model, method, chunks=chunks, **options)


def _frame(method, model, X):
    dask, dd = (require(name, "flowkit.distributed") for name in ("dask", "dask.dataframe"))
    meta = _labelled(method, method.empty(X._meta), X._meta.iloc[:0])
    # Not all versions of dask know tasks among the arguments of `map_partitions`.
    parts = [dask.delayed(_partition)(part, model, method) for part in X.to_delayed()]
    divisions = X.divisions if X.known_divisions else None
    return dd.from_delayed(parts, meta=meta, divisions=divisions)


def _rows(X, model, method):
    return method.of_rows(model, X)


def _partition(X, model, method):
    return _labelled(method, method.of_rows(model, X), X)


def _labelled(method, values, X):
    """Numbers of rows as a Series or DataFrame of pandas with the index of the rows."""
    pandas = require("pandas", f"flowkit.distributed.{method.name}")
    if method.columns is None:
        return pandas.Series(values, index=X.index, name=method.name)
    return pandas.DataFrame(values, index=X.index, columns=list(method.columns))


def _is_a(X, module, name):
    """Whether X is an instance of a class of dask; False where that part of dask is not there."""
    if not type(X).__module__.startswith("dask"):
        return False
    return isinstance(X, getattr(require(module, "flowkit.distributed"), name))


def _in_words(X):
    shape = np.shape(X) if isinstance(X, np.ndarray) else getattr(X, "shape", None)
    return type(X).__name__ + ("" if shape is None else f" of shape {shape}")
