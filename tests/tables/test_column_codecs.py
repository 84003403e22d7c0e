"""Maps of single columns: every codec does what the base class says."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.tables._column_codecs import AngleCodec, Codec, LevelCodec, NumberCodec
from flowkit.tables._date_codec import DateCodec
from flowkit.tables._spiked_codec import SpikedCodec

NUMBERS = np.array([1.0, 4.0, 2.0, 7.0, 2.0])
CODECS = {
    "real": (NumberCodec(-np.inf, np.inf, False, NUMBERS), NUMBERS),
    "positive": (NumberCodec(0.0, np.inf, False, NUMBERS), NUMBERS),
    "negative": (NumberCodec(-np.inf, 8.0, False, NUMBERS), NUMBERS),
    "share": (NumberCodec(0.0, 8.0, False, NUMBERS), NUMBERS),
    "whole": (NumberCodec(-np.inf, np.inf, True, NUMBERS), NUMBERS),
    "count": (NumberCodec(0.0, np.inf, True, NUMBERS), NUMBERS),
    "rating": (NumberCodec(1.0, 7.0, True, NUMBERS), NUMBERS),
    "levels": (LevelCodec(["a", "b", "c"], np.array([5.0, 0.0, 2.0])), np.array([0.0, 2.0, 1.0])),
    "spiked": (SpikedCodec(-np.inf, np.inf, False, np.array([2.0]), NUMBERS), NUMBERS),
    "zeros": (SpikedCodec(1.0, np.inf, True, np.array([1.0, 2.0]), NUMBERS), NUMBERS),
    "ends": (SpikedCodec(1.0, 8.0, False, np.array([1.0, 2.0]), NUMBERS), NUMBERS),
    "day": (DateCodec(-np.inf, np.inf, "day", NUMBERS), NUMBERS),
    "angle": (AngleCodec(0.0, 24.0, NUMBERS), NUMBERS),
}
codecs = pytest.mark.parametrize(("codec", "x"), CODECS.values(), ids=CODECS)


def test_every_codec_is_here():
    every = {*Codec.__subclasses__(), *NumberCodec.__subclasses__()}
    assert every == {type(codec) for codec, _ in CODECS.values()}


@codecs
def test_no_place_is_the_middle_of_the_cell(codec, x):
    x = np.append(x, np.nan)
    y, log_volume = codec.points(x, None)
    assert y.shape == log_volume.shape == (len(x), 1)
    middle = codec.points(x, np.array([0.5]))
    np.testing.assert_array_equal(y, middle[0])
    np.testing.assert_array_equal(log_volume, middle[1])
    assert np.isnan(y[-1, 0])
    assert log_volume[-1, 0] == 0.0
    np.testing.assert_allclose(codec.decode(y[:-1, 0]), x[:-1])
