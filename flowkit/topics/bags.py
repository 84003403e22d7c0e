"""Rows of counts as bags of words, of which only the counts that are not zero are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .documents import name_words, refuse_other_counts


@dataclass(frozen=True)
class BagsOfWords:
    """Rows of counts, a column a word.

    Parameters
    ----------
    table : csr_matrix of shape (n, V), float64
        How often each row holds each word, without stored zeros.
    words : list of str
        Readable labels of the V words.
    """

    table: sparse.csr_matrix
    words: list[str]

    def counts(self) -> sparse.csr_matrix:
        """How often each row holds each word, shape (n, V)."""
        return self.table

    def take(self, rows: np.ndarray) -> BagsOfWords:
        """The bags of some rows, with the same words."""
        return BagsOfWords(self.table[rows], self.words)


def bags_of_words(X, names: Sequence[str] | None = None) -> BagsOfWords:
    """Rows of counts, dense or sparse, as bags of words.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, V)
        Whole numbers of at least 0.
    names : sequence of str or None, default=None
        Names of the columns.

    Returns
    -------
    BagsOfWords
        One bag a row.

    Raises
    ------
    InvalidDataError
        If a value is negative, not whole, or more than 2 to the power of 40.

    Examples
    --------
    >>> from flowkit.topics import bags_of_words
    >>> bags = bags_of_words([[2, 0, 1], [0, 0, 3]], ["silk", "wool", "flax"])
    >>> bags.counts().nnz, bags.words
    (3, ['silk', 'wool', 'flax'])
    """
    table = sparse.csr_matrix(X, dtype=np.float64, copy=True)
    table.sum_duplicates()
    words = name_words(names, table.shape[1])
    refuse_other_counts(table.data, table.indices, words)
    table.eliminate_zeros()
    return BagsOfWords(table, words)
