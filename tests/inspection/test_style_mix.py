"""StyleMixDisplay: content of some rows, style of others."""

import itertools

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from flowkit import StyleMixDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import lattice


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
