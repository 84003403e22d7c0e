"""ReconstructionDisplay: rows beside what the density makes of them."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from flowkit import ReconstructionDisplay
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import polynomial


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
