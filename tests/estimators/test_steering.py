"""Rows that are led to a topic take on its words, stay likely, and keep what is their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError

from flowkit import FractalFlowDensity
from flowkit.exceptions import InvalidDataError


def made(**options):
    brief = {"n_blocks": 1, "hidden_units": 8, "max_epochs": 5, "random_state": 0}
    return FractalFlowDensity(**{"n_topics": 3, "lda_backend": None, **brief, **options})


def blobs(n=300, seed=0):
    """Rows of three kinds that differ in their first three columns, one each; the rest is noise."""
    rng = np.random.RandomState(seed)
    kind = np.arange(n) % 3
    X = rng.standard_normal((n, 6))
    X[np.arange(n), kind] += 6
    return pd.DataFrame(X, columns=list("abcdef")), kind


def corpus(n=200, seed=0):
    words = np.random.default_rng(5).dirichlet(np.full(30, 0.15), size=3)
    rng = np.random.default_rng(seed)
    return np.stack([rng.multinomial(40, words[i % 3]) for i in range(n)])


ROWS = {
    "columns": ({"n_word_groups": 6}, lambda: blobs()[0]),
    "rows": ({"n_word_groups": 1}, lambda: blobs()[0]),
    "mixture": ({"prior": "gaussian_mixture"}, lambda: blobs()[0]),
    "wine": ({"n_word_groups": 13}, lambda: load_wine(as_frame=True).data),
    "images": (
        {"image_shape": (8, 8), "n_word_groups": 4, "fractal": "coupling"},
        lambda: load_digits().data[:200],
    ),
    "lifted images": (
        {"image_shape": (8, 8), "n_word_groups": 4, "fractal": "lifting", "max_epochs": 1},
        lambda: load_digits().data[:200],
    ),
    "counts": ({"documents": "counts", "max_epochs": 12}, corpus),
}


@pytest.fixture(scope="module", params=ROWS)
def fitted(request):
    options, rows = ROWS[request.param]
    X = rows()
    return made(**options).fit(X), X


def test_nothing_changes_without_an_amount(fitted):
    density, X = fitted
    for amount in (0, 0.0, np.zeros(len(X))):
        steered = density.steer(X, 1, amount)
        assert steered.dtype == np.float64
        np.testing.assert_array_equal(steered, np.asarray(X))


def test_the_topic_gains_with_the_amount(fitted):
    density, X = fitted
    for topic in range(3):
        shares = [
            density.predict_proba(density.steer(X, topic, amount))[:, topic].mean()
            for amount in (0, 0.25, 0.5, 0.75, 1)
        ]
        assert (np.diff(shares) > -0.01).all()
        assert shares[-1] > 0.85
        assert (density.predict(density.steer(X, topic)) == topic).mean() > 0.9


def test_steered_rows_are_as_likely_as_rows(fitted):
    density, X = fitted
    real = density.score_samples(X)
    for topic in range(3):
        new = density.score_samples(density.steer(X, topic))
        assert np.median(new) > np.quantile(real, 0.1)
        assert new.min() > real.min() - np.ptp(real)


def test_each_row_may_have_its_own_topic_and_amount(fitted):
    density, X = fitted
    n = 6
    X = X[:n]
    topics, amounts = np.arange(n) % 3, np.array([0, 1, 0.5, 0, 1, 0.5])
    together = density.steer(X, topics, amounts)
    np.testing.assert_array_equal(together[amounts == 0], np.asarray(X)[amounts == 0])
    if density.documents == "counts":
        # Words are drawn for all rows at once.
        assert (together.sum(1) == X.sum(1)).all()
        return
    for i in range(n):
        alone = density.steer(X[i : i + 1], int(topics[i]), amounts[i])
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_word_groups", [6, 1])
def test_only_the_columns_of_the_words_of_topics_change(n_word_groups):
    X, kind = blobs()
    density = made(n_word_groups=n_word_groups, max_epochs=1).fit(X)
    topic_of = [np.bincount(density.predict(X[kind == k]), minlength=3).argmax() for k in range(3)]
    assert sorted(topic_of) == [0, 1, 2]
    named = {word.split()[0] for topic in density.describe_topics(3) for word, _ in topic["words"]}
    assert {"a", "b", "c"} <= named
    rows = X[kind == 0]
    change = (density.steer(rows, topic_of[1]) - rows).mean().to_numpy()
    # Kind 0 is high in a, kind 1 in b.
    assert change[0] == pytest.approx(-6, abs=1.2)
    assert change[1] == pytest.approx(6, abs=1.2)
    assert np.abs(change[2:]).max() < 0.8


def test_what_is_a_rows_own_is_kept():
    X, kind = blobs()
    density = made(n_word_groups=1, max_epochs=1).fit(X)
    rows = X[kind == 0]
    target = np.bincount(density.predict(X[kind == 1])).argmax()
    steered = density.steer(rows, target)
    for j in range(2, 6):
        assert np.corrcoef(rows.iloc[:, j], steered[:, j])[0, 1] > 0.9


def test_counts_stay_counts_of_the_same_length_and_few_words_change():
    X = corpus()
    density = made(documents="counts", max_epochs=12).fit(X)
    half, whole = (density.steer(X, 1, amount) for amount in (0.5, 1.0))
    for steered in (half, whole):
        assert (steered == np.rint(steered)).all()
        assert (steered >= 0).all()
        assert (steered.sum(1) == X.sum(1)).all()
        np.testing.assert_array_equal(steered, density.steer(X, 1, 0.5 if steered is half else 1))
    own = density.predict(X) == 1
    assert np.abs(whole - X)[own].sum() < 0.1 * np.abs(whole - X).sum()
    assert np.abs(half - X).sum() < np.abs(whole - X).sum()
    words = [word for word, _ in density.topics_[1]["words"]]
    places = [int(word.removeprefix("column ")) for word in words]
    gain = (whole - X)[~own].mean(0)
    assert (gain[places] > 0).all()


@pytest.mark.parametrize(
    ("topic", "amount", "message"),
    [
        (3, 1.0, "topic must be 0 to 2, got 3"),
        (-1, 1.0, "topic must be 0 to 2"),
        (1.0, 1.0, "topic must be an int"),
        ([0, 1], 1.0, "one for each of 4 rows"),
        ("1", 1.0, "topic must be an int"),
        (True, 1.0, "topic must be an int"),
        (1, 1.5, "amount must be a number from 0 to 1"),
        (1, -0.1, "amount must be"),
        (1, np.nan, "amount must be"),
        (1, "much", "amount must be"),
        (1, [0.5, 1.0], "one for each of 4 rows"),
    ],
)
def test_impossible_topics_and_amounts_are_refused(topic, amount, message):
    X = blobs(60)[0]
    density = made(prior="gaussian_mixture", max_epochs=1).fit(X)
    with pytest.raises(InvalidDataError, match=message):
        density.steer(X[:4], topic, amount)


def test_no_topics_no_steering():
    X = blobs(60)[0]
    with pytest.raises(NotFittedError):
        made().steer(X, 0)
    assert not hasattr(made(prior="normal", max_epochs=1).fit(X), "steer")
