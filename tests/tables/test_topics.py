"""Topics of a table are told in its names, levels and units, and its rows can be led to them."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from flowkit import FractalFlowDensity, TableDensity, TopicDisplay, TransformedDensity, load, save
from flowkit.exceptions import OutsideSupportError

ISLANDS = ["Biscoe", "Dream", "Torgersen"]


def birds(n=240, seed=0):
    """Kinds of rows that differ in a category, a whole and a real number; and these kinds."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 3
    strays = rng.uniform(size=n) < 0.1
    rows = {
        "island": np.array(ISLANDS)[np.where(strays, rng.integers(0, 3, n), kind)],
        "eggs": rng.poisson(np.array([1, 4, 9])[kind]),
        "mass": 3000 + 900 * kind + 150 * rng.normal(size=n),
    }
    return pd.DataFrame(rows), kind


@pytest.fixture(scope="module")
def fitted():
    options = {"n_blocks": 1, "hidden_units": 8, "max_epochs": 2, "n_word_groups": 3}
    density = FractalFlowDensity(3, random_state=0, **options)
    return TableDensity(density, bounds={"eggs": (0, None)}, random_state=0).fit(birds()[0])


def test_words_are_levels_and_values_of_the_table(fitted):
    X, _ = birds()
    words = {word for topic in fitted.describe_topics(9) for word, _ in topic["words"]}
    assert {word for word in words if word.startswith("island")} == {
        f"island = {name}" for name in ISLANDS
    }
    edges = [float(w.split()[-1].rstrip("]")) for w in words if w.startswith("mass")]
    assert min(edges) > X.mass.min()
    assert max(edges) < X.mass.max()
    assert fitted.topics_ == fitted.density_.topics_
    assert fitted.describe_topics(5) == fitted.topics_
    # Each kind has the island that is its own among its words.
    kinds = [fitted.predict(X)[birds()[1] == k] for k in range(3)]
    for k, own in enumerate(kinds):
        told = [word for word, _ in fitted.topics_[np.bincount(own).argmax()]["words"]]
        assert f"island = {ISLANDS[k]}" in told


def test_topics_of_rows_are_their_kinds(fitted):
    X, kind = birds(seed=1)
    proportions = fitted.predict_proba(X)
    assert proportions.shape == (240, 3)
    np.testing.assert_allclose(proportions.sum(1), 1)
    np.testing.assert_array_equal(fitted.predict(X), proportions.argmax(1))
    assert adjusted_rand_score(kind, fitted.predict(X)) > 0.8
    topics = fitted.describe_topics(X=X)
    np.testing.assert_allclose([t["weight"] for t in topics], proportions.mean(0))
    assert all(topic["coherence"] > 0.1 for topic in topics)
    display = TopicDisplay.from_estimator(fitted, X, ax=Figure().subplots())
    assert [t["words"] for t in display.topics] == [t["words"] for t in topics]


def test_rows_are_led_to_topics_in_the_form_of_the_table(fitted):
    X, kind = birds()
    topic = np.bincount(fitted.predict(X[kind == 2])).argmax()
    rows = X[kind == 0].reset_index(drop=True)
    steered = fitted.steer(rows, topic)
    assert (steered.dtypes == X.dtypes).all()
    assert list(steered) == list(X)
    assert (fitted.predict(steered) == topic).mean() > 0.9
    assert steered.mass.mean() == pytest.approx(X.mass[kind == 2].mean(), rel=0.05)
    assert (steered.island == "Torgersen").mean() > 0.7
    assert steered.eggs.min() >= 0
    real = fitted.score_samples(X)
    assert np.median(fitted.score_samples(steered)) > np.quantile(real, 0.1)
    pd.testing.assert_frame_equal(fitted.steer(rows, topic, 0), rows)
    some = fitted.steer(rows, topic, np.arange(len(rows)) % 2)
    pd.testing.assert_frame_equal(some[::2], rows[::2])
    assert not some[1::2].equals(rows[1::2])


def test_topics_outlive_pickles_and_files(fitted, tmp_path):
    X, _ = birds()
    save(fitted, tmp_path / "table.flow")
    again = load(tmp_path / "table.flow")
    assert again.describe_topics(4, X=X) == fitted.describe_topics(4, X=X)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_rows_without_probability_have_no_topics(fitted):
    X, _ = birds(6)
    X.loc[2, "island"] = "Bird Island"
    with pytest.raises(OutsideSupportError, match="island holds a value in row 2"):
        fitted.predict_proba(X)


def test_densities_without_topics_give_none():
    X, _ = birds()
    for density in (None, GaussianMixture(2), FractalFlowDensity(prior="normal", max_epochs=1)):
        table = TableDensity(density)
        for name in ("predict_proba", "predict", "describe_topics", "steer", "topics_"):
            assert not hasattr(table, name)
    fitted = TableDensity(GaussianMixture(2), random_state=0).fit(X)
    assert not hasattr(fitted, "topics_")
    assert not hasattr(fitted, "predict")


TRANSFORMERS = {"scaled": StandardScaler(), "turned": PCA(whiten=True)}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_topics_behind_a_transformer_are_told_in_words_of_the_table(name, fitted):
    X, _ = birds()
    within = TransformedDensity(TRANSFORMERS[name], clone(fitted.density))
    density = clone(fitted).set_params(density=within, random_state=1).fit(X)
    told = {word for topic in density.describe_topics(30) for word, _ in topic["words"]}
    plain = {word for topic in fitted.describe_topics(30) for word, _ in topic["words"]}
    assert told == plain
    topics = density.describe_topics(X=X)
    np.testing.assert_allclose([t["weight"] for t in topics], density.predict_proba(X).mean(0))
    assert max(topic["coherence"] for topic in topics) > 0.1
    again = pickle.loads(pickle.dumps(density))
    assert again.describe_topics(4, X=X) == density.describe_topics(4, X=X)
