"""Every Display and matplotlib: axes that are given, windows that are none, a missing package."""

import sys

import numpy as np
import pytest

from flowkit import (
    CalibrationDisplay,
    DensityDisplay,
    ExplanationDisplay,
    LatentPyramidDisplay,
    LogDetTreeDisplay,
    ReceptiveFieldDisplay,
    ReconstructionDisplay,
    ScoreHistogramDisplay,
    StyleMixDisplay,
    TopicDisplay,
    TrainingCurveDisplay,
)
from flowkit.exceptions import MissingDependencyError


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
