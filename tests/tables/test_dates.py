"""Columns of dates."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import flowkit
from flowkit.exceptions import InvalidDataError, InvalidParameterError, UnsupportedValueError

from .examples import N, mixture_table

START = pd.Timestamp("2024-03-01")


def stays(rng, unit="D"):
    start = START + pd.to_timedelta(rng.integers(0, 300, N), unit=unit)
    return pd.DataFrame(
        {"start": start, "end": start + pd.to_timedelta(rng.poisson(9, N), unit=unit)}
    )


@pytest.mark.parametrize("unit", ["D", "h", "min", "s", "ms", "us"])
@pytest.mark.parametrize("dtype", ["datetime64[ns]", "datetime64[us]"])
def test_dates_are_drawn_at_their_resolution(unit, dtype, rng):
    X = stays(rng, unit).astype(dtype)
    fitted = mixture_table().fit(X)
    assert fitted.kinds_ == ["date", "date"]
    drawn = fitted.sample(N, random_state=0)
    assert_array_equal(drawn.dtypes, X.dtypes)
    assert_array_equal(drawn["start"], drawn["start"].dt.floor(unit))
    assert np.isfinite(fitted.score_samples(drawn)).all()
    step = pd.Timedelta(1, unit)
    assert_allclose((drawn["end"] - drawn["start"]).mean() / step, 9, atol=1)
    if unit != "us":
        assert fitted.score_samples(X[:1] + step / 4)[0] == -np.inf


def test_days_are_scored_like_whole_numbers(rng):
    X = stays(rng)
    days = ((X - START) / pd.Timedelta("1D")).astype(int)
    for cells in ("density", "probability"):
        expected = mixture_table(cells=cells).fit(days).score_samples(days[:40])
        scores = mixture_table(cells=cells).fit(X).score_samples(X[:40])
        assert_allclose(scores, expected, atol=1e-6)


def test_seen_bounds_hold_for_dates(rng):
    X = stays(rng)
    for bounds in ("seen", {"start": "seen", "end": "seen"}):
        drawn = mixture_table(bounds=bounds).fit(X).sample(5 * N, random_state=0)
        assert (drawn.min() >= X.min()).all()
        assert (drawn.max() <= X.max()).all()


def test_dates_are_given_and_constrained(rng):
    fitted = mixture_table().fit(stays(rng))
    for day in ("2024-06-01", datetime.date(2024, 6, 1), pd.Timestamp("2024-06-01")):
        drawn = fitted.sample(50, random_state=0, given={"start": day})
        assert (drawn["start"] == pd.Timestamp("2024-06-01")).all()
        assert abs((drawn["end"] - drawn["start"]).dt.days.mean() - 9) < 4
    met = fitted.sample(50, random_state=0, constraints="end > start >= '2024-06-01'")
    assert (met["start"] >= "2024-06-01").all()
    assert (met["end"] > met["start"]).all()
    half = fitted.cdf(pd.DataFrame({"start": [START, START + pd.Timedelta("150D")]}), "start")
    assert_allclose(half, [0, 0.5], atol=0.05)
    with pytest.raises(InvalidDataError, match="column start holds dates"):
        fitted.sample(given={"start": "soon"})


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Datetime("ms")], ids=str)
def test_dates_of_polars(dtype, rng):
    X = pl.DataFrame({name: column.to_numpy() for name, column in stays(rng).items()}).cast(dtype)
    fitted = mixture_table().fit(X)
    drawn = fitted.sample(N, random_state=0)
    assert drawn.schema == X.schema
    assert drawn["start"].cast(pl.Date).cast(dtype).equals(drawn["start"])
    assert np.isfinite(fitted.score_samples(drawn)).all()


FAR = {
    "nanoseconds": ("datetime64[ns]", "1700-01-01", "2261-01-01"),
    "microseconds": ("datetime64[us]", "-200000-01-01", "200000-01-01"),
    "polars": (pl.Datetime("us"), "0200-01-01", "9800-01-01"),
    "polars, nanoseconds": (pl.Datetime("ns"), "1700-01-01", "2261-01-01"),
    "polars, days": (pl.Date, "0200-01-01", "9800-01-01"),
}


@pytest.mark.parametrize(("dtype", "first", "last"), FAR.values(), ids=FAR)
def test_draws_stay_within_what_their_type_holds(dtype, first, last, rng):
    first, last = (np.datetime64(end, "D").astype(np.int64) for end in (first, last))
    days = rng.integers(first, last, N).astype("datetime64[D]").astype("datetime64[us]")
    if isinstance(dtype, str):
        X = pd.DataFrame({"day": days.astype(dtype)})
    else:
        X = pl.DataFrame({"day": days}).cast(dtype)
    fitted = mixture_table().fit(X)
    drawn = fitted.sample(2 * N, random_state=0)
    assert drawn["day"].dtype == X["day"].dtype
    values = drawn["day"].to_numpy()
    assert not np.isnat(values).any()
    # Newer versions of numpy refuse to round the first day that nanoseconds hold to days.
    step = np.timedelta64(1, "D") // np.timedelta64(1, np.datetime_data(values.dtype)[0])
    numbers = values.astype(np.int64) // step
    # What overflows would come back at the other end.
    found = np.quantile(numbers, [0.25, 0.75])
    assert_allclose(found, np.quantile([first, last], [0.25, 0.75]), atol=0.15 * (last - first))
    assert numbers.max() > last
    assert np.isfinite(fitted.score_samples(drawn)).all()


def test_they_are_saved_and_loaded(rng, tmp_path):
    X = stays(rng)
    fitted = mixture_table().fit(X)
    flowkit.save(fitted, tmp_path / "stays.flowkit")
    loaded = flowkit.load(tmp_path / "stays.flowkit")
    pd.testing.assert_frame_equal(
        loaded.sample(9, random_state=0), fitted.sample(9, random_state=0)
    )
    assert "2024-03-01 to 202" in loaded.report()
    assert "to the day" in loaded.report()


def test_what_is_no_date_is_refused(rng):
    X = stays(rng)
    with pytest.raises(InvalidDataError, match="is declared date, but is of type int"):
        mixture_table(kinds={"k": "date"}).fit(X.assign(k=1))
    with pytest.raises(InvalidParameterError, match="its bounds may be 'seen'"):
        mixture_table(bounds={"start": (0, 1)}).fit(X)
    with pytest.raises(UnsupportedValueError, match="column start is of type datetime64"):
        mixture_table().fit(X.assign(start=X["start"].dt.tz_localize("UTC")))
    for wrong in (1, "2024-03-01"):
        with pytest.raises(InvalidDataError, match=r"start was date in fit.*are not dates"):
            mixture_table().fit(X).score_samples(X.assign(start=wrong))
