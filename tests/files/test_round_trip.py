"""What is loaded is what was saved, in a process that knows nothing else."""

from __future__ import annotations

import datetime
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flowkit import FlowDensity, load, save
from flowkit.files._document import Encoder
from flowkit.outliers._units import Dates

from .. import processes
from ..table import TRANSFORMERS
from .examples import CASES, OTHERS, X, fitted
from .loading import score_files

# What tells that code is run or loaded.
SUSPICIOUS = ("pickle.", "os.system", "os.exec", "os.spawn", "subprocess.", "socket.")
# Libraries of which parts may be imported on the way, if they are not there yet.
# pandas imports pyarrow where that is installed.
KNOWN = ("flowkit", "numba", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "torch")


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Scores of each case before it was saved, and after it was loaded by another process."""
    folder, before = tmp_path_factory.mktemp("files"), {}
    for name in CASES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator, rows = fitted(name)
            before[name] = estimator.score_samples(rows)
        save(estimator, folder / f"{name}.flow")
    process = processes.start(score_files, folder, said=folder / "said.txt")
    process.join()
    assert process.exitcode == 0
    after = {name: np.load(folder / f"{name}.npy") for name in CASES}
    return before, after, json.loads((folder / "events.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_fresh_process_gives_the_same_scores_to_the_last_bit(scores, name):
    before, after = (scores_of[name] for scores_of in scores[:2])
    assert before.dtype == after.dtype == np.float64
    assert before.tobytes() == after.tobytes()


def test_loading_runs_no_pickle_and_nothing_else(scores):
    events = scores[2]
    assert events
    assert not [event for event, _ in events if event.startswith(SUSPICIOUS)]
    for event, what in events:
        assert event != "import" or what.strip("(',)").startswith(KNOWN), what


def document(estimator):
    """All that is in an estimator, as JSON and bytes."""
    encoder = Encoder()
    encoder.value(estimator)
    arrays = [(a.dtype, a.shape, a.tobytes()) for a in encoder.arrays]
    return encoder.objects, arrays


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_loaded_is_saved_as_the_same_file(name, tmp_path):
    estimator, _ = fitted(name)
    save(estimator, tmp_path / "first")
    save(estimator, tmp_path / "again")
    loaded = load(tmp_path / "first")
    assert document(loaded) == document(estimator)
    save(loaded, tmp_path / "second")
    files = [(tmp_path / name).read_bytes() for name in ("first", "again", "second")]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("name", ["default", "phvae_other", "table_flow", "flows"])
@pytest.mark.filterwarnings("ignore")
def test_draws_and_training_go_on_alike(name, tmp_path):
    estimator, rows = fitted(name)
    save(estimator, tmp_path / "file")
    twins = [load(tmp_path / "file") for _ in range(2)]
    if hasattr(estimator, "sample"):
        for twin in twins:
            expected, got = (e.sample(3, random_state=0) for e in (estimator, twin))
            np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
    if hasattr(estimator, "partial_fit"):
        first, second = (twin.partial_fit(rows).score_samples(rows) for twin in twins)
        np.testing.assert_array_equal(first, second)
    refitted = [e.fit(rows).score_samples(rows) for e in (estimator, twins[0])]
    np.testing.assert_array_equal(*refitted)


@pytest.mark.parametrize("build", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_transformers_keep_their_functions(build, tmp_path):
    transformer = build()
    save(transformer, tmp_path / "file")
    loaded = load(tmp_path / "file")
    assert loaded.func is transformer.func
    assert loaded.derivative is transformer.derivative


def test_unfitted_estimators_keep_their_parameters(tmp_path):
    density = FlowDensity("affine_coupling", tail_bound=3.5, max_time=None, dtype="float64")
    save(density, tmp_path / "file")
    loaded = load(tmp_path / "file")
    assert loaded.get_params() == density.get_params()
    assert not hasattr(loaded, "module_")


def test_parts_that_were_shared_stay_shared(tmp_path):
    detector, _ = fitted("flows")
    save(detector, tmp_path / "file")
    loaded = load(tmp_path / "file")
    for each in (detector, loaded):
        assert each.densities_[0] is each._scores._members[0].density


def test_layouts_of_arrays_and_odd_numbers_are_kept(tmp_path):
    density = FlowDensity(max_epochs=1, random_state=0).fit(X)
    values = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "reversed": np.arange(5)[::-1],
        "big": np.arange(3, dtype=">f4"),
        "empty": np.empty((0, 3), np.int8),
        "single": np.array(3.5),
        "half": np.float16(0.1),
        "dates": np.array(["2020-01-01", "NaT"], "M8[ns]"),
        "texts": np.array([["a", "ü"]]),
        "late dates": np.array([["2020-01-01", "2021-01-01"]], ">M8[D]").T,
        "lists": pd.Series([[1, 2], (3, 4)]).to_numpy(),
        "no text": np.empty((2, 0), "U3"),
        "objects": np.array([1, "one", None, 2.5], dtype=object),
        "numbers": [np.inf, -np.inf, -0.0, 1e-320, 2**70, True, np.int8(3), np.float32(0.1)],
        "dates of Python": [datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5, 6)],
        "path": Path("some") / "where",
        "range": range(1, 9, 3),
        "pairs": {(1, "a"): {2, 3}, None: slice(1, None, 2)},
    }
    density.extra_ = values
    save(density, tmp_path / "file")
    loaded = load(tmp_path / "file").extra_
    assert loaded["fortran"].flags.f_contiguous
    assert np.isnat(loaded["dates"][1])
    for name in ("pairs", "path", "range", "dates of Python"):
        assert loaded[name] == values[name]
    assert list(map(repr, loaded["numbers"])) == list(map(repr, values["numbers"]))
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(loaded[name], value)
            assert loaded[name].dtype == value.dtype.newbyteorder("=")
            assert loaded[name].shape == value.shape


DAYS = pd.Series(pd.to_datetime(["2020-01-01 03:00", "2020-03-29 12:00", "2021-01-01 04:00"]))
COLUMNS_OF_DATES = {
    "dates": DAYS,
    "dates of a zone": DAYS.dt.tz_localize("Europe/Berlin"),
    "dates of an array": DAYS.to_numpy(),
    "lengths": DAYS - DAYS[0],
    "dates of Python": pd.Series([day.date() for day in DAYS], dtype=object),
    "times of Python": np.array(DAYS.dt.to_pydatetime(), dtype=object),
}


@pytest.mark.parametrize("column", COLUMNS_OF_DATES.values(), ids=COLUMNS_OF_DATES)
def test_what_a_detector_knows_of_dates_is_kept(column, tmp_path):
    density = FlowDensity()
    density.extra_ = units = Dates.of(column)
    save(density, tmp_path / "file")
    loaded = load(tmp_path / "file").extra_
    numbers = units.numbers(column)
    np.testing.assert_array_equal(loaded.numbers(column), numbers)
    found, expected = loaded.values(numbers), units.values(numbers)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(column))


def test_nan_is_kept(tmp_path):
    density = FlowDensity(tail_bound=float("nan"))
    save(density, tmp_path / "file")
    assert np.isnan(load(tmp_path / "file").tail_bound)
