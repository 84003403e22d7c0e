"""Columns of dates."""

from __future__ import annotations

import datetime
import functools

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


@functools.cache
def fitted_stays(unit="D"):
    """A table and its density, which tests only ask."""
    X = stays(np.random.default_rng(0), unit)
    return mixture_table().fit(X), X


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


NO_DATES = {
    "'today' is no date": "today",
    "'now' is no date": "now",
    "'' is no date": "",
    "18300 is no date": 18300,
    "True is no date": True,
    "no such day": "2024-02-30",
    "'2024-06-01T00:00Z' is in a time zone": "2024-06-01T00:00Z",
    "'2024-06-01 00:00:00.5 [+]02:00' is in a time zone": "2024-06-01 00:00:00.5 +02:00",
    "is in a time zone: give it without": pd.Timestamp("2024-06-01", tz="UTC"),
}


@pytest.mark.parametrize(("words", "value"), NO_DATES.items(), ids=NO_DATES)
def test_what_is_given_for_a_date_is_one(words, value):
    fitted, _ = fitted_stays()
    for ask in (fitted, fitted.marginal(["start", "end"])):
        with pytest.raises(InvalidDataError, match=f"column start holds dates.*{words}"):
            ask.quantile(0.5, "end", given={"start": value})
        with pytest.raises(InvalidDataError, match=f"column start holds dates.*{words}"):
            ask.cdf(pd.DataFrame({"start": [value]}, dtype=object), "start")
    zoned = pd.DataFrame({"start": [START]}).apply(lambda days: days.dt.tz_localize("UTC"))
    for table in (zoned, pl.from_pandas(zoned)):
        with pytest.raises(UnsupportedValueError, match="column start is of type"):
            fitted.cdf(table, "start")


@pytest.mark.parametrize("unit", ["D", "us"])
def test_quantiles_of_dates_are_dates(unit):
    fitted, _ = fitted_stays(unit)
    for ask in (fitted, fitted.marginal(["start", "end"]), fitted.marginal("start")):
        low, middle = ask.quantile([0.1, 0.5], "start")
        assert middle.dtype == f"datetime64[{unit}]"
        assert_array_equal(ask.cdf(pd.DataFrame({"start": [low]}), "start") >= 0.1, True)
        assert ask.quantile([], "start").dtype == middle.dtype
        assert ask.quantile(0.5, "start") == middle
    given = {"start": middle}
    assert (fitted.sample(3, random_state=0, given=given)["start"] == middle).all()
    assert fitted.quantile(0.1, "end", given=given) < fitted.quantile(0.9, "end", given=given)
    rows = pd.DataFrame({"start": [low, middle]})
    assert fitted.quantile([0.5], "end", given=rows).shape == (2, 1)


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Datetime("ms")], ids=str)
def test_dates_of_polars(dtype, rng):
    X = pl.DataFrame({name: column.to_numpy() for name, column in stays(rng).items()}).cast(dtype)
    fitted = mixture_table().fit(X)
    drawn = fitted.sample(N, random_state=0)
    assert drawn.schema == X.schema
    assert drawn["start"].cast(pl.Date).cast(dtype).equals(drawn["start"])
    assert np.isfinite(fitted.score_samples(drawn)).all()


@pytest.mark.parametrize("arrow", ["timestamp[us]", "timestamp[ns]", "date32[day]"])
def test_dates_of_pyarrow(arrow, rng):
    pytest.importorskip("pyarrow")
    X = stays(rng)[:200].astype(f"{arrow}[pyarrow]")
    fitted = mixture_table().fit(X)
    assert fitted.kinds_ == ["date", "date"]
    drawn = fitted.sample(5, random_state=0, given={"start": datetime.date(2024, 6, 1)})
    assert_array_equal(drawn.dtypes, X.dtypes)
    assert (drawn["start"].astype("datetime64[s]") == pd.Timestamp("2024-06-01")).all()
    expected = mixture_table().fit(X.astype("datetime64[us]")).score_samples(drawn[:0:-1])
    assert_allclose(fitted.score_samples(drawn[:0:-1]), expected)
    zoned = X.assign(start=stays(rng)[:200]["start"].dt.tz_localize("UTC"))
    zoned = zoned.astype({"start": "timestamp[us, UTC][pyarrow]"})
    with pytest.raises(UnsupportedValueError, match="take the time zone off"):
        mixture_table().fit(zoned)


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


@pytest.mark.parametrize("unit", ["D", "us"])
def test_dates_between_have_no_probability_and_far_ones_do_not_come_back(unit):
    fitted, X = fitted_stays(unit)
    expected = fitted.score_samples(X[:1])
    fine = X[:1] + pd.Timedelta(1, "ns")
    assert_array_equal(fitted.score_samples(fine), -np.inf)
    for end in (0.0, 0.5):
        steps = pd.Timedelta(end, unit) if unit == "D" else pd.Timedelta(500 * end, "ns")
        below = fitted.cdf(X[:1] + steps, "end")
        assert_allclose(below, fitted.cdf(X[:1], "end"))
    for seconds in (2**63 // 10**6 + 1, 2**62):
        # So many more microseconds, or days, would come back to the same date.
        far = X[:1].astype("datetime64[s]") + np.timedelta64(seconds, "s")
        assert fitted.score_samples(far)[0] < expected - 100


FAULTS = {
    "which is finer than a microsecond": "2024-01-01T00:00:00.000000001",
    "too far from 1970 to be told to the microsecond": "2200-01-01T00:00:00.000001",
    "too far from 1970 to be told to the second": "295000-01-01T00:00:01",
}


@pytest.mark.parametrize(("words", "date"), FAULTS.items(), ids=FAULTS)
def test_dates_that_numbers_cannot_tell_are_refused_by_column(words, date, rng):
    wrong = np.datetime64(date)
    days = stays(rng)["start"].to_numpy().astype(wrong.dtype)
    days[3] = wrong
    with pytest.raises(InvalidDataError, match=f"column day holds {date}, {words}"):
        mixture_table().fit(pd.DataFrame({"day": days}))


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
    with pytest.raises(UnsupportedValueError, match=r"start holds .*pandas.to_datetime"):
        mixture_table().fit(X.assign(start=X["start"].dt.date))
    for wrong in (1, "2024-03-01"):
        with pytest.raises(InvalidDataError, match=r"start was date in fit.*are not dates"):
            mixture_table().fit(X).score_samples(X.assign(start=wrong))
