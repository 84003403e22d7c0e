"""Displays: what is drawn agrees with what the estimator says."""

import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from matplotlib.figure import Figure
from scipy.integrate import trapezoid
from sklearn.datasets import load_digits, load_wine, make_moons
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flowkit import (
    PHVAE,
    CalibrationDisplay,
    DensityDisplay,
    ExplanationDisplay,
    FlowDensity,
    FractalFlowDensity,
    LatentPyramidDisplay,
    LogDetTreeDisplay,
    ReceptiveFieldDisplay,
    ReconstructionDisplay,
    RGFlowDensity,
    ScoreHistogramDisplay,
    StyleMixDisplay,
    TopicDisplay,
    TrainingCurveDisplay,
)
from flowkit.exceptions import InvalidDataError, InvalidParameterError, MissingDependencyError


@pytest.fixture
def ax():
    """Axes of a figure that belongs to no window and no list of open figures."""
    return Figure().subplots()


@pytest.fixture(scope="module")
def moons():
    return make_moons(120, noise=0.1, random_state=0)[0] * [3.0, 0.5] + [10.0, 0.0]


@pytest.fixture(scope="module")
def flow(moons):
    return FlowDensity(prior="normal", max_epochs=3, random_state=0).fit(moons)


@pytest.fixture(scope="module")
def four_columns():
    rng = np.random.RandomState(0)
    return rng.standard_normal((80, 4)) * [1, 2, 3, 4] + [5, 6, 7, 8]


@pytest.fixture(scope="module")
def mixture(four_columns):
    return GaussianMixture(2, random_state=0).fit(four_columns)


class TestSurface:
    def test_values_are_those_of_score_samples(self, flow, moons, ax):
        display = DensityDisplay.from_estimator(flow, moons, grid_resolution=7, ax=ax)
        points = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
        np.testing.assert_allclose(
            display.log_density.ravel(), flow.score_samples(points), rtol=1e-6
        )
        assert display.log_density.shape == (7, 7)

    def test_mesh_shows_the_values_down_to_the_floor(self, flow, moons, ax):
        display = DensityDisplay.from_estimator(
            flow, moons, grid_resolution=9, plot_method="pcolormesh", depth=5.0, ax=ax
        )
        top = display.log_density.max()
        assert (display.log_density < top - 5).any()
        np.testing.assert_allclose(
            display.surface_.get_array(), np.maximum(display.log_density, top - 5)
        )

    def test_grid_reaches_beyond_the_data_by_the_margin(self, flow, moons, ax):
        display = DensityDisplay.from_estimator(flow, moons, margin=0.5, ax=ax)
        low, high = moons.min(0), moons.max(0)
        for grid, j in ((display.xx0, 0), (display.xx1, 1)):
            reach = 0.5 * (high[j] - low[j])
            np.testing.assert_allclose([grid.min(), grid.max()], [low[j] - reach, high[j] + reach])
        assert ax.get_xlim() == pytest.approx((display.xx0.min(), display.xx0.max()))

    def test_other_features_are_held_at_their_median(self, mixture, four_columns, ax):
        display = DensityDisplay.from_estimator(
            mixture, four_columns, features=(3, 1), grid_resolution=5, ax=ax
        )
        points = np.tile(np.median(four_columns, axis=0), (25, 1))
        points[:, 3], points[:, 1] = display.xx0.ravel(), display.xx1.ravel()
        np.testing.assert_allclose(display.log_density.ravel(), mixture.score_samples(points))
        np.testing.assert_allclose(display.data, four_columns[:, [3, 1]])
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("feature 3", "feature 1")

    @pytest.mark.parametrize("plot_method", ["contourf", "contour", "pcolormesh"])
    def test_outside_of_the_support_is_drawn_in_the_lowest_colour(self, plot_method, moons, ax):
        tophat = KernelDensity(kernel="tophat", bandwidth=0.3).fit(moons)
        display = DensityDisplay.from_estimator(
            tophat, moons, plot_method=plot_method, grid_resolution=30, ax=ax
        )
        assert np.isneginf(display.log_density).any()
        assert np.isfinite(display.surface_.get_array()).all()
        ax.figure.canvas.draw()

    def test_density_that_is_nowhere_positive_is_refused(self, moons, ax):
        grid = np.meshgrid([0.0, 1.0], [0.0, 1.0])
        nowhere = np.full((2, 2), -np.inf)
        with pytest.raises(InvalidDataError, match="not finite at any point"):
            DensityDisplay(xx0=grid[0], xx1=grid[1], log_density=nowhere).plot(ax)

    def test_constant_density_can_be_drawn(self, ax):
        grid = np.meshgrid([0.0, 1.0], [0.0, 1.0])
        DensityDisplay(xx0=grid[0], xx1=grid[1], log_density=np.zeros((2, 2))).plot(ax)
        ax.figure.canvas.draw()

    def test_colorbar_is_optional(self, flow, moons, ax):
        display = DensityDisplay.from_estimator(flow, moons, colorbar=False, ax=ax)
        assert display.colorbar_ is None
        assert len(ax.figure.axes) == 1
        assert display.plot(ax).colorbar_ is not None
        assert len(ax.figure.axes) == 2

    def test_labels_and_keywords_reach_the_axes(self, flow, moons, ax):
        display = DensityDisplay.from_estimator(
            flow,
            moons,
            n_samples=5,
            xlabel="east",
            ylabel="north",
            data_kw={"label": "rows", "c": np.arange(len(moons))},
            sample_kw={"color": "blue"},
            cmap="magma",
            ax=ax,
        )
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("east", "north")
        assert display.surface_.get_cmap().name == "magma"
        assert display.data_.get_label() == "rows"
        np.testing.assert_array_equal(display.data_.get_array(), np.arange(len(moons)))
        np.testing.assert_allclose(display.samples_.get_facecolor()[0], [0, 0, 1, 1])
        assert display.ax_ is ax
        assert display.figure_ is ax.figure


class TestCurve:
    def test_curve_is_the_density_over_a_histogram(self, moons, ax):
        X = moons[:, :1]
        density = KernelDensity(bandwidth=0.3).fit(X)
        display = DensityDisplay.from_estimator(density, X, margin=1.0, n_samples=10, ax=ax)
        x, y = display.curve_.get_data()
        np.testing.assert_allclose(y, np.exp(density.score_samples(x[:, None])))
        assert trapezoid(y, x) == pytest.approx(1.0, abs=1e-3)
        area = sum(bar.get_width() * bar.get_height() for bar in display.data_)
        assert area == pytest.approx(1.0)
        assert display.surface_ is None
        assert display.xx1 is None
        assert ax.get_ylabel() == "density"

    def test_data_can_be_left_out(self, moons, ax):
        X = moons[:, :1]
        density = KernelDensity().fit(X)
        display = DensityDisplay.from_estimator(density, X, show_data=False, ax=ax)
        assert display.data_ is None
        assert display.samples_ is None
        assert not ax.patches


class TestOverlays:
    def test_samples_are_those_of_the_estimator(self, flow, moons, ax):
        display = DensityDisplay.from_estimator(flow, moons, n_samples=20, random_state=3, ax=ax)
        expected = flow.sample(20, random_state=3)
        np.testing.assert_array_equal(display.samples_.get_offsets(), expected)
        np.testing.assert_array_equal(display.data_.get_offsets(), moons)

    def test_mixture_of_scikit_learn_can_be_sampled(self, mixture, four_columns, ax):
        # Its sample returns a tuple and takes no random_state.
        display = DensityDisplay.from_estimator(
            mixture, four_columns, features=(2, 0), n_samples=6, random_state=0, ax=ax
        )
        assert display.samples.shape == (6, 2)

    def test_estimator_without_sample_is_refused(self, four_columns, ax):
        forest = IsolationForest(n_estimators=5, random_state=0).fit(four_columns)
        DensityDisplay.from_estimator(forest, four_columns, ax=ax)
        with pytest.raises(InvalidParameterError, match="no method 'sample'"):
            DensityDisplay.from_estimator(forest, four_columns, n_samples=1, ax=ax)


class TestContainers:
    @pytest.mark.filterwarnings("error:X does not have valid feature names")
    @pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
    def test_names_of_columns_are_known(self, frame, four_columns, ax):
        X = frame(dict(zip("abcd", four_columns.T, strict=True)))
        mixture = GaussianMixture(2, random_state=0).fit(X)
        by_name = DensityDisplay.from_estimator(mixture, X, features=("d", "b"), ax=ax)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("d", "b")
        by_position = DensityDisplay.from_estimator(mixture, X, features=(3, 1), ax=ax)
        np.testing.assert_array_equal(by_name.log_density, by_position.log_density)

    def test_pipeline_and_search_can_be_drawn(self, moons, ax):
        pipeline = make_pipeline(StandardScaler(), KernelDensity())
        search = GridSearchCV(pipeline, {"kerneldensity__bandwidth": [0.2, 0.5]}, cv=2).fit(moons)
        display = DensityDisplay.from_estimator(search.best_estimator_, moons, ax=ax)
        points = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
        np.testing.assert_allclose(display.log_density.ravel(), search.score_samples(points))


class TestDensityErrors:
    def test_unfitted_estimator(self, moons):
        with pytest.raises(NotFittedError):
            DensityDisplay.from_estimator(FlowDensity(), moons)

    def test_estimator_without_score_samples(self, moons):
        scaler = StandardScaler().fit(moons)
        with pytest.raises(InvalidParameterError, match="no method 'score_samples'"):
            DensityDisplay.from_estimator(scaler, moons)

    def test_wrong_number_of_features(self, flow, four_columns):
        with pytest.raises(InvalidDataError, match="4 features, FlowDensity was fitted on 2"):
            DensityDisplay.from_estimator(flow, four_columns)

    @pytest.mark.parametrize(
        "features", [(0,), (0, 1, 2), 0, "ab", (0, 4), (0, -1), (0, "z"), (1, 1), (0, 1.0)]
    )
    def test_impossible_features(self, features, mixture, four_columns):
        with pytest.raises(InvalidParameterError, match="features must be"):
            DensityDisplay.from_estimator(mixture, four_columns, features=features)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("grid_resolution", 1),
            ("grid_resolution", 2.5),
            ("margin", -0.1),
            ("n_samples", -1),
            ("plot_method", "surface"),
            ("depth", 0),
        ],
    )
    def test_impossible_parameters(self, name, value, flow, moons, ax):
        with pytest.raises(InvalidParameterError, match=name):
            DensityDisplay.from_estimator(flow, moons, ax=ax, **{name: value})


class TestTrainingCurve:
    def test_curves_are_the_history(self, flow, ax):
        display = TrainingCurveDisplay.from_estimator(flow, ax=ax)
        for name, line in display.lines_.items():
            np.testing.assert_array_equal(line.get_xdata(), flow.history_["epoch"])
            np.testing.assert_array_equal(line.get_ydata(), flow.history_[name])
        assert set(display.lines_) == {"train_log_density", "valid_log_density"}
        assert display.best_line_.get_xdata() == [flow.best_epoch_] * 2
        assert display.figure_ is ax.figure

    def test_training_without_hold_out_has_one_curve(self, moons, ax):
        flow = FlowDensity(prior="normal", early_stopping=False, max_epochs=2, random_state=0).fit(
            moons
        )
        display = TrainingCurveDisplay.from_estimator(flow, ax=ax)
        assert set(display.lines_) == {"train_log_density"}

    def test_history_of_chunks_can_be_drawn(self, moons, ax):
        flow = FlowDensity(prior="normal", random_state=0)
        for _ in range(3):
            flow.partial_fit(moons)
        display = TrainingCurveDisplay.from_estimator(flow, ax=ax)
        np.testing.assert_array_equal(
            display.lines_["train_log_density"].get_ydata(), flow.history_["train_log_density"]
        )

    def test_flow_is_found_inside_pipeline_and_search(self, moons, ax):
        flow = FlowDensity(prior="normal", max_epochs=2, random_state=0)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), flow), {"flowdensity__n_bins": [4]}, cv=2
        ).fit(moons)
        display = TrainingCurveDisplay.from_estimator(search, ax=ax)
        assert display.history is search.best_estimator_[-1].history_

    def test_keywords_reach_the_axes(self, flow, ax):
        display = TrainingCurveDisplay(history=flow.history_)
        display.plot(ax, xlabel="pass", ylabel="nats", linewidth=5)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("pass", "nats")
        assert display.best_line_ is None
        assert {line.get_linewidth() for line in display.lines_.values()} == {5}

    def test_unfitted_estimator(self):
        with pytest.raises(NotFittedError):
            TrainingCurveDisplay.from_estimator(FlowDensity())

    def test_estimator_without_history(self, mixture):
        with pytest.raises(InvalidParameterError, match="GaussianMixture has no attribute"):
            TrainingCurveDisplay.from_estimator(mixture)

    def test_history_that_lacks_a_column(self, ax):
        with pytest.raises(InvalidParameterError, match=r"lacks .*valid_log_density"):
            TrainingCurveDisplay(history={"epoch": [0], "train_log_density": [0.0]}).plot(ax)


@pytest.fixture
def figures():
    """New figures need no window and are closed in the end."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    yield
    plt.close("all")


def tiny(n_topics=3, **parameters):
    return FractalFlowDensity(
        n_topics,
        **{"n_blocks": 1, "hidden_units": 8, "max_epochs": 1, "random_state": 0, **parameters},
    )


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="module")
def fractal(wine):
    return tiny(n_word_groups=13).fit(wine)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:200] + np.random.RandomState(0).uniform(-0.5, 0.5, (200, 64))


@pytest.fixture(scope="module")
def images(digits):
    return tiny(n_word_groups=4, image_shape=(8, 8)).fit(digits)


def texts(artists):
    return [artist.get_text() for artist in artists]


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


def volume(estimator, X):
    """Log-determinants by another way: what the density has beside that of its latent."""
    latent = torch.from_numpy(np.asarray(estimator.transform(X), dtype=np.float64))
    with torch.no_grad():
        return estimator.score_samples(X) - estimator.module_.prior.log_prob(latent).numpy()


class TestLogDetTree:
    def test_nodes_sum_to_the_log_determinant(self, fractal, wine, ax):
        display = LogDetTreeDisplay.from_estimator(fractal, wine, ax=ax)
        np.testing.assert_allclose(display.shares, fractal.log_det_tree(wine).shares)
        np.testing.assert_allclose(display.nodes_.get_array(), display.shares.mean(0))
        assert display.nodes_.get_array().sum() == pytest.approx(volume(fractal, wine).mean())
        assert texts(ax.get_xticklabels()) == list(wine.columns)
        assert display.ax_ is ax
        assert display.maps_ is None

    def test_nodes_span_their_columns(self, fractal, wine, ax):
        display = LogDetTreeDisplay.from_estimator(fractal, wine, ax=ax)
        tops = set()
        for path, features in zip(display.nodes_.get_paths(), display.features, strict=True):
            (low, top), (high, bottom) = path.vertices.min(0), path.vertices.max(0)
            assert list(wine.columns[int(low) : int(high)]) == list(features)
            assert bottom == top + 1
            tops.add(top)
        assert tops == set(range(5))
        assert texts(ax.get_yticklabels())[0].startswith("mixing")
        assert texts(ax.get_yticklabels())[-1].startswith("leaves")

    def test_one_row_and_a_reference(self, fractal, wine, ax):
        display = LogDetTreeDisplay.from_estimator(fractal, wine[:1], reference=wine, ax=ax)
        wanted = volume(fractal, wine[:1])[0] - volume(fractal, wine).mean()
        assert display.nodes_.get_array().sum() == pytest.approx(wanted)
        mixing = display.kinds.index("mixing")
        assert display.values_[mixing] == pytest.approx(0)
        title = ax.get_title(loc="left")
        assert title.startswith("log-determinant, one row, less that of the reference: ")

    @pytest.mark.parametrize("n_features", [1, 3, 30])
    @pytest.mark.parametrize("kind", ["coupling", "autoregressive"])
    def test_arrays_of_any_width_can_be_drawn(self, kind, n_features, figures):
        X = np.random.RandomState(0).standard_normal((60, n_features))
        flow = tiny(fractal=kind).fit(X)
        display = LogDetTreeDisplay.from_estimator(flow, X)
        assert display.values_.sum() == pytest.approx(volume(flow, X).mean())
        assert texts(display.ax_.get_xticklabels()) == [str(j) for j in range(n_features)]

    def test_numbers_and_names_do_not_overlap(self, figures):
        names = [f"a long name of column {j}" for j in range(30)]
        X = pd.DataFrame(np.random.RandomState(0).standard_normal((60, 30)) * 1e3, columns=names)
        display = LogDetTreeDisplay.from_estimator(tiny().fit(X), X)
        display.figure_.canvas.draw()
        numbers = [text for text in display.ax_.texts if text.get_position()[1] > 4]
        assert len(numbers) == 30
        for row in (numbers, display.ax_.get_xticklabels()):
            boxes = [text.get_window_extent() for text in row]
            assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))
            assert min(box.y0 for box in boxes) >= 0

    def test_maps_of_images_sum_to_the_log_determinant(self, images, digits, ax):
        display = LogDetTreeDisplay.from_estimator(images, digits, ax=ax)
        leaves = display.values_[np.array(display.kinds) == "leaf"]
        np.testing.assert_allclose(display.maps_[-1].get_array(), leaves.reshape(8, 8))
        mixing = display.values_[np.array(display.kinds) == "mixing"].sum()
        total = sum(image.get_array().sum() for image in display.maps_) + mixing
        assert total == pytest.approx(volume(images, digits).mean())
        assert display.nodes_ is None
        assert len(display.maps_) == len(display.axes_) == len(display.colorbars_)
        ax.figure.canvas.draw()

    def test_maps_go_to_given_axes(self, images, digits):
        axes = Figure().subplots(3, 3)
        display = LogDetTreeDisplay.from_estimator(
            images, digits[:1], ax=axes, colorbar=False, cmap="PiYG"
        )
        assert list(display.axes_) == list(axes.flat[: len(display.maps_)])
        assert {image.get_cmap().name for image in display.maps_} == {"PiYG"}
        assert display.colorbars_ == []
        with pytest.raises(InvalidParameterError, match=f"at least {len(display.maps_)} of them"):
            display.plot([axes[0, 0]])

    def test_shares_of_channels_add_up(self, ax):
        display = LogDetTreeDisplay(
            shares=np.arange(9.0)[None],
            levels=[0, *[1] * 8],
            kinds=["coupling", *["leaf"] * 8],
            features=[tuple(range(8)), *[(j,) for j in range(8)]],
            image_shape=(2, 2, 2),
        ).plot(ax)
        np.testing.assert_allclose(display.maps_[1].get_array(), [[3, 7], [11, 15]])

    def test_colorbar_is_optional(self, fractal, wine, ax):
        display = LogDetTreeDisplay.from_estimator(fractal, wine, ax=ax, colorbar=False)
        assert len(ax.figure.axes) == 1
        assert display.plot(ax, clim=(-3, 3)).nodes_.get_clim() == (-3, 3)
        assert len(ax.figure.axes) == 2

    def test_pipeline_shows_its_last_step(self, wine, ax):
        pipeline = make_pipeline(StandardScaler(), tiny()).fit(wine)
        display = LogDetTreeDisplay.from_estimator(pipeline, wine, ax=ax)
        expected = pipeline[-1].log_det_tree(pipeline[0].transform(wine)).shares
        np.testing.assert_allclose(display.shares, expected)

    def test_names_must_be_unique(self, ax):
        display = LogDetTreeDisplay(
            shares=np.zeros((1, 2)), levels=[0, 0], kinds=["leaf"] * 2, features=[("a",), ("a",)]
        )
        with pytest.raises(InvalidDataError, match="unique"):
            display.plot(ax)

    def test_unsuitable_estimators_are_refused(self, flow, fractal, wine, moons):
        with pytest.raises(NotFittedError):
            LogDetTreeDisplay.from_estimator(tiny(), wine)
        with pytest.raises(InvalidParameterError, match="no method 'log_det_tree'"):
            LogDetTreeDisplay.from_estimator(flow, moons)
        with pytest.raises(ValueError, match="feature"):
            LogDetTreeDisplay.from_estimator(fractal, wine.iloc[:, :5])


def lattice(**parameters):
    return RGFlowDensity(
        **{"hidden_units": 8, "n_layers": 1, "max_epochs": 2, "random_state": 0, **parameters}
    )


@pytest.fixture(scope="module")
def scales(digits):
    return lattice(image_shape=(8, 8)).fit(digits)


@pytest.fixture(scope="module")
def chains():
    return np.random.RandomState(0).standard_normal((60, 11)).cumsum(1)


@pytest.fixture(scope="module")
def chain(chains):
    return lattice().fit(chains)


@pytest.fixture(scope="module")
def colours():
    return np.random.RandomState(0).randint(0, 256, (60, 5, 6, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def coloured(colours):
    return lattice(image_shape=(5, 6, 3)).fit(colours)


def polynomial(**parameters):
    return PHVAE(
        **{"n_components": 2, "degree": 2, "hidden_units": 8, "max_epochs": 1, **parameters},
        random_state=0,
    )


@pytest.fixture(scope="module")
def orders(digits):
    return polynomial().fit(digits)


class TestReceptiveFields:
    def test_fields_are_those_of_the_estimator(self, scales, ax):
        display = ReceptiveFieldDisplay.from_estimator(
            scales, latents=[5, 2], n_samples=3, random_state=4, ax=ax
        )
        for level, latent in enumerate([5, 2]):
            field = scales.receptive_fields(level, [latent], n_samples=3, random_state=4)[0]
            np.testing.assert_array_equal(display.images_[level].get_array(), field)
            assert field[tuple(display.places[level])] > 0
        assert display.bars_ is None
        assert len(display.axes_) == len(display.colorbars_) == 2
        ax.figure.canvas.draw()

    def test_places_are_those_of_the_latents(self, scales, ax):
        display = ReceptiveFieldDisplay.from_estimator(scales, n_samples=1, ax=ax)
        levels = scales.latent_levels_.reshape(8, 8)
        assert [levels[tuple(place)] for place in display.places] == [0, 1]
        middle = (np.array(display.places) - 3.5) / [[1], [2]]
        assert (np.abs(middle) <= 0.5).all()

    def test_extents_and_halves_count_pixels(self, ax):
        fields = np.zeros((2, 5, 6))
        fields[0, 1:3, 2] = 3.0
        fields[1, 2, 1:5] = [1.0, 1.0, 1.0, 7.0]
        display = ReceptiveFieldDisplay(fields=fields, levels=[0, 3]).plot(ax)
        assert display.extents_.tolist() == [[2, 1], [1, 4]]
        assert display.half_.tolist() == [1, 1]
        titles = [panel.get_title(loc="left") for panel in display.axes_]
        assert titles == [
            "level 0: 2 by 1 pixels,\nhalf of it in 1",
            "level 3: 1 by 4 pixels,\nhalf of it in 1",
        ]
        assert not any(panel.lines for panel in display.axes_)

    def test_wide_fields_need_many_pixels(self, ax):
        fields = np.stack([np.ones((4, 4)), np.full((4, 4), 2.0**-30)])
        assert ReceptiveFieldDisplay(fields=fields, levels=[0, 1]).plot(ax).half_.tolist() == [8, 8]

    def test_chains_have_bars(self, chain, ax):
        display = ReceptiveFieldDisplay.from_estimator(
            chain, levels=[1, 0], n_samples=2, color="red", ax=ax
        )
        assert display.levels == [1, 0]
        for level, bars, place in zip([1, 0], display.bars_, display.places, strict=True):
            own = np.flatnonzero(chain.latent_levels_ == level)
            latent = own.tolist().index(place.item())
            field = chain.receptive_fields(level, [latent], n_samples=2)[0]
            np.testing.assert_allclose([bar.get_height() for bar in bars], field)
            np.testing.assert_allclose(bars[0].get_facecolor(), [1, 0, 0, 1])
        assert display.images_ is None
        assert display.extents_.shape == (2, 1)
        ax.figure.canvas.draw()

    def test_channels_share_a_place(self, coloured, ax):
        display = ReceptiveFieldDisplay.from_estimator(coloured, n_samples=1, colorbar=False, ax=ax)
        assert display.fields.shape == (2, 5, 6)
        assert display.places.tolist() == [[2, 3], [2, 2]]
        assert display.colorbars_ == []

    def test_unsuitable_estimators_are_refused(self, flow):
        with pytest.raises(NotFittedError):
            ReceptiveFieldDisplay.from_estimator(lattice())
        with pytest.raises(InvalidParameterError, match="no method 'receptive_fields'"):
            ReceptiveFieldDisplay.from_estimator(flow)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("levels", [2]),
            ("levels", []),
            ("levels", [0.5]),
            ("latents", [0]),
            ("latents", [0, 16]),
            ("latents", [0, "a"]),
        ],
    )
    def test_impossible_parameters(self, name, value, scales, ax):
        with pytest.raises(InvalidParameterError, match=f"{name} must be"):
            ReceptiveFieldDisplay.from_estimator(scales, ax=ax, **{name: value})

    def test_too_few_axes(self, scales):
        with pytest.raises(InvalidParameterError, match="at least 2 of them, got 1"):
            ReceptiveFieldDisplay.from_estimator(scales, n_samples=1, ax=[Figure().subplots()])


class TestLatentPyramid:
    def test_maps_sum_to_the_log_density(self, scales, digits, ax):
        display = LatentPyramidDisplay.from_estimator(
            scales, digits[:3], reference=digits[3:50], ax=ax
        )
        np.testing.assert_allclose(
            display.surprise_.sum(1),
            scales.score_samples(digits[3:50]).mean() - scales.score_samples(digits[:3]),
        )
        for shown, surprise in zip(display.maps_, display.surprise_, strict=True):
            sums = [image.get_array().sum() for image in shown]
            np.testing.assert_allclose(np.multiply(sums, display.deviations), surprise)
        assert [image.get_array().shape for image in display.maps_[0]] == [(8, 8), (4, 4)]
        assert len(display.axes_) == len(display.pictures_) == 3
        ax.figure.canvas.draw()

    def test_reference_is_usual(self, scales, digits, ax):
        display = LatentPyramidDisplay.from_estimator(scales, digits[:40], max_rows=40, ax=ax)
        np.testing.assert_allclose(display.surprise_.mean(0), 0, atol=1e-8)
        for level in range(2):
            shown = np.array([maps[level].get_array() for maps in display.maps_])
            assert shown.var(0).mean() == pytest.approx(1)

    def test_cells_lie_side_by_side_beside_the_image(self, scales, digits, ax):
        display = LatentPyramidDisplay.from_estimator(scales, digits, max_rows=1, ax=ax)
        extents = [image.get_extent() for image in (display.pictures_[0], *display.maps_[0])]
        assert all(a[1] < b[0] for a, b in itertools.pairwise(extents))
        assert {(right - left, bottom - top) for left, right, bottom, top in extents} == {(8, 8)}

    def test_given_axes_and_keywords(self, scales, digits):
        axes = Figure().subplots(2, 2)
        display = LatentPyramidDisplay.from_estimator(
            scales, digits, max_rows=3, colorbar=False, ax=axes, cmap="PiYG", vmax=2
        )
        assert list(display.axes_) == list(axes.flat[:3])
        assert display.colorbar_ is None
        image = display.maps_[2][1]
        assert (image.get_cmap().name, image.get_clim()) == ("PiYG", (-4, 2))

    def test_chains_have_a_line_and_strips(self, chain, chains, ax):
        display = LatentPyramidDisplay.from_estimator(chain, chains, max_rows=2, ax=ax)
        assert [image.get_array().shape for image in display.maps_[0]] == [(1, 11), (1, 6), (1, 3)]
        rows = np.array([line.get_ydata() for line in display.pictures_])
        shown = chains[:2]
        expected = (shown.max() - shown) / (shown.max() - shown.min()) * 5.5
        np.testing.assert_allclose(rows, expected, atol=1e-9)
        labels = texts(display.axes_[0].get_yticklabels())
        assert [label.split(":")[0] for label in labels] == [
            "row",
            *map("level {}".format, range(3)),
        ]
        ax.figure.canvas.draw()

    def test_colours_of_images_are_shown(self, coloured, colours, ax):
        display = LatentPyramidDisplay.from_estimator(coloured, colours, max_rows=1, ax=ax)
        image = colours[0] / 255.0
        shown = display.pictures_[0].get_array()
        np.testing.assert_allclose(np.ptp(shown), 1)
        np.testing.assert_allclose(shown, (image - image.min()) / np.ptp(image), atol=1e-12)
        # Five rows of pixels have cells of two that reach beyond the last.
        assert display.maps_[0][1].get_extent()[2] == 6

    def test_rows_go_through_a_pipeline(self, digits, ax):
        pipeline = make_pipeline(StandardScaler(), lattice(image_shape=(8, 8), max_epochs=1))
        pipeline.fit(digits)
        display = LatentPyramidDisplay.from_estimator(pipeline, digits[:2], reference=digits, ax=ax)
        scaled = pipeline[0].transform(digits[:2])
        np.testing.assert_allclose(display.rows, scaled)
        np.testing.assert_allclose(display.maps, pipeline[1].score_levels(scaled).maps)

    def test_unsuitable_calls_are_refused(self, flow, scales, digits, moons, ax):
        with pytest.raises(NotFittedError):
            LatentPyramidDisplay.from_estimator(lattice(), digits)
        with pytest.raises(InvalidParameterError, match="no method 'score_levels'"):
            LatentPyramidDisplay.from_estimator(flow, moons)
        with pytest.raises(InvalidDataError, match=r"rows of 64 features.*got .*\(200, 60\)"):
            LatentPyramidDisplay.from_estimator(scales, digits[:, :60])
        with pytest.raises(InvalidParameterError, match="one row of X"):
            LatentPyramidDisplay.from_estimator(scales, digits[:1], ax=ax)
        with pytest.raises(InvalidParameterError, match="one row of reference"):
            LatentPyramidDisplay.from_estimator(scales, digits, reference=digits[:1], ax=ax)
        with pytest.raises(InvalidParameterError, match="max_rows"):
            LatentPyramidDisplay.from_estimator(scales, digits, max_rows=0, ax=ax)


class TestStyleMix:
    def test_mixes_are_those_of_the_estimator(self, scales, digits, ax):
        content, style = digits[:3], digits[3:5]
        display = StyleMixDisplay.from_estimator(scales, content, style, 1, ax=ax)
        low, high = digits[:5].min(), digits[:5].max()
        for i, j in itertools.product(range(3), range(2)):
            mixed = scales.mix_styles(content[[i]], style[[j]], 1)[0]
            np.testing.assert_allclose(display.mixes[i, j], mixed)
            shown = np.clip((mixed - low) / (high - low), 0, 1).reshape(8, 8)
            np.testing.assert_allclose(display.pictures_[i + 1, j + 1].get_array(), shown)
        assert display.pictures_[0, 0] is None
        assert display.ax_ is ax
        ax.figure.canvas.draw()

    def test_ends_are_content_and_style(self, scales, digits, ax):
        shown = [
            StyleMixDisplay.from_estimator(scales, digits[:2], digits[2:4], level, ax=ax).pictures_
            for level in (0, 2)
        ]
        for pictures, border in zip(shown, (np.s_[[1, 2], 0], np.s_[0, [1, 2]]), strict=True):
            given = [picture.get_array() for picture in pictures[border]]
            for i, j in itertools.product(range(2), range(2)):
                wanted = given[i if pictures is shown[0] else j]
                np.testing.assert_allclose(pictures[i + 1, j + 1].get_array(), wanted, atol=1e-6)

    def test_pictures_do_not_overlap(self, scales, digits, figures):
        display = StyleMixDisplay.from_estimator(scales, digits[:3], digits[3:7], 1)
        boxes = [p.get_window_extent() for p in display.pictures_.ravel() if p is not None]
        assert len(boxes) == 3 + 4 + 12
        for a, b in itertools.combinations(boxes, 2):
            assert a.x1 < b.x0 or b.x1 < a.x0 or a.y1 < b.y0 or b.y1 < a.y0
        display.figure_.canvas.draw()
        for text in (display.ax_.title, display.ax_.yaxis.label):
            box, whole = text.get_window_extent(), display.figure_.bbox
            assert box.x0 >= 0 <= box.y0
            assert box.x1 <= whole.x1
            assert box.y1 <= whole.y1

    def test_colours_are_clipped_to_the_range_of_the_rows(self, coloured, colours, ax):
        display = StyleMixDisplay.from_estimator(coloured, colours[:2], colours[2:3], 1, ax=ax)
        shown = [p.get_array() for p in display.pictures_.ravel() if p is not None]
        assert {image.shape for image in shown} == {(5, 6, 3)}
        assert all(image.min() >= 0 and image.max() <= 1 for image in shown)

    def test_chains_are_lines(self, chain, chains, ax):
        display = StyleMixDisplay.from_estimator(
            chain, chains[:2], chains[2:4], 2, ax=ax, color="b"
        )
        assert {line.get_color() for line in ax.lines} == {"b"}
        assert len(ax.lines) == 8
        assert display.image_shape is None
        ax.figure.canvas.draw()

    def test_unsuitable_calls_are_refused(self, flow, scales, digits, moons):
        with pytest.raises(NotFittedError):
            StyleMixDisplay.from_estimator(lattice(), digits, digits, 1)
        with pytest.raises(InvalidParameterError, match="no method 'mix_styles'"):
            StyleMixDisplay.from_estimator(flow, moons, moons, 1)
        with pytest.raises(InvalidDataError, match="rows of 64 features"):
            StyleMixDisplay.from_estimator(scales, digits[:2], digits[0], 1)
        for level in (-1, 3, 0.5):
            with pytest.raises(InvalidParameterError, match="level must be an int from 0 to 2"):
                StyleMixDisplay.from_estimator(scales, digits[:2], digits[:2], level)


class TestReconstruction:
    def test_reconstructions_are_those_of_the_estimator(self, orders, digits, ax):
        display = ReconstructionDisplay.from_estimator(
            orders, digits[:3], image_shape=(8, 8), ax=ax
        )
        np.testing.assert_array_equal(display.originals, digits[:3])
        for last, rows in enumerate(display.reconstructions, start=1):
            wanted = orders.reconstruct(digits[:3], range(1, last + 1))
            np.testing.assert_array_equal(rows, wanted)
        np.testing.assert_array_equal(display.reconstructions[-1], orders.reconstruct(digits[:3]))
        low, high = digits[:3].min(), digits[:3].max()
        assert display.pictures_.shape == (3, 3)
        for (i, j), picture in np.ndenumerate(display.pictures_):
            row = digits[j] if i == 0 else display.reconstructions[i - 1, j]
            shown = np.clip((row - low) / (high - low), 0, 1).reshape(8, 8)
            np.testing.assert_allclose(picture.get_array(), shown)
        assert display.ax_ is ax
        ax.figure.canvas.draw()

    def test_every_row_of_pictures_has_its_label(self, orders, digits, figures):
        display = ReconstructionDisplay.from_estimator(orders, digits[:4], image_shape=(8, 8))
        display.figure_.canvas.draw()
        boxes = [p.get_window_extent() for p in display.pictures_.ravel()]
        for a, b in itertools.combinations(boxes, 2):
            assert a.x1 < b.x0 or b.x1 < a.x0 or a.y1 < b.y0 or b.y1 < a.y0
        labels = display.ax_.get_yticklabels()
        assert [label.get_text() for label in labels] == ["rows", "order 1", "orders 1 to 2"]
        for label, picture in zip(labels, display.pictures_[:, 0], strict=True):
            box, beside = label.get_window_extent(), picture.get_window_extent()
            assert 0 <= box.x0 < box.x1 <= beside.x0
            assert beside.y0 < box.y0 < box.y1 < beside.y1

    def test_pipelines_show_what_their_last_step_sees(self, orders, digits, ax):
        # The estimator was fitted on digits that are not doubled.
        halve = FunctionTransformer(lambda X: X / 2).fit(digits)
        display = ReconstructionDisplay.from_estimator(
            Pipeline([("halve", halve), ("orders", orders)]), 2 * digits[:3], ax=ax
        )
        np.testing.assert_array_equal(display.originals, digits[:3])
        np.testing.assert_array_equal(display.reconstructions[-1], orders.reconstruct(digits[:3]))

    def test_image_shape_is_that_of_the_estimator(self, ax):
        colours = np.random.RandomState(0).randint(0, 256, (60, 4, 8, 3)).astype(np.uint8)
        density = polynomial(image_shape=(4, 8, 3)).fit(colours)
        display = ReconstructionDisplay.from_estimator(density, colours[:2], ax=ax)
        assert display.image_shape == (4, 8, 3)
        assert {p.get_array().shape for p in display.pictures_.ravel()} == {(4, 8, 3)}
        np.testing.assert_allclose(display.reconstructions[1], density.reconstruct(colours[:2]))

    def test_other_rows_are_lines(self, orders, digits, ax):
        display = ReconstructionDisplay.from_estimator(orders, digits[:2], ax=ax, color="b")
        assert {line.get_color() for line in ax.lines} == {"b"}
        assert len(ax.lines) == 6
        assert display.image_shape is None
        ax.figure.canvas.draw()

    def test_names_of_columns_are_kept(self, ax, recwarn):
        table = load_wine(as_frame=True).data
        density = polynomial(degree=1).fit(table)
        recwarn.clear()
        display = ReconstructionDisplay.from_estimator(density, table[:2], ax=ax)
        assert not recwarn
        np.testing.assert_array_equal(display.originals, table[:2])

    def test_unsuitable_calls_are_refused(self, flow, orders, digits, moons):
        with pytest.raises(NotFittedError):
            ReconstructionDisplay.from_estimator(polynomial(), digits)
        with pytest.raises(InvalidParameterError, match="no method 'reconstruct': only PHVAE"):
            ReconstructionDisplay.from_estimator(flow, moons)
        for rows in (digits[0], digits[:2, :5]):
            with pytest.raises(InvalidDataError, match="rows of 64 features"):
                ReconstructionDisplay.from_estimator(orders, rows)
        with pytest.raises(ValueError, match="0 sample"):
            ReconstructionDisplay.from_estimator(orders, digits[:0])
        for shape in ((8, 9), (8,)):
            with pytest.raises(InvalidParameterError, match="image_shape"):
                ReconstructionDisplay.from_estimator(orders, digits, image_shape=shape)


class TestMatplotlib:
    COMMAND = r'pip install "flowkit-density\[plot\]"'

    def test_new_figure_is_made_without_axes(self, flow, monkeypatch):
        import matplotlib.pyplot as plt

        plt.switch_backend("agg")
        display = TrainingCurveDisplay.from_estimator(flow)
        assert plt.fignum_exists(display.figure_.number)
        plt.close(display.figure_)

    @pytest.mark.parametrize("display", [DensityDisplay, TrainingCurveDisplay])
    def test_missing_matplotlib_is_named(self, display, flow, moons, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        rows = [moons] if display is DensityDisplay else []
        with pytest.raises(MissingDependencyError, match=self.COMMAND):
            display.from_estimator(flow, *rows)

    @pytest.mark.parametrize("display", [TopicDisplay, LogDetTreeDisplay])
    @pytest.mark.parametrize("kind", ["table", "image"])
    def test_displays_of_topics_name_it_too(self, display, kind, request, monkeypatch):
        flow, rows = {"table": ("fractal", "wine"), "image": ("images", "digits")}[kind]
        flow, rows = request.getfixturevalue(flow), request.getfixturevalue(rows)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(MissingDependencyError, match=self.COMMAND):
            display.from_estimator(flow, rows)

    @pytest.mark.parametrize("kind", ["images", "chains"])
    def test_displays_of_scales_name_it_too(self, kind, request, monkeypatch):
        flow, rows = {"images": ("scales", "digits"), "chains": ("chain", "chains")}[kind]
        flow, rows = request.getfixturevalue(flow), request.getfixturevalue(rows)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        for draw in (
            lambda: ReceptiveFieldDisplay.from_estimator(flow, n_samples=1),
            lambda: LatentPyramidDisplay.from_estimator(flow, rows),
            lambda: StyleMixDisplay.from_estimator(flow, rows[:1], rows[:1], 1),
        ):
            with pytest.raises(
                MissingDependencyError, match=r'pip install "flowkit-density\[plot\]"'
            ):
                draw()

    def test_display_of_orders_names_it_too(self, orders, digits, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(MissingDependencyError, match=self.COMMAND):
            ReconstructionDisplay.from_estimator(orders, digits[:1])

    def test_plots_by_hand_name_it_too(self, monkeypatch):
        displays = [
            CalibrationDisplay(p_values=np.linspace(0.1, 1, 10)),
            ExplanationDisplay(effects=np.ones((1, 2)), names=["a", "b"]),
            ScoreHistogramDisplay(scores={"all": np.arange(4.0)}),
        ]
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        for display in displays:
            with pytest.raises(MissingDependencyError, match=f"{type(display).__name__}.plot"):
                display.plot()

    def test_optional_packages_are_not_imported(self):
        code = (
            "import sys, flowkit, flowkit.inspection;"
            "print(*{'matplotlib', 'gensim', 'dask'} & set(sys.modules))"
        )
        imported = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert imported.stdout.split() == []
