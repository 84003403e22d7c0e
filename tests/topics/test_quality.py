"""Coherence and exclusivity: as others compute them, and between their limits."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.topics import (
    Documents,
    bags_of_words,
    coherence,
    count_documents,
    exclusivity,
    patch_documents,
    relevant_words,
    table_documents,
)

CHOSEN = [np.array([0, 1, 2, 3]), np.array([4, 5, 9, 20, 21]), np.array([7, 8])]


def counts(n=200, v=30, seed=0):
    return np.random.default_rng(seed).poisson(0.4, (n, v))


@pytest.mark.parametrize("read", [bags_of_words, count_documents])
@pytest.mark.parametrize("seed", [0, 1])
def test_coherence_is_that_of_gensim(read, seed):
    models = pytest.importorskip("gensim.models")
    corpora = pytest.importorskip("gensim.corpora")
    X = counts(seed=seed)
    texts = [np.repeat(np.arange(30), row).astype(str).tolist() for row in X]
    model = models.CoherenceModel(
        topics=[[str(word) for word in words] for words in CHOSEN],
        texts=texts,
        dictionary=corpora.Dictionary([[str(j) for j in range(30)]]),
        coherence="c_npmi",
        window_size=max(map(len, texts)),
        processes=1,
    )
    np.testing.assert_allclose(
        coherence(read(X), CHOSEN), model.get_coherence_per_topic(), rtol=1e-9
    )


def test_words_that_are_always_or_never_together():
    X = np.repeat([[1, 3, 0, 1], [0, 0, 1, 1]], 10, axis=0)
    together, apart, with_all = coherence(
        bags_of_words(X), [np.array([0, 1]), np.array([0, 2]), np.array([0, 3])]
    )
    assert together == pytest.approx(1)
    assert apart == pytest.approx(-1, abs=0.1)
    assert with_all == pytest.approx(0, abs=1e-9)


def test_chance_is_about_zero_whatever_the_frequencies():
    X = np.random.default_rng(0).uniform(size=(20_000, 4)) < [0.5, 0.1, 0.3, 0.8]
    assert abs(coherence(bags_of_words(X.astype(int)), [np.arange(4)])[0]) < 0.02


def test_words_of_one_column_are_no_pair():
    x = np.repeat(np.arange(4.0), 25)
    documents = table_documents(np.column_stack([x, x]))
    low, next_low = np.array([0, 4]), np.array([0, 1, 4])
    assert documents.words[0] == "column 0 = 0"
    assert documents.words[4] == "column 1 = 0"
    values = coherence(documents, [low, next_low, np.array([0, 1])])
    assert values[0] == pytest.approx(1)
    # Of the pairs of three words, only that within a column is left out.
    assert -1 <= values[1] < 1
    assert np.isnan(values[2])
    # Where words lie in several slots, nothing is left out.
    anywhere = Documents(documents.tokens % 4, None, documents.slots, list("abcd"))
    assert np.isfinite(coherence(anywhere, [np.array([0, 1])])).all()


@pytest.mark.parametrize("words", [np.array([3]), np.array([0, 4])])
def test_topics_without_pairs_of_words_that_occur_have_none(words):
    X = np.column_stack([counts(v=4), np.zeros(200, int)])
    assert np.isnan(coherence(bags_of_words(X), [words])).all()


def test_exclusivity_is_within_its_limits():
    beta = np.random.default_rng(0).dirichlet(np.full(20, 0.2), size=4)
    values = exclusivity(beta, list(relevant_words(beta, 5)))
    assert ((values > 0.25) & (values <= 1)).all()
    same = np.tile(beta[:1], (4, 1))
    np.testing.assert_allclose(exclusivity(same, list(relevant_words(same, 5))), 0.25)
    apart = np.kron(np.eye(4), np.full(5, 0.2))
    np.testing.assert_allclose(exclusivity(apart, list(relevant_words(apart, 5))), 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_other_rows_are_read_as_the_same_words(dtype):
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.randn(100), rng.randint(0, 3, 100), np.ones(100)]).astype(dtype)
    documents = table_documents(X)
    again = documents.reader.read(X[20:40])
    assert np.array_equal(again.tokens, documents.tokens[20:40])
    assert again.words == documents.words
    far = documents.reader.read(np.array([[-9.0, 0.5, 7.0], [9.0, 99.0, 0.0]], dtype=dtype))
    assert (far.tokens[1, :2] == [documents.tokens[:, 0].max(), documents.tokens[:, 1].max()]).all()
    assert np.array_equal(documents.take(slice(5)).reader.read(X).tokens, documents.tokens)


def test_other_images_are_read_as_the_same_patches():
    rng = np.random.RandomState(0)
    X = rng.rand(40, 36)
    documents = patch_documents(X, (6, 6), rng, patch=3, n_words=8)
    assert np.array_equal(documents.reader.read(X[5:9]).tokens, documents.tokens[5:9])


def test_levels_have_their_own_names_however_many_there_are():
    x = np.arange(30) % 10
    documents = table_documents(x[:, None], ["kind"], levels={0: [f"k{i}" for i in range(12)]})
    assert documents.words == [f"kind = k{i}" for i in range(10)]
    assert np.array_equal(documents.tokens[:, 0], x)
