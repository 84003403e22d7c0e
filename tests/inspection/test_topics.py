"""TopicDisplay: words and their weights as the estimator tells them."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import TopicDisplay
from flowkit.exceptions import InvalidParameterError

from .examples import texts, tiny


def boxes_of_words(display):
    display.figure_.canvas.draw()
    return [
        (panel.get_window_extent(), label.get_window_extent())
        for panel in display.axes_
        for label in panel.get_yticklabels()
    ]


class TestTopics:
    def test_bars_are_the_words_of_the_estimator(self, fractal, ax):
        display = TopicDisplay.from_estimator(fractal, ax=ax)
        for k, (panel, bars) in enumerate(zip(display.axes_, display.bars_, strict=True)):
            words, probabilities = zip(*fractal.topics_[k]["words"], strict=True)
            assert [bar.get_width() for bar in bars] == list(probabilities)
            assert len(panel.get_yticks()) == len(words)
            weight, alpha = fractal.topics_[k]["weight"], fractal.topics_[k]["alpha"]
            title = panel.get_title(loc="left").replace("\n", " ")
            assert title == f"topic {k}: weight {weight:.2f}, alpha {alpha:.2f}"
        assert display.images_ is None
        assert display.figure_ is ax.figure

    def test_new_figure_has_room_for_whole_words(self, fractal, figures):
        display = TopicDisplay.from_estimator(fractal)
        for k, panel in enumerate(display.axes_):
            assert texts(panel.get_yticklabels()) == [w for w, _ in fractal.topics_[k]["words"]]

    @pytest.mark.parametrize("n_words", [2, 9])
    def test_as_many_words_as_asked_for(self, fractal, n_words, ax):
        display = TopicDisplay.from_estimator(fractal, n_words=n_words, ax=ax)
        assert display.topics == fractal.describe_topics(n_words)
        for bars in display.bars_:
            lengths = [bar.get_width() for bar in bars]
            assert len(lengths) == n_words
            assert lengths == sorted(lengths, reverse=True)
        with pytest.raises(InvalidParameterError, match="n_words must be an int of at least 1"):
            TopicDisplay.from_estimator(fractal, n_words=0, ax=ax)

    @pytest.mark.parametrize("n", [1, 8, 12])
    def test_labels_stay_within_their_panels(self, n, figures):
        words = [("mean of a column with quite a long name in (0.0028, 0.0049]", 0.02)] * 4
        words.append((f"{'very ' * 30}long name <= 3.14", 0.01))
        topics = [{"weight": 1 / n, "alpha": 0.1, "words": words}] * n
        display = TopicDisplay(topics=topics).plot()
        for panel, label in boxes_of_words(display):
            assert panel.x0 <= label.x0
            assert label.x1 <= panel.x1
        last = display.axes_[0].get_yticklabels()[-1].get_text()
        assert last.startswith("very very")
        assert last.endswith("long name <= 3.14")

    def test_words_are_shortened_in_a_small_place(self, fractal, ax):
        display = TopicDisplay.from_estimator(fractal, ax=ax)
        for panel, label in boxes_of_words(display):
            assert label.x1 <= panel.x1
        whole = ax.get_window_extent()
        assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 for box, _ in boxes_of_words(display))

    def test_given_axes_are_used_in_turn(self, fractal):
        axes = Figure().subplots(2, 2)
        display = TopicDisplay.from_estimator(fractal, ax=axes, color="red")
        assert list(display.axes_) == list(axes.flat[:3])
        np.testing.assert_allclose(display.bars_[0][0].get_facecolor(), [1, 0, 0, 1])
        assert not axes[1, 1].has_data()

    def test_heaviest_topics_are_shown_of_many(self, ax):
        weights = [0.1, 0.4, 0.05, 0.3, 0.15]
        topics = [{"weight": w, "alpha": 1.0, "words": [("a = 1", 0.5)]} for w in weights]
        assert TopicDisplay(topics=topics).plot(ax, max_topics=3).shown_ == [1, 3, 4]

    def test_rows_can_weigh_the_topics(self, fractal, wine, ax):
        display = TopicDisplay.from_estimator(fractal, wine[:20], ax=ax)
        np.testing.assert_allclose(
            [topic["weight"] for topic in display.topics], fractal.predict_proba(wine[:20]).mean(0)
        )
        assert [t["words"] for t in display.topics] == [t["words"] for t in fractal.topics_]

    def test_samples_of_images_are_those_of_the_estimator(self, images, ax):
        display = TopicDisplay.from_estimator(images, n_samples=6, n_shown=2, random_state=3, ax=ax)
        rng = np.random.RandomState(3)
        for k in range(3):
            drawn = images.sample(6, rng, topics=k).reshape(6, 8, 8)
            np.testing.assert_array_equal(display.images[k], drawn)
            mean, *single = [image.get_array() for image in display.images_[k]]
            assert len(single) == 2
            low, high = np.quantile(display.images, [0.005, 0.995])
            shown = np.clip((drawn - low) / (high - low), 0, 1)
            np.testing.assert_allclose(single, shown[:2])
            np.testing.assert_allclose(mean, shown.mean(0))
        assert display.bars_ is None
        ax.figure.canvas.draw()

    @pytest.mark.parametrize("n_channels", [1, 2, 3])
    def test_images_may_have_channels(self, n_channels, ax):
        topics = [{"weight": 0.5, "alpha": 1.0, "words": []}] * 2
        images = np.random.RandomState(0).standard_normal((2, 5, 4, 6, n_channels))
        display = TopicDisplay(topics=topics, images=images).plot(ax, n_shown=0)
        colours = (3,) if n_channels == 3 else ()
        assert display.images_[0][0].get_array().shape == (4, 6, *colours)
        ax.figure.canvas.draw()

    def test_flow_is_found_inside_a_pipeline(self, wine, ax):
        pipeline = make_pipeline(StandardScaler(), tiny()).fit(wine)
        display = TopicDisplay.from_estimator(pipeline, wine, ax=ax)
        np.testing.assert_allclose(
            [topic["weight"] for topic in display.topics], pipeline.predict_proba(wine).mean(0)
        )

    def test_mixture_prior_has_topics(self, four_columns, ax):
        mixture = tiny(prior="gaussian_mixture").fit(four_columns)
        assert TopicDisplay.from_estimator(mixture, ax=ax).shown_ == [0, 1, 2]

    def test_estimators_without_topics_are_refused(self, flow, four_columns):
        with pytest.raises(NotFittedError):
            TopicDisplay.from_estimator(tiny())
        normal = tiny(prior="normal").fit(four_columns)
        for estimator in (flow, normal):
            with pytest.raises(InvalidParameterError, match="no attribute 'topics_'"):
                TopicDisplay.from_estimator(estimator)

    @pytest.mark.parametrize(
        ("name", "value"), [("n_samples", 0), ("n_shown", -1), ("max_topics", 0), ("n_shown", 1.5)]
    )
    def test_impossible_parameters(self, name, value, images, ax):
        with pytest.raises(InvalidParameterError, match=name):
            TopicDisplay.from_estimator(images, ax=ax, **{name: value})

    def test_too_few_axes(self, fractal):
        with pytest.raises(InvalidParameterError, match="at least 3 of them, got 2"):
            TopicDisplay.from_estimator(fractal, ax=Figure().subplots(1, 2))
