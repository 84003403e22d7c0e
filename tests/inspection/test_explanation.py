"""ExplanationDisplay: bars, heatmaps and maps of the detector's effects."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector, ExplanationDisplay, RGFlowDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import INFINITY, MINUS, texts


@pytest.fixture(scope="module")
def wine_detector(wine):
    return DensityOutlierDetector(GaussianMixture(random_state=0)).fit(wine)


def widths(bars):
    return np.array([bar.get_width() for bar in bars])


class TestExplanationBars:
    def test_bars_are_the_largest_effects(self, wine_detector, wine, ax):
        odd = wine.iloc[[3, 7]].assign(hue=2.5)
        display = ExplanationDisplay.from_estimator(wine_detector, odd, max_features=4, ax=ax)
        effects = pd.DataFrame(wine_detector.explain(odd), columns=wine.columns)
        for i, (panel, bars) in enumerate(zip(display.axes_, display.bars_, strict=True)):
            largest = effects.iloc[i].sort_values(ascending=False)[:4]
            np.testing.assert_allclose(widths(bars), largest)
            names = [label.split(" = ")[0] for label in texts(panel.get_yticklabels())]
            assert names == list(largest.index)
            assert display.shown_[i] == [wine.columns.get_loc(name) for name in names]
            assert texts(panel.texts) == [f"{e:+.1f}".replace("-", MINUS) for e in largest]
        assert [panel.get_title().split(":")[0] for panel in display.axes_] == ["row 3", "row 7"]

    def test_names_have_values_and_titles_have_scores(self, wine_detector, wine, figures):
        odd = wine.iloc[[3]].assign(hue=2.5)
        display = ExplanationDisplay.from_estimator(wine_detector, odd)
        assert texts(display.axes_[0].get_yticklabels())[0] == "hue = 2.5"
        score = wine_detector.score_samples(odd)[0]
        assert display.axes_[0].get_title() == f"row 3: score {MINUS}{-score:.1f}"
        assert display.axes_[0].get_xlabel() == "effect (nats)"

    @pytest.mark.parametrize("n_rows", [1, 2, 3, 4])
    def test_texts_are_inside_and_apart(self, n_rows, wine_detector, wine, figures):
        long = wine.iloc[:n_rows].rename(columns=lambda name: f"{name} by some method {name}")
        detector = DensityOutlierDetector(GaussianMixture(random_state=0)).fit(
            wine.set_axis(long.columns, axis=1)
        )
        display = ExplanationDisplay.from_estimator(detector, long.assign(**{long.columns[0]: 9.0}))
        display.figure_.canvas.draw()
        whole = display.figure_.bbox
        for panel in display.axes_:
            box = panel.get_window_extent()
            labels = [label.get_window_extent() for label in panel.get_yticklabels()]
            numbers = [text.get_window_extent() for text in panel.texts]
            assert all(whole.x0 <= label.x0 and label.x1 <= box.x0 for label in labels)
            assert all(number.x1 <= box.x1 + 1 for number in numbers)
            assert all(a.y0 >= b.y1 for a, b in itertools.pairwise(labels))

    def test_one_axes_give_way_to_panels_with_their_names(self, wine_detector, wine):
        figure = Figure(figsize=(8, 5))
        ax = figure.subplots()
        display = ExplanationDisplay.from_estimator(wine_detector, wine[:3], max_features=5, ax=ax)
        figure.canvas.draw()
        place = ax.get_window_extent()
        for panel in display.axes_:
            for label in panel.get_yticklabels():
                assert place.x0 - 1 <= label.get_window_extent().x0
            assert panel.get_window_extent().x1 <= place.x1 + 1
        assert not ax.axison

    def test_given_axes_are_used_in_turn(self, wine_detector, wine):
        axes = Figure().subplots(2, 2)
        display = ExplanationDisplay.from_estimator(wine_detector, wine[:3], ax=axes, color="green")
        assert list(display.axes_) == list(axes.flat[:3])
        assert to_rgb(display.bars_[0][0].get_facecolor()) == to_rgb("green")
        with pytest.raises(InvalidParameterError, match="at least 3 of them, got 2"):
            display.plot(axes[0])

    def test_arrays_have_numbered_columns(self, rows, detector, ax):
        display = ExplanationDisplay.from_estimator(detector, rows[:1].tolist(), ax=ax)
        assert {text.split(" = ")[0] for text in texts(display.axes_[0].get_yticklabels())} == {
            "x0",
            "x1",
            "x2",
        }
        assert display.row_names == ["0"]

    def test_infinite_effects_come_first_and_are_named(self, ax):
        display = ExplanationDisplay(effects=[[3.0, -0.2, np.inf, -np.inf]], names=list("abcd"))
        display.plot(ax)
        assert display.shown_ == [[2, 0, 1, 3]]
        np.testing.assert_allclose(widths(display.bars_[0]), [3.0, 3.0, -0.2, -3.0])
        numbers = [f"+{INFINITY}", "+3.0", f"{MINUS}0.2", f"{MINUS}{INFINITY}"]
        assert texts(display.axes_[0].texts) == numbers

    def test_effects_of_zero_can_be_drawn(self, ax):
        display = ExplanationDisplay(effects=np.zeros((1, 2)), names=["a", "b"]).plot(ax)
        assert texts(display.axes_[0].texts) == ["0.0", "0.0"]
        ax.figure.canvas.draw()

    @pytest.mark.parametrize("by", ["topics", "levels"])
    def test_parts_of_a_density(self, by, rows, detector, ax):
        if by == "levels":
            density = RGFlowDensity(hidden_units=8, n_layers=1, max_epochs=1, random_state=0)
            detector = DensityOutlierDetector(density).fit(rows)
        display = ExplanationDisplay.from_estimator(detector, rows[:1], by=by, ax=ax)
        np.testing.assert_allclose(
            widths(display.bars_[0]), np.sort(np.ravel(detector.explain(rows[:1], by=by)))[::-1]
        )
        assert all(text.startswith(by[:-1]) for text in texts(display.axes_[0].get_yticklabels()))
        assert display.values is None

    def test_pipeline_explains_what_its_last_step_sees(self, rows, ax):
        pipeline = make_pipeline(
            StandardScaler(), DensityOutlierDetector(GaussianMixture(), random_state=0)
        ).fit(rows)
        display = ExplanationDisplay.from_estimator(pipeline, rows[:2], ax=ax)
        seen = pipeline[0].transform(rows[:2])
        np.testing.assert_allclose(display.effects, pipeline[-1].explain(seen))
        np.testing.assert_array_equal(display.values, seen)


class TestExplanationHeatmap:
    def test_cells_are_the_effects(self, wine_detector, wine, ax):
        display = ExplanationDisplay.from_estimator(
            wine_detector, wine[:20], max_features=6, cmap="PuOr", ax=ax
        )
        effects = pd.DataFrame(wine_detector.explain(wine[:20]), columns=wine.columns)
        order = effects.mean().sort_values(ascending=False).index[:6]
        np.testing.assert_allclose(display.heatmap_.get_array(), effects[order].T)
        assert texts(ax.get_yticklabels()) == list(order)
        assert texts(ax.get_xticklabels()) == [str(i) for i in range(20)]
        limit = np.abs(effects[order].to_numpy()).max()
        assert display.heatmap_.get_clim() == pytest.approx((-limit, limit))
        assert display.heatmap_.get_cmap().name == "PuOr"
        assert list(display.axes_) == [ax]
        assert display.colorbar_.ax.get_ylabel() == "effect (nats)"

    def test_method_can_be_chosen(self, wine_detector, wine, figures):
        five = ExplanationDisplay.from_estimator(wine_detector, wine[:5], plot_method="bars")
        assert len(five.bars_) == 5
        assert five.plot(plot_method="auto").bars_ is None
        two = ExplanationDisplay.from_estimator(
            wine_detector, wine[:2], plot_method="heatmap", max_features=None
        )
        assert two.heatmap_.get_array().shape == (13, 2)
        assert two.bars_ is None

    def test_names_are_inside_of_a_new_figure(self, wine_detector, wine, figures):
        display = ExplanationDisplay.from_estimator(wine_detector, wine[:60])
        display.figure_.canvas.draw()
        labels = display.axes_[0].get_yticklabels()
        assert min(label.get_window_extent().x0 for label in labels) >= 0
        boxes = [label.get_window_extent() for label in display.axes_[0].get_xticklabels()]
        assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))

    def test_many_rows_have_no_names(self, wine_detector, wine, ax):
        ExplanationDisplay.from_estimator(wine_detector, wine, ax=ax)
        assert texts(ax.get_xticklabels()) == []

    def test_infinite_effects_have_the_strongest_colour(self, ax):
        effects = np.array([[1.0, np.inf]] * 5)
        display = ExplanationDisplay(effects=effects, names=["a", "b"]).plot(ax)
        assert np.isfinite(display.heatmap_.get_array()).all()
        ax.figure.canvas.draw()


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).standard_normal((80, 12)).cumsum(1)


@pytest.fixture(scope="module")
def image_detector(images):
    return DensityOutlierDetector(GaussianMixture(reg_covar=0.1)).fit(images)


class TestExplanationImages:
    def test_maps_are_the_effects_of_pixels(self, images, image_detector, figures):
        display = ExplanationDisplay.from_estimator(image_detector, images[:3], image_shape=(3, 4))
        effects = np.asarray(image_detector.explain(images[:3])).reshape(3, 3, 4)
        for drawn, wanted in zip(display.maps_, effects, strict=True):
            np.testing.assert_allclose(drawn.get_array(), wanted)
        assert display.shown_ == []
        assert texts(display.axes_[0].get_xticklabels()) == ["0", "1", "2"]
        display.figure_.canvas.draw()

    def test_channels_of_a_pixel_are_added(self, images, image_detector, ax):
        display = ExplanationDisplay.from_estimator(
            image_detector, images[:1], image_shape=(2, 2, 3), ax=ax
        )
        effects = np.asarray(image_detector.explain(images[:1]))
        wanted = effects.reshape(2, 2, 3).sum(2)
        np.testing.assert_allclose(display.maps_[0].get_array(), wanted)
        assert list(display.axes_) == [ax]

    def test_images_that_are_no_rows(self, images, image_detector, ax):
        with pytest.raises(InvalidParameterError, match=r"\(3, 3\) is not that of rows of 12"):
            ExplanationDisplay.from_estimator(image_detector, images, image_shape=(3, 3), ax=ax)
        with pytest.raises(InvalidParameterError, match="needs by='features', got 'topics'"):
            ExplanationDisplay.from_estimator(
                image_detector, images, image_shape=(3, 4), by="topics", ax=ax
            )
        with pytest.raises(InvalidParameterError, match="image_shape needs values"):
            ExplanationDisplay(effects=np.zeros((1, 4)), names="abcd", image_shape=(2, 2)).plot(ax)


class TestExplanationErrors:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("max_features", 0), ("max_features", 1.5), ("plot_method", "pie"), ("by", "rows")],
    )
    def test_impossible_parameters(self, name, value, detector, rows, ax):
        with pytest.raises(InvalidParameterError, match=name):
            ExplanationDisplay.from_estimator(detector, rows[:1], ax=ax, **{name: value})

    def test_unsuitable_estimators(self, rows, detector, ax):
        with pytest.raises(NotFittedError):
            ExplanationDisplay.from_estimator(DensityOutlierDetector(), rows)
        with pytest.raises(InvalidParameterError, match="GaussianMixture has no method 'explain'"):
            ExplanationDisplay.from_estimator(GaussianMixture().fit(rows), rows)
        with pytest.raises(InvalidParameterError, match="log_det_tree"):
            ExplanationDisplay.from_estimator(detector, rows[:1], by="tree", ax=ax)
        with pytest.raises(InvalidDataError, match="no rows"):
            ExplanationDisplay(effects=np.empty((0, 2)), names=["a", "b"]).plot(ax)
