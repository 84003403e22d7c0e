"""Libraries that find topics: as good as each other, from few rows and from many."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from flowkit import FractalFlowDensity
from flowkit.topics import bags_of_words, fit_lda, fold_in

N_TOPICS = 4


def corpus(n, seed=0, n_words=60, length=50):
    """Rows of words, each mostly of one of a few topics, and these topics."""
    words = np.random.default_rng(7).dirichlet(np.full(n_words, 0.1), size=N_TOPICS)
    rng = np.random.default_rng(seed)
    proportions = rng.dirichlet(np.full(N_TOPICS, 0.1), size=n)
    rows = [rng.multinomial(length, profile) for profile in proportions @ words]
    return np.stack(rows), proportions.argmax(1)


def perplexity(topics, counts, alpha):
    """Of words of other rows, at proportions under the same prior."""
    profiles = fold_in(topics.words, alpha, counts) @ topics.words
    entries = counts.tocoo()
    log_prob = (entries.data * np.log(profiles[entries.row, entries.col])).sum()
    return np.exp(-log_prob / entries.data.sum())


@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize("seed", [0, 1])
def test_both_libraries_are_as_good(n, seed):
    pytest.importorskip("gensim")
    X, label = corpus(n, seed)
    other = bags_of_words(corpus(200, seed=9)[0]).counts()
    found = {
        backend: fit_lda(bags_of_words(X), N_TOPICS, backend, np.random.RandomState(seed))
        for backend in ("sklearn", "gensim")
    }
    alpha = np.full(N_TOPICS, 0.1)
    surprise = {name: perplexity(topics, other, alpha) for name, topics in found.items()}
    assert surprise["sklearn"] == pytest.approx(surprise["gensim"], rel=0.02)
    information = {
        name: normalized_mutual_info_score(label, topics.proportions.argmax(1))
        for name, topics in found.items()
    }
    assert information["sklearn"] == pytest.approx(information["gensim"], abs=0.05)
    assert min(information.values()) > 0.8


@pytest.mark.parametrize("backend", ["sklearn", "gensim"])
def test_words_of_rows_far_down_are_learned(backend):
    if backend == "gensim":
        pytest.importorskip("gensim")
    # The last word is in the last rows alone, of which a draw of 5000 may hold none.
    X = np.zeros((6_000, 6), dtype=int)
    X[:5_997, :3] = 3
    X[5_997:, 3:] = [1, 1, 30]
    topics = fit_lda(bags_of_words(X), 2, backend, np.random.RandomState(0))
    assert topics.words[:, 5].max() > 1e-3


def test_a_corpus_in_chunks_is_about_as_likely_as_one_at_once():
    X, _ = corpus(600)
    new, new_label = corpus(200, seed=9)
    options = {"documents": "counts", "early_stopping": False, "random_state": 0}
    at_once = FractalFlowDensity(N_TOPICS, max_epochs=10, **options).fit(X)
    in_chunks = FractalFlowDensity(N_TOPICS, partial_fit_epochs=3, **options)
    # Topics begin at those of the first chunk, so it has to be large.
    chunks = np.split(X, [300, 400, 500])
    surprise = [in_chunks.partial_fit(chunk).perplexity(new) for chunk in chunks]
    assert surprise[-1] < surprise[0]
    assert surprise[-1] < 1.05 * at_once.perplexity(new)
    assert normalized_mutual_info_score(new_label, in_chunks.predict(new)) > 0.8
