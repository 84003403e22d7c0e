"""Rows of counts that change words: for those of other topics, or for those of other rows."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def moved(
    counts: sparse.csr_matrix, own: np.ndarray, target: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Rows whose words follow another profile, as few of them changed as can be.

    A word stays with probability ``min(1, target / own)``; as many others as are lost are drawn
    from where the target is above. Draws of the own profile become draws of the target.

    Parameters
    ----------
    counts : csr_matrix of shape (n, V)
        The rows.
    own, target : ndarray of shape (n, V)
        Share of each word before and after, positive.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of shape (n, V)
        Whole counts; rows keep their lengths.
    """
    changed = np.zeros(counts.shape)
    for i, row in enumerate(changed):
        entries = slice(*counts.indptr[i : i + 2])
        column, count = counts.indices[entries], counts.data[entries].astype(np.int64)
        kept = rng.binomial(count, np.minimum(1.0, target[i, column] / own[i, column]))
        row[column] = kept
        excess = np.maximum(target[i] - own[i], 0)
        lost = int(count.sum() - kept.sum())
        if lost:
            row += rng.multinomial(lost, excess / excess.sum())
    return changed


def blended(
    first: sparse.csr_matrix, second: sparse.csr_matrix, n_steps: int, rng: np.random.RandomState
) -> np.ndarray:
    """Rows that give up their words one by one for those of other rows.

    Parameters
    ----------
    first, second : csr_matrix of shape (n, V)
        Where the ways start and end.
    n_steps : int
        Number of rows on each, ends included.
    rng : RandomState
        Source of the order of the words.

    Returns
    -------
    ndarray of shape (n_steps, n, V)
        Whole counts, whose means lie on the straight lines between the ends.
    """
    rows = np.zeros((n_steps, *first.shape))
    for i in range(first.shape[0]):
        old, new = _words(first, i), _words(second, i)
        leaves, comes = rng.uniform(size=len(old)), rng.uniform(size=len(new))
        for row, t in zip(rows[:, i], np.linspace(0, 1, n_steps), strict=True):
            np.add.at(row, old[leaves >= t], 1)
            np.add.at(row, new[comes < t], 1)
    return rows


def _words(counts, i):
    """The word of each occurrence in a row."""
    entries = slice(*counts.indptr[i : i + 2])
    return np.repeat(counts.indices[entries], counts.data[entries].astype(np.int64))
