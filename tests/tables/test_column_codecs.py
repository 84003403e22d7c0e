"""Maps of single columns: every codec does what the base class says."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.tables._angle_codec import AngleCodec
from flowkit.tables._column_codecs import Codec, LevelCodec, NumberCodec, NumericCodec
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


TENTHS = np.round(np.repeat(np.arange(1, 24), 3) / 10, 1)
HOURS = np.repeat(np.arange(24.0), 2)
NUMBER_CODECS = {
    **{name: codec for name, (codec, _) in CODECS.items() if isinstance(codec, NumberCodec)},
    "tenths": NumberCodec(-np.inf, np.inf, False, TENTHS),
    "share_of_tenths": NumberCodec(0.0, 2.3, False, TENTHS),
    "at_the_top": NumberCodec(0.0, 7.0, False, NUMBERS[::-1]),
    "whole_at_the_top": NumberCodec(0.0, 7.0, True, NUMBERS[[3, 0, 1, 2]]),
}
ANGLE_CODECS = {
    "angle": AngleCodec(0.0, 24.0, NUMBERS),
    "hours": AngleCodec(0.0, 24.0, HOURS),
    "hours_from_noon": AngleCodec(-12.0, 24.0, HOURS),
    "hours_from_within": AngleCodec(0.3, 24.0, HOURS),
}


@pytest.mark.parametrize("codec", NUMBER_CODECS.values(), ids=NUMBER_CODECS)
def test_upper_ends_are_those_of_what_is_decoded(codec):
    y = np.random.default_rng(0).normal(0, 4, 300)
    decoded = codec.decode(y)
    values = np.unique(decoded)
    # Real numbers are not decoded to the last digit.
    for x in [*values[::7] + 1e-9, values[0] - 0.3, values[-1] + 1e-9, 0.07, 2.3, 9.0]:
        np.testing.assert_array_equal(y <= codec.upper_ends(np.array([x])), decoded <= x)


@pytest.mark.parametrize("codec", ANGLE_CODECS.values(), ids=ANGLE_CODECS)
def test_the_reach_of_an_angle_is_that_of_what_is_decoded(codec):
    y = np.random.default_rng(0).uniform(-30, 60, 300)
    decoded, way = codec.decode(y), np.mod(y - codec.origin, 24.0)
    assert (decoded >= codec.start).all()
    assert (decoded < codec.start + 24).all()
    for x in codec.start + np.linspace(0, 23.9, 40):
        np.testing.assert_array_equal(way <= codec.reach(np.array([x])), decoded <= x)


def test_every_codec_is_here():
    bases = Codec, NumericCodec, NumberCodec
    every = {codec for base in bases for codec in base.__subclasses__()} - {NumericCodec}
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


def test_levels_of_older_versions_have_no_order_and_keep_their_points():
    levels, counts, x = ["low", "mid", "high"], np.array([20.0, 30.0, 50.0]), np.arange(3.0)
    codec, older = LevelCodec(levels, counts), LevelCodec(levels, counts)
    del older.are_ordered
    np.testing.assert_array_equal(older.points(x, None), codec.points(x, None))
    assert older.details() == codec.details()


def test_levels_are_told_in_their_order_or_the_most_frequent_first():
    levels, counts = ["low", "mid", "high"], np.array([20.0, 30.0, 50.0])
    told = LevelCodec(levels, counts).details()
    assert told == "3 levels: high 49.8%, mid 30.0%, low 20.2%"
    long = LevelCodec(["low " * 30, "two\nlines", "high"], counts).details()
    assert len(long) < 100
    assert "\n" not in long
    told = LevelCodec(levels, counts, are_ordered=True).details()
    assert told == "3 levels: low 20.2%, mid 30.0%, high 49.8%"
