"""LogDetTreeDisplay: shares of nodes that sum to the log determinant."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import LogDetTreeDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import texts, tiny


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
