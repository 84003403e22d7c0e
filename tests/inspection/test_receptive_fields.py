"""ReceptiveFieldDisplay: what each latent sees of the image."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError

from flowkit import ReceptiveFieldDisplay
from flowkit.exceptions import InvalidParameterError

from .examples import lattice


class TestReceptiveFields:
    def test_fields_are_those_of_the_estimator(self, scales, ax):
        display = ReceptiveFieldDisplay.from_estimator(
            scales, latents=[5, 2], n_samples=3, random_state=4, ax=ax
        )
        for level, latent in enumerate([5, 2]):
            field = scales.receptive_fields(level, [latent], n_samples=3, random_state=4)[0]
            np.testing.assert_array_equal(display.images_[level].get_array(), field)
            assert field[tuple(display.places[level])] > 0
        assert display.bars_ is None
        assert len(display.axes_) == len(display.colorbars_) == 2
        ax.figure.canvas.draw()

    def test_places_are_those_of_the_latents(self, scales, ax):
        display = ReceptiveFieldDisplay.from_estimator(scales, n_samples=1, ax=ax)
        levels = scales.latent_levels_.reshape(8, 8)
        assert [levels[tuple(place)] for place in display.places] == [0, 1]
        middle = (np.array(display.places) - 3.5) / [[1], [2]]
        assert (np.abs(middle) <= 0.5).all()

    def test_extents_and_halves_count_pixels(self, ax):
        fields = np.zeros((2, 5, 6))
        fields[0, 1:3, 2] = 3.0
        fields[1, 2, 1:5] = [1.0, 1.0, 1.0, 7.0]
        display = ReceptiveFieldDisplay(fields=fields, levels=[0, 3]).plot(ax)
        assert display.extents_.tolist() == [[2, 1], [1, 4]]
        assert display.half_.tolist() == [1, 1]
        titles = [panel.get_title(loc="left") for panel in display.axes_]
        assert titles == [
            "level 0: 2 by 1 pixels,\nhalf of it in 1 pixel",
            "level 3: 1 by 4 pixels,\nhalf of it in 1 pixel",
        ]
        assert not any(panel.lines for panel in display.axes_)
        assert {bar.ax.get_ylabel() for bar in display.colorbars_} == {"mean |derivative|"}

    def test_wide_fields_need_many_pixels(self, ax):
        fields = np.stack([np.ones((4, 4)), np.full((4, 4), 2.0**-30)])
        assert ReceptiveFieldDisplay(fields=fields, levels=[0, 1]).plot(ax).half_.tolist() == [8, 8]

    def test_chains_have_bars(self, chain, ax):
        display = ReceptiveFieldDisplay.from_estimator(
            chain, levels=[1, 0], n_samples=2, color="red", ax=ax
        )
        assert display.levels == [1, 0]
        for level, bars, place in zip([1, 0], display.bars_, display.places, strict=True):
            own = np.flatnonzero(chain.latent_levels_ == level)
            latent = own.tolist().index(place.item())
            field = chain.receptive_fields(level, [latent], n_samples=2)[0]
            np.testing.assert_allclose([bar.get_height() for bar in bars], field)
            np.testing.assert_allclose(bars[0].get_facecolor(), [1, 0, 0, 1])
        assert display.images_ is None
        assert display.extents_.shape == (2, 1)
        ax.figure.canvas.draw()

    def test_channels_share_a_place(self, coloured, ax):
        display = ReceptiveFieldDisplay.from_estimator(coloured, n_samples=1, colorbar=False, ax=ax)
        assert display.fields.shape == (2, 5, 6)
        assert display.places.tolist() == [[2, 3], [2, 2]]
        assert display.colorbars_ == []

    def test_unsuitable_estimators_are_refused(self, flow):
        with pytest.raises(NotFittedError):
            ReceptiveFieldDisplay.from_estimator(lattice())
        with pytest.raises(InvalidParameterError, match="no method 'receptive_fields'"):
            ReceptiveFieldDisplay.from_estimator(flow)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("levels", [2]),
            ("levels", []),
            ("levels", [0.5]),
            ("latents", [0]),
            ("latents", [0, 16]),
            ("latents", [0, "a"]),
        ],
    )
    def test_impossible_parameters(self, name, value, scales, ax):
        with pytest.raises(InvalidParameterError, match=f"{name} must be"):
            ReceptiveFieldDisplay.from_estimator(scales, ax=ax, **{name: value})

    def test_too_few_axes(self, scales):
        with pytest.raises(InvalidParameterError, match="at least 2 of them, got 1"):
            ReceptiveFieldDisplay.from_estimator(scales, n_samples=1, ax=[Figure().subplots()])
