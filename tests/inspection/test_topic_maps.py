"""Maps of topics, the search for their number, and images led to them, as the estimators tell."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from flowkit import FractalFlowDensity, TopicDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.inspection import (
    SteeringDisplay,
    TopicMapDisplay,
    TopicNumberDisplay,
    describe_topics,
)

from .examples import texts, tiny


class TestMap:
    def test_circles_are_as_far_apart_as_topics_and_as_large(self, fractal, ax):
        display = TopicMapDisplay.from_estimator(fractal, ax=ax)
        distances = fractal.topic_distances()
        np.testing.assert_array_equal(display.distances, distances)
        # Three topics always lie in a plane where their distances are Euclidean ones.
        np.testing.assert_allclose(squareform(pdist(display.positions_)), distances, rtol=0.2)
        weights = np.array([topic["weight"] for topic in fractal.topics_])
        sizes = display.circles_.get_sizes()
        np.testing.assert_allclose(sizes / sizes.sum(), weights)
        assert texts(display.texts_) == ["0", "1", "2"]
        listed = texts(ax.texts)[3:]
        for k, topic in enumerate(fractal.describe_topics(2)):
            whole = f"{k}: {', '.join(word for word, _ in topic['words'])}"
            # Long labels lose their middle.
            begin, _, end = listed[k].partition("…")
            assert whole.startswith(begin)
            assert whole.endswith(end)
            assert len(listed[k]) > 20

    def test_share_of_the_distances_is_told(self, ax):
        simplex = 1.0 - np.eye(4)
        topics = [{"weight": 0.25, "words": [("a", 1.0)]}] * 4
        TopicMapDisplay(distances=simplex, topics=topics).plot(ax)
        assert ax.get_xlabel().startswith("67% of the squared distances")

    @pytest.mark.parametrize("n", [1, 2, 30])
    def test_any_number_of_topics_can_be_drawn(self, n, ax):
        topics = [{"weight": 1 / n, "words": [("a", 1.0)]}] * n
        display = TopicMapDisplay(distances=np.zeros((n, n)), topics=topics).plot(ax)
        ax.figure.canvas.draw()
        places = np.array([text.xy for text in display.texts_])
        # Numbers of topics in one place are beside each other.
        assert len(np.unique(places.round(9), axis=0)) == n

    def test_rows_can_weigh_the_topics(self, fractal, wine, ax):
        display = TopicMapDisplay.from_estimator(fractal, wine[:20], ax=ax)
        weights = [topic["weight"] for topic in display.topics]
        np.testing.assert_allclose(weights, fractal.predict_proba(wine[:20]).mean(0))


class TestNumber:
    def test_curves_are_those_of_the_search(self, ax):
        X = np.random.RandomState(0).standard_normal((90, 3))
        X[::3] += 9
        density = tiny("auto", n_word_groups=1).fit(X)
        display = TopicNumberDisplay.from_estimator(density, ax=ax)
        for name, line in display.lines_.items():
            np.testing.assert_array_equal(line.get_xdata(), density.topic_search_["n_topics"])
            np.testing.assert_array_equal(line.get_ydata(), density.topic_search_[name])
        assert [line.get_xdata()[0] for line in display.chosen_lines_] == [density.n_topics_] * 2
        assert TopicNumberDisplay(search=display.search).plot(ax).chosen_lines_ == []

    def test_missing_columns_are_named(self):
        with pytest.raises(InvalidParameterError, match=r"search lacks \['stability'\]"):
            TopicNumberDisplay(
                search=dict.fromkeys(["n_topics", "log_density", "standard_error"])
            ).plot()


class TestSteering:
    def test_pictures_are_what_the_estimator_gives(self, images, digits, ax):
        X = digits[:3]
        display = SteeringDisplay.from_estimator(images, X, amount=0.5, random_state=0, ax=ax)
        assert display.topics == [0, 1, 2]
        assert display.pictures_.shape == (4, 4)
        assert display.pictures_[0, 0] is None
        limits = X.min(), X.max()
        for k in range(3):
            expected = images.steer(X, k, 0.5)
            np.testing.assert_array_equal(display.steered[:, k], expected)
            shown = np.clip((expected - limits[0]) / np.ptp(limits), 0, 1).reshape(3, 8, 8)
            for i in range(3):
                np.testing.assert_allclose(display.pictures_[i + 1, k + 1].get_array(), shown[i])
            mean = images.sample(64, 0, topics=k).mean(0)
            np.testing.assert_array_equal(display.means[k], mean)
        assert texts(ax.get_xticklabels()) == ["0", "1", "2"]
        assert "amount 0.50" in ax.get_title()

    def test_heaviest_topics_are_shown_of_many(self, images, digits, ax):
        display = SteeringDisplay.from_estimator(images, digits[:1], max_topics=2, ax=ax)
        weights = np.array([topic["weight"] for topic in images.topics_])
        assert display.topics == sorted(np.argsort(-weights)[:2])

    def test_tables_and_impossible_amounts_are_refused(self, fractal, images, wine, digits, ax):
        with pytest.raises(InvalidParameterError, match="image_shape=None"):
            SteeringDisplay.from_estimator(fractal, wine[:2], ax=ax)
        with pytest.raises(InvalidDataError, match="amount"):
            SteeringDisplay.from_estimator(images, digits[:2], amount=2, ax=ax)
        with pytest.raises(InvalidParameterError, match="max_topics"):
            SteeringDisplay.from_estimator(images, digits[:2], max_topics=0, ax=ax)


class TestPipelines:
    def test_words_are_told_of_the_columns_outside(self, wine):
        density = tiny(n_word_groups=13, early_stopping=False)
        pipeline = make_pipeline(StandardScaler(), density).fit(wine)
        alone = tiny(n_word_groups=13, early_stopping=False).fit(wine)
        topics = describe_topics(pipeline, wine, n_words=40)
        words = {word for topic in topics for word, _ in topic["words"]}
        assert words == {w for topic in alone.describe_topics(40) for w, _ in topic["words"]}
        weights = [topic["weight"] for topic in topics]
        np.testing.assert_allclose(weights, pipeline.predict_proba(wine).mean(0))
        assert all(topic["coherence"] > 0 for topic in describe_topics(pipeline, wine))
        # Without rows, names alone are known.
        inside = describe_topics(pipeline, n_words=40)
        assert {word.split()[0] for topic in inside for word, _ in topic["words"]} == set(wine)
        frame = describe_topics(pipeline, wine, as_frame=True)
        assert len(frame) == 15

    def test_levels_outside_are_words(self, ax):
        kind = np.arange(90) % 3
        X = pd.DataFrame({"kind": np.array(["red", "green", "blue"])[kind]})
        encoder = OneHotEncoder(sparse_output=False)
        pipeline = make_pipeline(encoder, tiny(prior="gaussian_mixture")).fit(X)
        display = TopicDisplay.from_estimator(pipeline, X, ax=ax)
        words = {word for topic in display.topics for word, _ in topic["words"]}
        assert words == {"kind = red", "kind = green", "kind = blue"}

    def test_rows_that_lack_values_are_told_without_them(self, wine):
        X = wine.copy()
        X.iloc[::4, 0] = np.nan
        density = tiny(n_word_groups=1, missing="marginalize")
        pipeline = make_pipeline(StandardScaler(), density).fit(X)
        topics = describe_topics(pipeline, X)
        complete = describe_topics(pipeline, X.dropna())
        assert [t["words"] for t in topics] == [t["words"] for t in complete]

    def test_words_of_texts_are_words(self):
        lines = ["cat dog cat pet", "dog pet fur", "stock price", "price stock fund"] * 10
        counts = FractalFlowDensity(2, documents="counts", random_state=0)
        pipeline = make_pipeline(CountVectorizer(), counts).fit(lines)
        vocabulary = set(pipeline[0].get_feature_names_out())
        for rows in (None, lines):
            topics = describe_topics(pipeline, rows, n_words=3)
            assert {word for topic in topics for word, _ in topic["words"]} <= vocabulary

    def test_what_has_no_topics_is_refused(self, mixture):
        with pytest.raises(InvalidParameterError, match="GaussianMixture has no method"):
            describe_topics(mixture)
