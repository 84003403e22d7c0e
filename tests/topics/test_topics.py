"""Documents and topics: labels that tell the truth, topics that are found, results that repeat."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from flowkit.exceptions import InvalidDataError, InvalidParameterError, MissingDependencyError
from flowkit.topics import (
    Documents,
    Topics,
    count_documents,
    fit_dirichlet,
    fit_lda,
    fold_in,
    group_responsibilities,
    heaviest_words,
    kmeans_topics,
    patch_documents,
    slot_responsibilities,
    table_documents,
    topic_words,
)

BACKENDS = ["sklearn", "gensim"]


def rng(seed=0):
    return np.random.RandomState(seed)


def need(backend):
    if backend == "gensim":
        pytest.importorskip("gensim")


TABLES = {
    "normal": rng().randn(300, 3),
    "tiny values": 1e-9 * rng().randn(200, 2),
    "huge values": 1e12 * (1 + rng().rand(200, 2)),
    "far from zero": 1e6 + 1e-3 * rng().randn(200, 2),
    "integers": rng().randint(-20, 20, (200, 2)),
    "ties": np.round(rng().randn(200, 2), 1),
    "mostly zero": rng().rand(200, 2) * (rng(1).rand(200, 2) < 0.1),
    "mostly the largest": 1 - rng().rand(200, 2) * (rng(1).rand(200, 2) < 0.1),
    "heavy in the middle": rng().randn(200, 2) * (rng(1).rand(200, 2) < 0.2),
    "float32": (rng().randint(0, 50, (200, 2)) / 10).astype(np.float32),
    "next to each other": 1 + np.arange(12)[:, None] * np.finfo(np.float64).eps,
    "discrete": rng().randint(0, 3, (200, 2)) / 3,
    "constant": np.full((20, 2), 0.1),
    "one row": rng().randn(1, 2),
    "iris": load_iris().data,
}


def holds(label, name, values):
    """Which values lie in the interval that a label prints."""
    number = values.dtype.type
    text = label.removeprefix(name)
    if match := re.fullmatch(r" (=|<=|>) (\S+)", text):
        sign, edge = match[1], number(match[2])
        return {"=": values == edge, "<=": values <= edge, ">": values > edge}[sign]
    low, high = re.fullmatch(r" in \((\S+), (\S+)\]", text).groups()
    return (values > number(low)) & (values <= number(high))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("n_bins", [2, 5])
def test_each_value_lies_in_the_interval_of_its_label_alone(table, n_bins):
    X = TABLES[table]
    documents = table_documents(X, n_bins=n_bins)
    values = X if X.dtype == np.float32 else X.astype(np.float64)
    for j, column in enumerate(values.T):
        words = np.flatnonzero([w.startswith(f"column {j} ") for w in documents.words])
        assert 1 <= len(words) <= n_bins
        for word in words:
            inside = holds(documents.words[word], f"column {j}", column)
            assert np.array_equal(inside, documents.tokens[:, j] == word)
            assert inside.any()


@pytest.mark.parametrize("table", TABLES)
def test_each_slot_of_a_table_counts_once_and_labels_differ(table):
    X = TABLES[table]
    documents = table_documents(X)
    counts = documents.counts()
    assert counts.shape == (len(X), len(documents.words))
    assert counts.dtype == np.float64
    assert (counts.sum(1) == X.shape[1]).all()
    assert (counts.sum(0) > 0).all()
    assert len(set(documents.words)) == len(documents.words)


def test_bins_of_distinct_values_are_about_equal_and_their_edges_short():
    documents = table_documents(rng().randn(20_000, 2))
    share = documents.counts().sum(0) / 20_000
    assert np.abs(share - 0.2).max() < 0.03
    assert max(len(label) for label in documents.words) <= len("column 0 in (-0.84, -0.24]")


def test_a_heavy_value_leaves_the_other_bins_to_the_rest():
    x = np.concatenate([np.zeros(900), np.arange(1, 101)])[:, None]
    share = np.asarray(table_documents(x, n_bins=5).counts().sum(0)).ravel()
    assert share[0] == 900
    assert np.abs(share[1:] - 25).max() < 15


def test_labels_use_the_names_of_columns():
    X = np.column_stack([[0, 1, 1], [5.5, 5.5, 5.5]])
    assert table_documents(X, ["sex", "age"]).words == ["sex = 0", "sex = 1", "age = 5.5"]
    assert table_documents(X, ["a", "a"]).words[0] == "a (column 0) = 0"
    assert table_documents(X).words[2] == "column 1 = 5.5"


@pytest.mark.parametrize(
    "shape", [(8, 8), (7, 9), (1, 11), (5, 3), (9, 6, 3), (2, 2), (4, 4, 1), (1, 1)]
)
@pytest.mark.parametrize(("patch", "stride"), [(1, None), (3, None), (4, None), (3, 1), (4, 3)])
def test_patches_cover_every_pixel_with_its_codeword(shape, patch, stride):
    X = rng().rand(40, np.prod(shape))
    documents = patch_documents(X, shape, rng(), patch=patch, n_words=10, stride=stride)
    assert set(np.concatenate(documents.slots)) == set(range(X.shape[1]))
    assert (documents.counts().sum(1) == len(documents.slots)).all()
    assert len(documents.words) == len(documents.codebook) == len(set(documents.words)) <= 10
    frequency = np.bincount(documents.tokens.ravel())
    assert (np.diff(frequency) <= 0).all()
    assert frequency.min() > 0
    for columns, tokens in zip(documents.slots, documents.tokens.T, strict=True):
        distance = ((X[:, None, columns] - documents.codebook) ** 2).sum(2)
        chosen = distance[np.arange(len(X)), tokens]
        assert np.allclose(chosen, distance.min(1), atol=1e-12)


def test_patches_are_squares_of_the_image():
    documents = patch_documents(np.arange(2 * 48).reshape(2, 48), (4, 4, 3), rng(), patch=2)
    assert documents.slots[1].tolist() == [6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23]


def test_a_codebook_has_no_more_words_than_there_are_patches():
    X = np.zeros((10, 64))
    assert patch_documents(X, (8, 8), rng()).words == ["patch 0"]
    X[0, 0] = 1
    documents = patch_documents(X, (8, 8), rng())
    assert documents.words == ["patch 0", "patch 1"]
    assert documents.tokens.sum() == 1


def test_counts_are_the_counts():
    X = rng().poisson(1.0, (30, 6))
    X[3] = 0
    documents = count_documents(X, list("abcdef"))
    assert documents.words == list("abcdef")
    assert (documents.counts().toarray() == X).all()
    assert documents.counts().nnz == np.count_nonzero(X)


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_counts_that_are_none_are_refused_by_name(bad):
    X = np.ones((5, 3))
    X[2, 1] = bad
    with pytest.raises(
        InvalidDataError, match=rf"{bad}.* in wool\. Columns that are no counts"
    ) as caught:
        count_documents(X, ["silk", "wool", "flax"])
    assert "silk" not in str(caught.value)


def test_taken_rows_are_the_documents_of_these_rows():
    X = rng().poisson(2.0, (20, 4))
    rows = np.array([3, 17, 3])
    taken = count_documents(X).take(rows)
    assert (taken.counts().toarray() == X[rows]).all()
    assert table_documents(X).take(rows).tokens.shape == (3, 4)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("n_bins", lambda: table_documents(np.ones((2, 2)), n_bins=0)),
        ("n_words", lambda: patch_documents(np.ones((2, 4)), (2, 2), rng(), n_words=0)),
        ("patch", lambda: patch_documents(np.ones((2, 4)), (2, 2), rng(), patch=1.5)),
        ("stride", lambda: patch_documents(np.ones((2, 4)), (2, 2), rng(), patch=1, stride=2)),
        ("image_shape", lambda: patch_documents(np.ones((2, 4)), (2, 3), rng())),
        ("image_shape", lambda: patch_documents(np.ones((2, 4)), (4,), rng())),
        ("n_topics", lambda: fit_lda(count_documents(np.ones((2, 2))), 0, "sklearn", rng())),
        ("n_topics", lambda: kmeans_topics(np.ones((2, 2)), 0, rng())),
        ("backend", lambda: fit_lda(count_documents(np.ones((2, 2))), 2, "mallet", rng())),
    ],
)
def test_bad_parameters_are_refused_by_name(name, call):
    with pytest.raises(InvalidParameterError, match=f"{name}="):
        call()


def planted(n=1500, n_topics=4, n_words=24, length=60, alpha=0.2):
    source = rng(5)
    words = source.dirichlet(np.full(n_words, 0.15), n_topics)
    theta = source.dirichlet(np.full(n_topics, alpha), n)
    counts = np.array([source.multinomial(length, p) for p in theta @ words])
    return words, theta, count_documents(counts)


def matched(found, true):
    """The order of found topics that brings them closest to the true ones."""
    return linear_sum_assignment(np.abs(true[:, None] - found).sum(2))[1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_planted_topics_are_found(backend):
    need(backend)
    words, theta, documents = planted()
    topics = fit_lda(documents, 4, backend, rng())
    order = matched(topics.words, words)
    assert np.abs(topics.words[order] - words).sum(1).max() < 0.15
    assert np.abs(topics.proportions[:, order] - theta).mean() < 0.04
    assert ((topics.alpha > 0.05) & (topics.alpha < 0.6)).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_seed_gives_one_result_and_leaves_numpy_alone(backend):
    need(backend)
    X = rng().randn(300, 6)
    before = np.random.get_state()[1].copy()  # noqa: NPY002

    def fit(seed):
        source = rng(seed)
        documents = patch_documents(X, (2, 3), source, patch=2, n_words=12)
        topics = fit_lda(documents, 3, backend, source)
        alpha, proportions = kmeans_topics(X, 3, source)
        return [documents.codebook, topics.words, topics.proportions, alpha, proportions]

    one, two, other = fit(0), fit(0), fit(1)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[1], other[1])
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_results_do_not_depend_on_the_number_of_threads():
    X = rng().rand(800, 64)

    def fit(n_threads):
        source = rng()
        with threadpool_limits(n_threads):
            documents = patch_documents(X, (8, 8), source)
            topics = fit_lda(documents, 5, "sklearn", source)
            clusters = kmeans_topics(X, 7, source)
        return documents.codebook, documents.tokens, topics.words, topics.proportions, *clusters

    for one, two in zip(fit(1), fit(2), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("X", "n_topics"),
    [
        (np.ones((3, 2), dtype=int), 5),
        (np.zeros((4, 2), dtype=int), 3),
        (np.array([[0, 0], [4, 1], [0, 2]]), 1),
        (np.array([[1], [0], [3]]), 2),
        (np.array([[10**6, 0, 3], [0, 0, 10**5]]), 2),
    ],
    ids=["more topics than words", "empty rows", "one topic", "one word", "large counts"],
)
def test_odd_documents_give_proper_topics(backend, X, n_topics, capfd):
    need(backend)
    documents = count_documents(X)
    topics = fit_lda(documents, n_topics, backend, rng())
    assert topics.alpha.shape == (n_topics,)
    assert ((topics.alpha >= 1e-2) & (topics.alpha <= 1e2)).all()
    assert topics.words.shape == (n_topics, X.shape[1])
    assert topics.proportions.shape == (len(X), n_topics)
    np.testing.assert_allclose(topics.words.sum(1), 1)
    np.testing.assert_allclose(topics.proportions.sum(1), 1)
    groups = [np.arange(X.shape[1])]
    shares = group_responsibilities(topics, documents, groups)
    np.testing.assert_allclose(shares.sum(2), 1)
    np.testing.assert_allclose(topic_words(shares, documents, groups).sum(1), 1)
    assert capfd.readouterr() == ("", "")


def test_gensim_that_is_missing_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "flowkit-density\[gensim\]"'):
        fit_lda(count_documents(np.ones((2, 2))), 2, "gensim", rng())
    assert issubclass(MissingDependencyError, ImportError)


def test_rows_are_folded_in_one_by_one():
    words, _, documents = planted()
    alpha, counts = np.array([0.1, 0.2, 0.3, 0.4]), documents.counts()
    together = fold_in(words, alpha, counts)
    np.testing.assert_array_equal(together[7:8], fold_in(words, alpha, counts[7:8]))
    np.testing.assert_array_equal(together[::-1], fold_in(words, alpha, counts[::-1]))
    np.testing.assert_allclose(fold_in(words, alpha, counts[:1] * 0), [alpha / alpha.sum()])


def test_folded_in_proportions_are_stationary():
    words, _, documents = planted(n=200)
    alpha, counts = np.full(4, 0.5), documents.counts()
    theta = fold_in(words, alpha, counts)
    again = alpha + theta * ((counts.toarray() / (theta @ words)) @ words.T)
    np.testing.assert_allclose(again / again.sum(1, keepdims=True), theta, atol=5e-3)


@pytest.mark.parametrize("alpha", [[0.5, 1, 2], [0.05, 0.3], [10, 20, 5, 5], [1] * 8])
def test_concentration_is_estimated(alpha):
    sample = rng().dirichlet(alpha, 20_000)
    np.testing.assert_allclose(fit_dirichlet(sample), alpha, rtol=0.05)


@pytest.mark.parametrize(
    "proportions", [np.eye(3), np.full((5, 3), 1 / 3), np.array([[1.0, 0, 0]])]
)
def test_concentration_of_degenerate_proportions_stays_in_bounds(proportions):
    alpha = fit_dirichlet(proportions)
    assert ((alpha >= 1e-2) & (alpha <= 1e2)).all()


def example(kind):
    """Documents of twelve columns, their topics, and groups of their columns."""
    source = rng(3)
    if kind == "table":
        documents = table_documents(source.randn(50, 12))
    elif kind == "counts":
        X = source.poisson(0.4, (50, 12))
        X[4] = 0
        documents = count_documents(X)
    else:
        documents = patch_documents(source.rand(50, 12), (3, 4), source, patch=2, n_words=9)
    words = source.dirichlet(np.ones(len(documents.words)), 3)
    topics = Topics(np.ones(3), words, source.dirichlet(np.ones(3), 50))
    groups = [np.array([11, 0, 1, 4]), np.array([7]), np.array([2, 3, 5, 6, 8, 9, 10])]
    return documents, topics, groups


def slow_group_of(columns, groups):
    return int(np.argmax([len(set(columns) & set(group)) for group in groups]))


@pytest.mark.parametrize("kind", ["table", "counts", "image"])
@pytest.mark.parametrize("chunk", [2**20, 64])
def test_responsibilities_agree_with_loops(kind, chunk, monkeypatch):
    monkeypatch.setattr("flowkit.topics.lda._CHUNK", chunk)
    documents, topics, groups = example(kind)
    phi = slot_responsibilities(topics, documents)
    shares = group_responsibilities(topics, documents, groups)
    beta = topic_words(shares, documents, groups)
    slow_beta = np.zeros_like(beta)
    for i, tokens in enumerate(documents.tokens):
        total, weight = np.zeros((3, 3)), np.zeros(3)
        for s, token in enumerate(tokens):
            expected = topics.proportions[i] * topics.words[:, token]
            expected /= expected.sum()
            np.testing.assert_allclose(phi[i, s], expected)
            w = 1.0 if documents.weights is None else documents.weights[i, s]
            g = slow_group_of(documents.slots[s], groups)
            total[g] += w * expected
            weight[g] += w
            slow_beta[:, token] += w * shares[i, g]
        for g in range(3):
            expected = total[g] / weight[g] if weight[g] else topics.proportions[i]
            np.testing.assert_allclose(shares[i, g], expected)
    np.testing.assert_allclose(beta, slow_beta / slow_beta.sum(1, keepdims=True))


def test_a_topic_without_rows_gets_the_words_of_all():
    documents, _, groups = example("table")
    shares = np.zeros((50, 3, 2))
    shares[:, :, 0] = 1
    beta = topic_words(shares, documents, groups)
    np.testing.assert_allclose(beta[0], beta[1])


def test_heaviest_words_by_probability_and_by_lift():
    beta = np.array([[0.7, 0.3, 0.0], [0.7, 0.1, 0.2]])
    words = ["common", "rare", "own"]
    assert heaviest_words(beta, words, 1, lambda_=1.0) == [[("common", 0.7)], [("common", 0.7)]]
    assert heaviest_words(beta, words, 1, lambda_=0.0) == [[("rare", 0.3)], [("own", 0.2)]]
    by_lift = heaviest_words(beta, words, 2, lambda_=0.0)
    assert by_lift == [[("common", 0.7), ("rare", 0.3)], [("common", 0.7), ("own", 0.2)]]
    # Where the first topic holds all rows, its words are those of everyone.
    alone = heaviest_words(beta, words, 9, lambda_=0.0, topic_weights=np.array([1.0, 0.0]))
    assert [word for word, _ in alone[0]] == ["common", "rare", "own"]
    with pytest.raises(InvalidParameterError, match="n_words=0"):
        heaviest_words(beta, words, 0)


def test_probabilities_of_heaviest_words_fall():
    beta = rng().dirichlet(np.full(30, 0.3), size=4)
    told = heaviest_words(beta, [str(w) for w in range(30)], 8)
    for k, words in enumerate(told):
        probabilities = [p for _, p in words]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(beta[k, int(word)] == p for word, p in words)


def test_kmeans_finds_blobs():
    label = rng(1).randint(0, 4, 12_000)
    Z = rng().randn(12_000, 3) + 20 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])[label]
    alpha, proportions = kmeans_topics(Z, 4, rng())
    assert adjusted_rand_score(label, proportions.argmax(1)) == 1
    np.testing.assert_allclose(proportions.sum(1), 1)
    np.testing.assert_allclose(np.sort(alpha), 0.25, atol=0.02)


@pytest.mark.parametrize("Z", [np.zeros((6, 2)), np.eye(3), np.ones((1, 4))])
def test_kmeans_with_fewer_distinct_rows_than_topics(Z):
    alpha, proportions = kmeans_topics(Z, 5, rng())
    assert alpha.shape == (5,)
    assert (alpha >= 1e-2).all()
    assert proportions.shape == (len(Z), 5)
    np.testing.assert_allclose(proportions.sum(1), 1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_topics_of_digits_are_digits(backend):
    need(backend)
    X, y = load_digits(return_X_y=True)
    source = rng()
    # Side by side, an image of 8 x 8 has four words only.
    documents = patch_documents(X, (8, 8), source, stride=2)
    topics = fit_lda(documents, 10, backend, source)
    assert normalized_mutual_info_score(y, topics.proportions.argmax(1)) > 0.4


def test_topics_of_iris_read_in_its_own_units():
    iris = load_iris()
    documents = table_documents(iris.data, iris.feature_names)
    topics = fit_lda(documents, 3, "sklearn", rng())
    assert normalized_mutual_info_score(iris.target, topics.proportions.argmax(1)) > 0.5
    assert isinstance(documents, Documents)
    for words in heaviest_words(topics.words, documents.words):
        assert all(re.match(r"(sepal|petal) (length|width) \(cm\) ", word) for word, _ in words)
