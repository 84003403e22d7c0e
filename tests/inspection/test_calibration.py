"""CalibrationDisplay: p-values against what they promise."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import CalibrationDisplay, DensityOutlierDetector
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import legend_of


@pytest.fixture(scope="module")
def calibrated(rows):
    return DensityOutlierDetector(GaussianMixture(), calibrate=True, random_state=0).fit(rows)


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
