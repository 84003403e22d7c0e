"""``n_topics='auto'``: as many topics as there are, for tables and counts, and how it was found."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from flowkit import FractalFlowDensity, load, save
from flowkit.exceptions import InvalidParameterError
from flowkit.starts import choose_n_topics

COLUMNS = ["n_topics", "log_density", "standard_error", "stability"]


def made(**options):
    brief = {"n_blocks": 1, "hidden_units": 8, "max_epochs": 1, "random_state": 0}
    options = {"n_topics": "auto", "lda_backend": None, **brief, **options}
    return FractalFlowDensity(**options)


def blobs(k, n=240, seed=0):
    rng = np.random.RandomState(seed)
    centres = 12 * np.random.RandomState(3).standard_normal((k, 3))
    return centres[np.arange(n) % k] + rng.standard_normal((n, 3))


def corpus(k, n=240, seed=0):
    rng = np.random.default_rng(seed)
    words = np.random.default_rng(5).dirichlet(np.full(40, 0.15), size=k)
    return np.stack(
        [rng.multinomial(60, rng.dirichlet(60 * words[i % k] + 1e-9)) for i in range(n)]
    )


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("prior", ["topic", "gaussian_mixture"])
def test_tables_get_as_many_topics_as_there_are(k, prior):
    density = made(prior=prior, n_word_groups=1).fit(blobs(k))
    assert density.n_topics_ == len(density.topics_) == k
    assert density.predict_proba(blobs(k)).shape == (240, k)
    assert list(density.topic_search_) == COLUMNS
    assert density.n_topics == "auto"


@pytest.mark.parametrize(("k", "backend"), [(1, None), (3, "sklearn")])
def test_counts_get_as_many_topics_as_there_are(k, backend):
    density = made(documents="counts", lda_backend=backend).fit(corpus(k))
    assert density.n_topics_ == len(density.topics_) == k


def test_the_search_is_repeatable_and_leaves_no_trace_in_other_fits(tmp_path):
    X = blobs(3, 60)
    density = made(n_word_groups=1).fit(X)
    again = clone(density).fit(X)
    for name in COLUMNS:
        np.testing.assert_array_equal(density.topic_search_[name], again.topic_search_[name])
    np.testing.assert_array_equal(density.score_samples(X), again.score_samples(X))
    save(density, tmp_path / "density.flow")
    loaded = load(tmp_path / "density.flow")
    assert loaded.n_topics_ == density.n_topics_
    np.testing.assert_array_equal(
        loaded.topic_search_["stability"], again.topic_search_["stability"]
    )
    again.set_params(n_topics=2).fit(X)
    assert again.n_topics_ == 2
    assert not hasattr(again, "topic_search_")


def test_chunks_of_a_stream_keep_the_number_of_the_first():
    X = blobs(3, 300)
    density = made(prior="gaussian_mixture").partial_fit(X[:240]).partial_fit(X[240:])
    assert density.n_topics_ == 3
    density = made(n_word_groups=1).partial_fit(X[:240]).partial_fit(X[240:])
    assert density.n_topics_ == len(density.topics_) == 3
    counts = corpus(3)
    density = made(documents="counts").partial_fit(counts[:120]).partial_fit(counts[120:])
    assert density.n_topics_ == 3


def test_without_topics_there_is_no_number():
    density = made(prior="normal").fit(blobs(2, 60))
    assert not hasattr(density, "n_topics_")
    assert not hasattr(density, "topic_search_")
    assert not hasattr(made(), "n_topics_")


def test_images_and_too_few_rows_are_refused():
    with pytest.raises(InvalidParameterError, match="give a number of topics for images"):
        made(image_shape=(2, 2), fractal="coupling").fit(np.random.RandomState(0).rand(40, 4))
    with pytest.raises(InvalidParameterError, match="at least 8 different rows, got 5"):
        made(early_stopping=False).fit(blobs(2, 5))
    with pytest.raises(InvalidParameterError, match="n_topics"):
        made(n_topics="some").fit(blobs(2))


def fits(values, topics):
    """Scores and topics of twelve rows by number of topics, alike for both halves or not."""

    def fit(k, index):
        score = np.full(12, float(values.get(k, -99.0))) + 0.01 * np.arange(12) * k
        labels = np.arange(12) % k if topics.get(k) else (np.arange(12) // (1 + index[0])) % k
        return score, labels

    return fit


def test_of_the_likely_numbers_the_most_stable_is_taken():
    halves = [np.arange(6), np.arange(6, 12)]
    found = choose_n_topics(
        fits({1: -9, 2: -5, 3: -4, 4: -4.0, 5: -8, 6: -9}, {1: 1, 4: 1}), halves
    )
    assert found.chosen == 4
    # One that is stable but unlikely is not.
    found = choose_n_topics(fits({1: -9, 2: -3, 3: -4, 4: -4}, {1: 1, 4: 1}), halves)
    assert found.chosen == 2
    # The search ends after two losses, and has no more topics than half of the rows.
    assert found.curve["n_topics"].tolist() == [1, 2, 3, 4]
    rising = choose_n_topics(fits({k: k for k in range(1, 30)}, {}), halves)
    assert rising.curve["n_topics"].max() == 6
