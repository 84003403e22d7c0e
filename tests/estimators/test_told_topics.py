"""Topics in words: the same as lists and as frames, with what other rows say of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError

from flowkit import FractalFlowDensity, load, save
from flowkit.exceptions import InvalidParameterError, MissingDependencyError
from flowkit.topics import coherence, table_documents


def made(**options):
    brief = {"n_blocks": 1, "hidden_units": 8, "max_epochs": 2, "random_state": 0}
    return FractalFlowDensity(**{"n_topics": 3, "lda_backend": None, **brief, **options})


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="module")
def fitted(wine):
    return made(n_word_groups=13).fit(wine)


@pytest.fixture(scope="module")
def counts():
    words = np.random.default_rng(5).dirichlet(np.full(30, 0.15), size=3)
    rng = np.random.default_rng(0)
    rows = np.stack([rng.multinomial(40, words[i % 3]) for i in range(200)])
    return pd.DataFrame(rows, columns=[f"w{j}" for j in range(30)])


@pytest.fixture(scope="module")
def counted(counts):
    return made(documents="counts", max_epochs=10).fit(counts)


@pytest.mark.parametrize("n_words", [1, 5, 40])
@pytest.mark.parametrize("with_rows", [False, True])
def test_a_frame_holds_what_the_list_does_in_the_same_order(fitted, wine, n_words, with_rows):
    X = wine if with_rows else None
    topics = fitted.describe_topics(n_words, X=X)
    frame = fitted.describe_topics(n_words, X=X, as_frame=True)
    told = ["exclusivity", *(["coherence"] if with_rows else [])]
    assert list(frame) == ["topic", "rank", "word", "probability", "weight", "alpha", *told]
    assert len(frame) == sum(len(topic["words"]) for topic in topics)
    for k, topic in enumerate(topics):
        part = frame[frame.topic == k]
        assert part["rank"].tolist() == list(range(len(topic["words"])))
        assert list(zip(part.word, part.probability, strict=True)) == topic["words"]
        for name in ("weight", "alpha", *told):
            np.testing.assert_array_equal(part[name], topic[name])


def test_attribute_list_and_words_are_one(fitted):
    assert fitted.describe_topics() == fitted.topics_
    assert set(fitted.topics_[0]) == {"weight", "alpha", "words", "exclusivity"}


def test_rows_weigh_topics_and_leave_their_words(fitted, wine):
    part = wine[:50]
    topics = fitted.describe_topics(X=part)
    weights = [topic["weight"] for topic in topics]
    np.testing.assert_allclose(weights, fitted.predict_proba(part).mean(0))
    assert [t["words"] for t in topics] == [t["words"] for t in fitted.topics_]
    assert [t["alpha"] for t in topics] == [t["alpha"] for t in fitted.topics_]


def test_coherence_is_that_of_bins_of_columns(wine):
    # All rows are trained on, so that bins are those of all rows.
    density = made(n_word_groups=13, early_stopping=False).fit(wine)
    documents = table_documents(wine.to_numpy(), list(wine.columns))
    topics = density.describe_topics(4, X=wine)
    chosen = [np.array([documents.words.index(w) for w, _ in topic["words"]]) for topic in topics]
    expected = coherence(documents, chosen)
    np.testing.assert_allclose([topic["coherence"] for topic in topics], expected)
    # Kinds of wine have values in common, shuffled columns none.
    rng = np.random.RandomState(0)
    shuffled = np.column_stack([rng.permutation(column) for column in wine.to_numpy().T])
    lost = density.describe_topics(4, X=pd.DataFrame(shuffled, columns=wine.columns))
    assert min(topic["coherence"] for topic in topics) > 0.2
    assert max(abs(topic["coherence"]) for topic in lost) < 0.2


def test_incomplete_rows_have_weights_and_no_words(wine):
    X = wine.to_numpy().copy()
    X[::3, 2] = np.nan
    density = made(n_word_groups=1, missing="marginalize").fit(X)
    topics, complete = (density.describe_topics(X=rows) for rows in (X, X[~np.isnan(X).any(1)]))
    for topic, other in zip(topics, complete, strict=True):
        assert topic["coherence"] == other["coherence"]
    assert sum(topic["weight"] for topic in topics) == pytest.approx(1)
    nothing = density.describe_topics(X=X[::3])
    assert all(np.isnan(topic["coherence"]) for topic in nothing)


def test_words_of_counts_are_told_by_their_names(counted, counts):
    topics = counted.describe_topics(4, X=counts)
    assert all(word in counts for topic in topics for word, _ in topic["words"])
    together = counts.iloc[:, :] > 0
    first = [word for word, _ in topics[0]["words"]]
    assert together[first].sum(axis=1).max() >= 2
    assert all(-1 <= topic["coherence"] <= 1 for topic in topics)


def test_images_have_coherent_patches():
    X = load_digits().data[:150]
    density = made(image_shape=(8, 8), n_word_groups=4, fractal="coupling").fit(X)
    assert all(-1 <= topic["coherence"] <= 1 for topic in density.describe_topics(X=X))


@pytest.mark.parametrize("kind", ["fitted", "counted"])
def test_distances_are_symmetric_and_positive_between_topics(kind, request):
    distances = request.getfixturevalue(kind).topic_distances()
    assert distances.shape == (3, 3)
    assert (distances == distances.T).all()
    assert (np.diagonal(distances) == 0).all()
    assert (distances[~np.eye(3, dtype=bool)] > 0.1).all()


@pytest.mark.parametrize(
    "options",
    [
        {"n_word_groups": 1},
        {"n_word_groups": 4},
        {"prior": "gaussian_mixture"},
        {"image_shape": (4, 4), "fractal": "lifting"},
    ],
)
def test_moments_are_those_of_draws_of_a_topic(options):
    X = np.random.RandomState(0).standard_normal((150, 16)).cumsum(1)
    density = made(max_epochs=1, **options).fit(X)
    prior = density.module_.prior
    prior = getattr(prior, "topic", prior)
    means, covariances = prior.moments()
    z = prior.sample_given(
        prior.log_alpha.new_tensor([[0.0, 1.0, 0.0]]).expand(40_000, 3), None
    ).numpy()
    for group, mean, covariance in zip(prior.groups, means, covariances, strict=True):
        deviations = np.sqrt(np.diagonal(covariance[1].numpy()))
        np.testing.assert_allclose(
            z[:, group].mean(0) / deviations, mean[1].numpy() / deviations, atol=0.03
        )
        scaled = np.cov(z[:, group].T).reshape(len(group), -1) / np.outer(deviations, deviations)
        expected = covariance[1].numpy() / np.outer(deviations, deviations)
        np.testing.assert_allclose(scaled, expected, atol=0.05)


def test_files_keep_what_reads_words(fitted, wine, tmp_path):
    save(fitted, tmp_path / "density.flow")
    again = load(tmp_path / "density.flow")
    assert again.describe_topics(3, X=wine) == fitted.describe_topics(3, X=wine)


def test_what_cannot_be_told_is_refused(fitted, wine, monkeypatch):
    with pytest.raises(NotFittedError):
        made().describe_topics()
    with pytest.raises(InvalidParameterError, match="n_words"):
        fitted.describe_topics(0)
    normal = made(prior="normal").fit(wine)
    for method in ("describe_topics", "topic_distances", "steer"):
        assert not hasattr(normal, method)
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="as_frame=True"):
        fitted.describe_topics(as_frame=True)
