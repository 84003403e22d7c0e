"""Topics behind a transformer are told in names and units before it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import PowerTransformer, StandardScaler

from flowkit import FractalFlowDensity, TransformedDensity, load, save
from flowkit.exceptions import OutsideSupportError


def made(transformer, **options):
    options = {"n_word_groups": 4, "n_blocks": 1, "hidden_units": 8, "max_epochs": 2, **options}
    density = FractalFlowDensity(3, early_stopping=False, random_state=0, **options)
    return TransformedDensity(transformer, density)


@pytest.fixture(scope="module")
def iris():
    return load_iris(as_frame=True).data


def words_of(density):
    return {word for topic in density.describe_topics(30) for word, _ in topic["words"]}


@pytest.fixture(scope="module")
def words(iris):
    return words_of(made("passthrough").fit(iris))


TRANSFORMERS = {
    "scaled": StandardScaler(),
    "bent": PowerTransformer(),
    "turned": PCA(),
    "permuted": ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", "passthrough", [1, 3])]),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_words_are_those_without_a_transformer(name, iris, words, tmp_path):
    density = made(TRANSFORMERS[name]).fit(iris)
    assert words_of(density) == words
    assert density.topics_ == density.density_.topics_
    proportions = density.predict_proba(iris)
    np.testing.assert_array_equal(density.predict(iris), proportions.argmax(1))
    topics = density.describe_topics(X=iris)
    np.testing.assert_allclose([topic["weight"] for topic in topics], proportions.mean(0))
    assert density.topic_distances().shape == (3, 3)
    # Words tell of the rows that hold them, whatever becomes of their columns.
    heaviest = max(topics, key=lambda topic: topic["coherence"])
    assert heaviest["coherence"] > 0.2
    save(density, tmp_path / "density.flow")
    assert load(tmp_path / "density.flow").describe_topics(X=iris) == topics


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_rows_are_led_in_their_own_units(name, iris):
    density = made(TRANSFORMERS[name], prior="gaussian_mixture", max_epochs=10).fit(iris)
    for k in range(3):
        steered = density.steer(iris, k)
        frame = pd.DataFrame(steered, columns=iris.columns)
        assert (density.predict(frame) == k).mean() > 0.8
        center = iris[density.predict(iris) == k].mean()
        spread = iris[density.predict(iris) == k].std()
        assert (np.abs(steered.mean(0) - center) < spread).all()
        np.testing.assert_array_equal(density.steer(iris, k, 0.0), iris.to_numpy())


def test_rows_outside_the_domain_have_no_topics(iris):
    X = iris.to_numpy()
    density = made(PowerTransformer("box-cox")).fit(X)
    with pytest.raises(OutsideSupportError, match="row 1 lies outside the domain"):
        density.predict_proba(np.vstack([X[0], -X[0]]))


def test_densities_without_topics_give_none(iris):
    density = TransformedDensity(StandardScaler(), GaussianMixture(2)).fit(iris)
    for name in ("predict_proba", "predict", "describe_topics", "steer", "topics_"):
        assert not hasattr(density, name)
