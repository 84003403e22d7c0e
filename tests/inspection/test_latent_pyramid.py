"""LatentPyramidDisplay: latents of a lattice, level by level."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import LatentPyramidDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import lattice, texts


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
