"""DensityDisplay: what is drawn agrees with what the estimator says."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.integrate import trapezoid
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityDisplay, FlowDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError


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
