"""TrainingCurveDisplay: the history of a fit, drawn."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import FlowDensity, TrainingCurveDisplay
from flowkit.exceptions import InvalidParameterError


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
