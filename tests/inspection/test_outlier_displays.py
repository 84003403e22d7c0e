"""Displays of outlier detectors: what is drawn agrees with what the detector says."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from sklearn.datasets import load_wine
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from flowkit import (
    CalibrationDisplay,
    DensityOutlierDetector,
    ExplanationDisplay,
    RGFlowDensity,
    ScoreHistogramDisplay,
)
from flowkit.exceptions import InvalidDataError, InvalidParameterError

INFINITY = "\N{INFINITY}"
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def ax():
    """Axes of a figure that belongs to no window and no list of open figures."""
    return Figure().subplots()


@pytest.fixture
def figures():
    """New figures need no window and are closed in the end."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def rows():
    return np.random.RandomState(0).standard_normal((300, 3)) * [1.0, 2.0, 3.0]


@pytest.fixture(scope="module")
def others(rows):
    """Rows like those before, and rows that are not."""
    rng = np.random.RandomState(1)
    alike = rng.standard_normal((200, 3)) * [1.0, 2.0, 3.0]
    return np.concatenate([alike, alike[:50] + np.array([6.0, 0.0, 0.0])])


@pytest.fixture(scope="module")
def is_odd():
    return np.repeat([0, 1], [200, 50])


@pytest.fixture(scope="module")
def detector(rows):
    return DensityOutlierDetector(GaussianMixture(), random_state=0).fit(rows)


@pytest.fixture(scope="module")
def calibrated(rows):
    return DensityOutlierDetector(GaussianMixture(), calibrate=True, random_state=0).fit(rows)


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="module")
def wine_detector(wine):
    return DensityOutlierDetector(GaussianMixture(random_state=0)).fit(wine)


def texts(artists):
    return [artist.get_text() for artist in artists]


def legend_of(ax):
    return texts(ax.get_legend().get_texts())


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


def widths(bars):
    return np.array([bar.get_width() for bar in bars])


class TestScoreHistogram:
    def test_bars_count_the_scores_of_each_sample(self, detector, others, is_odd, ax):
        display = ScoreHistogramDisplay.from_estimator(detector, others, y=is_odd, bins=13, ax=ax)
        scores = detector.score_samples(others)
        assert list(display.bars_) == ["normal", "anomalous"]
        for label, name in enumerate(display.bars_):
            own = scores[is_odd == label]
            counted = np.histogram(own[own >= display.edges_[0]], display.edges_)[0]
            np.testing.assert_allclose(heights(display.bars_[name]), counted / len(own))
            gathered = display.gathered_bars_[name].get_height()
            assert gathered == pytest.approx(np.mean(own < display.edges_[0]))
            assert heights(display.bars_[name]).sum() + gathered == pytest.approx(1.0)
        assert display.gathered_bars_["anomalous"].get_height() > 0.5

    def test_threshold_and_shares_are_those_of_predict(self, detector, others, is_odd, ax):
        display = ScoreHistogramDisplay.from_estimator(detector, others, y=is_odd, ax=ax)
        assert display.threshold_line_.get_xdata() == [detector.offset_] * 2
        flagged = detector.predict(others) == -1
        assert display.shares_below_ == {
            "normal": pytest.approx(flagged[:200].mean()),
            "anomalous": pytest.approx(flagged[200:].mean()),
        }
        said = legend_of(ax)
        assert said[1] == f"normal, 200 rows: {flagged[:200].mean():.1%} below"
        assert said[0].startswith(f"threshold {MINUS}")
        assert ax.get_xlabel() == "log density (nats)"

    def test_all_codes_of_anomalous_rows_mean_the_same(self, detector, others, is_odd, ax):
        drawn = [
            ScoreHistogramDisplay.from_estimator(detector, others, y=y, ax=ax).shares_below_
            for y in (is_odd, is_odd.astype(bool), 1 - 2 * is_odd, list(is_odd))
        ]
        assert all(shares == drawn[0] for shares in drawn)
        every = np.ones(len(others), dtype=bool)
        display = ScoreHistogramDisplay.from_estimator(detector, others, y=every, ax=ax)
        assert list(display.scores) == ["anomalous"]

    def test_named_samples(self, detector, rows, others, ax):
        samples = {"before": rows, "after": others}
        display = ScoreHistogramDisplay.from_estimator(detector, samples, ax=ax)
        np.testing.assert_array_equal(display.scores["after"], detector.score_samples(others))
        assert display.shares_below_["before"] == pytest.approx(0.05)
        assert [text.split(",")[0] for text in legend_of(ax)[1:]] == ["before", "after"]

    def test_density_has_no_threshold(self, rows, ax):
        mixture = make_pipeline(StandardScaler(), GaussianMixture()).fit(rows)
        display = ScoreHistogramDisplay.from_estimator(mixture, rows, ax=ax)
        assert display.threshold is None
        assert display.threshold_line_ is None
        assert display.shares_below_ is None
        assert legend_of(ax) == ["all, 300 rows"]
        np.testing.assert_array_equal(display.scores["all"], mixture.score_samples(rows))

    @pytest.mark.parametrize("other", [IsolationForest(random_state=0), OneClassSVM()])
    def test_detectors_of_scikit_learn_have_a_threshold(self, other, rows, ax):
        pipeline = make_pipeline(StandardScaler(), other).fit(rows)
        display = ScoreHistogramDisplay.from_estimator(pipeline, rows, ax=ax)
        assert display.shares_below_["all"] == pytest.approx(np.mean(pipeline.predict(rows) == -1))
        assert ax.get_xlabel() == "score"

    def test_label_says_which_score_it_is(self, rows, ax):
        typical = DensityOutlierDetector(GaussianMixture(), statistic="typicality").fit(rows)
        ScoreHistogramDisplay.from_estimator(typical, rows, ax=ax)
        assert ax.get_xlabel() == "score (nats, by typicality)"
        several = DensityOutlierDetector([KernelDensity(), KernelDensity()], n_estimators=3).fit(
            rows
        )
        display = ScoreHistogramDisplay.from_estimator(several, rows, ax=ax)
        assert ax.get_xlabel() == "log share of rows as strange (nats)"
        display.plot(ax, xlabel="evidence", ylabel="wines")
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("evidence", "wines")

    def test_rows_of_no_density_are_counted(self, rows, others, ax):
        tophat = KernelDensity(kernel="tophat", bandwidth=1.5).fit(rows)
        display = ScoreHistogramDisplay.from_estimator(tophat, others, ax=ax)
        impossible = int(np.isneginf(tophat.score_samples(others)).sum())
        assert impossible > 50
        assert display.n_impossible_ == {"all": impossible}
        assert f"{impossible} at {MINUS}{INFINITY}" in legend_of(ax)[0]
        assert display.gathered_bars_["all"].get_height() == pytest.approx(impossible / 250)
        assert ax.get_xticklabels()[0].get_text() == f"{MINUS}{INFINITY}"
        ax.figure.canvas.draw()

    def test_low_tails_leave_the_bulk_readable(self, ax):
        rng = np.random.RandomState(0)
        scores = np.concatenate([rng.standard_normal(500), [-1e6, -50.0]])
        display = ScoreHistogramDisplay(scores={"all": scores}).plot(ax)
        assert -6 < display.edges_[0] < -3
        assert ax.get_xticklabels()[0].get_text().startswith(f"< {MINUS}")
        left, right = ax.get_xlim()
        assert right - left < 12

    def test_threshold_is_in_sight_however_low(self, ax):
        scores = np.random.RandomState(0).standard_normal(500)
        display = ScoreHistogramDisplay(scores={"all": scores}, threshold=-40.0).plot(ax)
        assert display.edges_[0] <= -40.0 <= display.edges_[-1]
        assert display.shares_below_ == {"all": 0.0}
        above = ScoreHistogramDisplay(scores={"all": scores}, threshold=7.0).plot(ax)
        assert above.edges_[-1] == 7.0
        assert above.shares_below_ == {"all": 1.0}

    def test_end_of_the_axis_can_be_given(self, ax):
        scores = {"all": np.array([-90.0, -3.0, -2.0, -1.0])}
        display = ScoreHistogramDisplay(scores=scores)
        assert display.plot(ax, low=-2.5).edges_[0] == -2.5
        assert display.gathered_bars_["all"].get_height() == 0.5
        assert display.plot(ax, low=None).edges_[0] == -90
        assert display.gathered_bars_ == {}

    def test_equal_scores_can_be_drawn(self, ax):
        display = ScoreHistogramDisplay(scores={"all": np.zeros(4)}, threshold=0.0).plot(ax, bins=1)
        assert heights(display.bars_["all"]).tolist() == [1.0]
        assert display.shares_below_ == {"all": 0.0}

    def test_threshold_of_minus_infinity_has_no_line(self, ax):
        display = ScoreHistogramDisplay(scores={"all": np.arange(3.0)}, threshold=-np.inf).plot(ax)
        assert display.threshold_line_ is None
        assert display.shares_below_ == {"all": 0.0}

    def test_keywords_reach_the_bars(self, ax):
        display = ScoreHistogramDisplay(scores={"all": np.arange(9.0)}).plot(ax, color="green")
        assert to_rgb(display.bars_["all"][0].get_facecolor()) == to_rgb("green")
        assert display.figure_ is ax.figure

    @pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
    def test_dataframes(self, frame, rows, is_odd, ax):
        X = frame(dict(zip("abc", rows[:250].T, strict=True)))
        mixture = GaussianMixture().fit(X)
        display = ScoreHistogramDisplay.from_estimator(mixture, X, y=is_odd, ax=ax)
        np.testing.assert_array_equal(
            np.concatenate(list(display.scores.values())), mixture.score_samples(X)
        )

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (np.ones(250), "nothing but 1"),
            (np.arange(250) % 3, "0 for normal"),
            (np.repeat(["a", "b"], 125), "0 for normal"),
            (np.zeros(3), "X has 250 rows, y has 3"),
        ],
    )
    def test_labels_that_do_not_tell(self, y, message, detector, others, ax):
        with pytest.raises(InvalidDataError, match=message):
            ScoreHistogramDisplay.from_estimator(detector, others, y=y, ax=ax)

    def test_labels_beside_named_samples(self, detector, rows):
        with pytest.raises(InvalidParameterError, match="y must be None"):
            ScoreHistogramDisplay.from_estimator(detector, {"a": rows}, y=np.zeros(300))
        with pytest.raises(InvalidDataError, match="without samples"):
            ScoreHistogramDisplay.from_estimator(detector, {})

    @pytest.mark.parametrize(
        ("name", "value"), [("bins", 0), ("bins", 2.5), ("low", "lowest"), ("low", -np.inf)]
    )
    def test_impossible_parameters(self, name, value, detector, rows, ax):
        with pytest.raises(InvalidParameterError, match=name):
            ScoreHistogramDisplay.from_estimator(detector, rows, ax=ax, **{name: value})

    @pytest.mark.parametrize(
        ("scores", "message"),
        [
            ([0.0, np.nan], "rows 1 first"),
            ([np.inf], "NaN or \\+inf"),
            ([], "no rows"),
            ([-np.inf] * 3, "no score is finite"),
        ],
    )
    def test_scores_that_cannot_be_drawn(self, scores, message, ax):
        with pytest.raises(InvalidDataError, match=message):
            ScoreHistogramDisplay(scores={"all": scores}).plot(ax)

    def test_unsuitable_estimators(self, rows):
        with pytest.raises(NotFittedError):
            ScoreHistogramDisplay.from_estimator(DensityOutlierDetector(), rows)
        with pytest.raises(InvalidParameterError, match="no method 'score_samples'"):
            ScoreHistogramDisplay.from_estimator(StandardScaler().fit(rows), rows)


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


class TestCalibration:
    def test_curve_is_the_share_of_small_p_values(self, calibrated, others, ax):
        display = CalibrationDisplay.from_estimator(calibrated, others, ax=ax)
        p_values = calibrated.p_values(others)
        for stated, observed in zip(*display.curve_.get_data(), strict=True):
            assert observed == pytest.approx(np.mean(p_values <= stated))
        assert display.observed_rate(0.1) == np.mean(p_values <= 0.1)
        assert display.n_calibration == len(calibrated.calibration_scores_)

    def test_point_is_what_the_threshold_flags(self, calibrated, others, ax):
        display = CalibrationDisplay.from_estimator(calibrated, others, ax=ax)
        stated, observed = (values[0] for values in display.rate_point_.get_data())
        assert observed == pytest.approx(np.mean(calibrated.predict(others) == -1))
        # The largest multiple of 1 / (m + 1) that contamination allows.
        m = display.n_calibration
        assert stated == pytest.approx(np.floor(0.05 * (m + 1)) / (m + 1))
        assert legend_of(ax)[-1] == f"threshold: {observed:.1%} flagged, {stated:.1%} stated"

    @pytest.mark.parametrize("n_calibration", [19, 150, None])
    def test_band_holds_exchangeable_rows_as_often_as_it_says(self, n_calibration, ax):
        rng = np.random.RandomState(0)
        n, n_repeats, confidence = 60, 2000, 0.8
        display = CalibrationDisplay(
            p_values=rng.uniform(size=n), n_calibration=n_calibration
        ).plot(ax, confidence=confidence)
        if n_calibration is None:
            p_values = rng.uniform(size=(n_repeats, n))
        else:
            old = np.sort(rng.uniform(size=(n_repeats, n_calibration)))
            new = rng.uniform(size=(n_repeats, n))
            at_most = np.array([np.searchsorted(o, x) for o, x in zip(old, new, strict=True)])
            p_values = (1 + at_most) / (1 + n_calibration)
        inner = (display.levels_ > 0.1) & (display.levels_ < 0.9)
        bounds = zip(
            display.levels_[inner],
            display.band_low_[inner],
            display.band_high_[inner],
            strict=True,
        )
        for level, low, high in bounds:
            observed = np.mean(p_values <= level + 1e-12, axis=1)
            inside = np.mean((low <= observed) & (observed <= high))
            # Counts are whole numbers, so that the band may hold somewhat more than it says.
            assert confidence - 0.03 < inside < confidence + 0.13
            assert np.mean(observed < low) < (1 - confidence) / 2 + 0.03
            assert np.mean(observed > high) < (1 - confidence) / 2 + 0.03

    def test_rows_that_have_changed_leave_the_band(self, calibrated, rows, ax):
        display = CalibrationDisplay.from_estimator(calibrated, 2 * rows, ax=ax)
        upper = np.interp(0.2, display.levels_, display.band_high_)
        assert display.observed_rate(0.2) > upper

    def test_log_scale_shows_small_rates(self, calibrated, others, ax):
        display = CalibrationDisplay.from_estimator(calibrated, others, scale="log", ax=ax)
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert ax.get_xlim() == ax.get_ylim() == pytest.approx((1 / 250, 1))
        ax.figure.canvas.draw()
        assert display.plot(ax).ax_.get_xscale() == "linear"
        assert ax.get_xlim() == (0, 1)

    def test_p_values_of_any_origin(self, ax):
        display = CalibrationDisplay(p_values=[0.1, 0.4, 0.4, 1.0], rate=0.4)
        display.plot(ax, color="green", xlabel="alpha", ylabel="flagged")
        assert display.curve_.get_data()[1].tolist() == [0, 0.25, 0.75, 1, 1]
        assert display.rate_point_.get_data()[1] == [0.75]
        assert to_rgb(display.curve_.get_color()) == to_rgb("green")
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("alpha", "flagged")
        assert display.figure_ is ax.figure
        assert legend_of(ax)[2] == "4 rows"

    def test_pipeline(self, rows, others, ax):
        pipeline = make_pipeline(
            StandardScaler(),
            DensityOutlierDetector(GaussianMixture(), calibrate=True, random_state=0),
        ).fit(rows)
        display = CalibrationDisplay.from_estimator(pipeline, others, ax=ax)
        wanted = pipeline[-1].p_values(pipeline[0].transform(others))
        np.testing.assert_array_equal(display.p_values, wanted)

    def test_new_figure_has_all_labels_inside(self, calibrated, others, figures):
        display = CalibrationDisplay.from_estimator(calibrated, others)
        display.figure_.canvas.draw()
        assert display.ax_.xaxis.label.get_window_extent().y0 >= 0
        assert display.ax_.yaxis.label.get_window_extent().x0 >= 0

    def test_detectors_without_p_values(self, detector, rows):
        with pytest.raises(NotFittedError):
            CalibrationDisplay.from_estimator(DensityOutlierDetector(calibrate=True), rows)
        for estimator in (detector, GaussianMixture().fit(rows)):
            with pytest.raises(InvalidParameterError, match="calibrate=True"):
                CalibrationDisplay.from_estimator(estimator, rows)

    @pytest.mark.parametrize(
        ("name", "value"), [("confidence", 1.0), ("confidence", "high"), ("scale", "logit")]
    )
    def test_impossible_parameters(self, name, value, calibrated, rows, ax):
        with pytest.raises(InvalidParameterError, match=name):
            CalibrationDisplay.from_estimator(calibrated, rows, ax=ax, **{name: value})

    @pytest.mark.parametrize("p_values", [[], [1.5], [np.nan]])
    def test_impossible_p_values(self, p_values, ax):
        with pytest.raises(InvalidDataError, match=r"p.values"):
            CalibrationDisplay(p_values=p_values).plot(ax)
