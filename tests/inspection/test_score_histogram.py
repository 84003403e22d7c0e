"""ScoreHistogramDisplay: bars that count the scores of each sample."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from flowkit import DensityOutlierDetector, ScoreHistogramDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import INFINITY, MINUS, legend_of


@pytest.fixture(scope="module")
def is_odd():
    return np.repeat([0, 1], [200, 50])


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


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
