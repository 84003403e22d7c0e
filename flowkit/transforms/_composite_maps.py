"""Jacobians of transformers that are made of others: their parts' log-Jacobians add up."""

from __future__ import annotations

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from ..exceptions import InvalidParameterError
from ..validation import name_columns
from ._jacobians import (
    TransformerMap,
    inverse_rows,
    log_abs_det,
    register,
    transform_rows,
    values_of,
)


class CompositeMap(TransformerMap):
    """A transformer made of others."""

    condition = " of these"


@register(Pipeline)
class PipelineMap(CompositeMap):
    """One transformer after the other."""

    def log_abs_det(self, transformer, X):
        log_det = np.zeros(len(X))
        inside = np.arange(len(X))
        for _, step in transformer.steps:
            X, of_step = transform_rows(step, X)
            log_det[inside] += of_step
            inside = inside[np.isfinite(of_step)]
        return log_det

    def inverse(self, transformer, Z):
        for _, step in reversed(transformer.steps):
            Z = inverse_rows(step, Z)
        return Z


@register(FrozenEstimator)
class FrozenMap(CompositeMap):
    """What the frozen transformer is."""

    def log_abs_det(self, transformer, X):
        return log_abs_det(transformer.estimator, X)

    def inverse(self, transformer, Z):
        return inverse_rows(transformer.estimator, Z)


@register(ColumnTransformer)
class ColumnTransformerMap(CompositeMap):
    """Side by side, each column in one part."""

    def log_abs_det(self, transformer, X):
        parts = list(column_parts(transformer))
        _refuse_other_than_partition(transformer, parts)
        _refuse_vanishing_weights(parts)
        log_det = np.zeros(len(X))
        for _, part, columns, weight in parts:
            block = _safe_indexing(X, columns, axis=1)
            log_det += transform_rows(part, block)[1]
            n_known = (~np.isnan(values_of(block))).sum(1)
            log_det += n_known * np.log(np.abs(weight))
        return log_det

    def inverse(self, transformer, Z):
        X = np.empty_like(Z)
        for name, part, columns, weight in column_parts(transformer):
            X[:, columns] = inverse_rows(part, Z[:, transformer.output_indices_[name]] / weight)
        return X


def column_parts(transformer):
    """The parts of a fitted ColumnTransformer that have columns and keep them.

    Parameters
    ----------
    transformer : ColumnTransformer
        Fitted.

    Yields
    ------
    tuple of (str, transformer or 'passthrough', list of int, float)
        Name, what is fitted, columns and weight.
    """
    weights = transformer.transformer_weights or {}
    for name, part, _ in transformer.transformers_:
        columns = transformer._transformer_to_input_indices[name]
        drops = isinstance(part, str) and part == "drop"
        if len(columns) and not drops:
            weight = weights.get(name)
            yield name, part, columns, 1.0 if weight is None else weight


def _refuse_other_than_partition(transformer, parts):
    used = [column for _, _, columns, _ in parts for column in columns]
    counts = np.bincount(np.array(used, dtype=int), minlength=transformer.n_features_in_)
    names = getattr(transformer, "feature_names_in_", None)
    dropped, repeated = np.flatnonzero(counts == 0), np.flatnonzero(counts > 1)
    if dropped.size:
        raise InvalidParameterError(
            f"ColumnTransformer drops column(s) {name_columns(dropped, names)}, so there is no "
            "density of whole rows. Keep them with remainder='passthrough', or take them out of X "
            "before."
        )
    if repeated.size:
        raise InvalidParameterError(
            f"ColumnTransformer uses column(s) {name_columns(repeated, names)} more than once, so "
            "its output has more dimensions than X and no density there. Give each column to one "
            "transformer."
        )


def _refuse_vanishing_weights(parts):
    for name, _, _, weight in parts:
        if not (np.isfinite(weight) and weight):
            raise InvalidParameterError(
                f"ColumnTransformer multiplies the columns of {name!r} by transformer_weights of "
                f"{weight}, which has no inverse. Give a finite weight other than 0."
            )
