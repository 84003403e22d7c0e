"""The order of levels on the encoded axis: those with similar rows become neighbours."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..columns import constant_columns
from ._column_codecs import Codec

# Rows that tell which levels are alike; more change the order little.
_MAX_COMPARED_ROWS = 10_000
# Rows of average kind added to each level, as means of few rows are mostly noise.
_PSEUDO_ROWS = 5.0


def order_levels(codecs: list[Codec], ordered, rows, weight, rng) -> list[Codec]:
    """Codecs whose levels are sorted by similarity, where they have no order of their own.

    Parameters
    ----------
    codecs : list of Codec
        Maps of the columns.
    ordered : list of bool
        Whether the type of a column gives its levels an order.
    rows : ndarray of shape (n, d)
        Training rows as numbers, levels by their position in those of the codec.
    weight : ndarray of shape (n,)
        Weights of the rows.
    rng : RandomState
        Chooses the rows that are compared, if there are many.
    """
    compared = rng.permutation(len(rows))[:_MAX_COMPARED_ROWS]
    features = [
        _standardised(codec.features(x[compared])) for codec, x in zip(codecs, rows.T, strict=True)
    ]
    sorted_codecs = []
    for j, codec in enumerate(codecs):
        if codec.levels is not None and not ordered[j]:
            others = np.hstack([np.empty((len(compared), 0)), *features[:j], *features[j + 1 :]])
            codes = rows[compared, j]
            codec = codec.reordered(
                order_by_association(codes, codec.counts, others, weight[compared])
            )
        sorted_codecs.append(codec)
    return sorted_codecs


def order_by_association(codes, counts, others, weight) -> np.ndarray:
    """Levels along the axis in which the means of the other columns differ most.

    It is the first component of a correspondence analysis: levels whose rows are alike become
    neighbours on the axis.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Level of each row, NaN where missing.
    counts : ndarray of shape (K,)
        Weight of the rows of each level.
    others : ndarray of shape (n, q)
        The other columns, of mean zero and unit standard deviation.
    weight : ndarray of shape (n,)
        Weights of the rows.

    Returns
    -------
    order : ndarray of shape (K,)
        Levels from one end to the other, those without rows last; by frequency where nothing
        tells them apart.
    """
    by_frequency = np.argsort(-counts, kind="stable")
    if not others.shape[1]:
        return by_frequency
    known = np.flatnonzero(~np.isnan(codes))
    location = (codes[known].astype(int), known)
    membership = sparse.csr_array((weight[known], location), shape=(len(counts), len(codes)))
    means = membership @ others / (membership.sum(1) + _PSEUDO_ROWS)[:, None]
    share = counts / counts.sum()
    means -= share @ means
    _, axes = np.linalg.eigh(means.T @ (share[:, None] * means))
    score = means @ axes[:, -1]
    score *= np.sign(score[np.abs(score).argmax()])
    # A level without rows between two others would tear a hole into the density.
    score[counts == 0] = np.inf
    return by_frequency[np.argsort(score[by_frequency], kind="stable")]


def _standardised(features):
    """Columns of mean zero and unit standard deviation, zero where missing or constant."""
    n_known = np.maximum(1, (~np.isnan(features)).sum(0))
    # Squares of the largest numbers overflow: such columns say nothing.
    with np.errstate(over="ignore", invalid="ignore"):
        centred = np.nan_to_num(features - np.nansum(features, axis=0) / n_known)
        scale = np.sqrt((centred**2).sum(0) / n_known)
    # The mean of a constant column may be rounded.
    varying = (scale > 0) & ~constant_columns(features)
    return np.where(varying, centred / np.where(varying, scale, 1.0), 0.0)
