"""Bags of words: the counts that were given, and no memory of zeros."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from flowkit.exceptions import InvalidDataError
from flowkit.topics import bags_of_words, count_documents, fit_lda

COUNTS = np.random.default_rng(0).poisson(0.6, size=(40, 7))


@pytest.mark.parametrize(
    "kind", [np.asarray, sparse.csr_matrix, sparse.csc_array, sparse.coo_array]
)
def test_bags_hold_the_counts_of_any_container(kind):
    given = kind(COUNTS)
    bags = bags_of_words(given, list("abcdefg"))
    np.testing.assert_array_equal(bags.counts().toarray(), COUNTS)
    assert bags.counts().nnz == np.count_nonzero(COUNTS)
    assert bags.words == list("abcdefg")
    np.testing.assert_array_equal(bags.take(np.arange(3)).counts().toarray(), COUNTS[:3])
    # What was given stays as it is.
    np.testing.assert_array_equal(given.toarray() if sparse.issparse(given) else given, COUNTS)


def test_entries_given_twice_add_up_and_zeros_are_dropped():
    row, column, data = [0, 0, 1, 1], [2, 2, 0, 1], [1.0, 2.0, 0.0, 4.0]
    counts = bags_of_words(sparse.coo_matrix((data, (row, column)), (2, 3))).counts()
    np.testing.assert_array_equal(counts.toarray(), [[0, 0, 3], [0, 4, 0]])
    assert counts.nnz == 2


def test_topics_are_those_of_dense_documents():
    fits = [
        fit_lda(documents, 3, "sklearn", np.random.RandomState(0))
        for documents in (bags_of_words(COUNTS), count_documents(COUNTS))
    ]
    np.testing.assert_array_equal(fits[0].words, fits[1].words)
    np.testing.assert_array_equal(fits[0].proportions, fits[1].proportions)


@pytest.mark.parametrize("bad", [-1, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_other_numbers_are_refused_by_name(bad, kind):
    X = COUNTS.astype(float)
    X[3, 1] = bad
    with pytest.raises(InvalidDataError, match=rf"{bad}.* in wool\. Columns that are no counts"):
        bags_of_words(kind(X), ["silk", "wool", *"cdefg"])
