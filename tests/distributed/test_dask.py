"""Methods on collections of dask: what they give is what estimators give, chunk by chunk."""

from __future__ import annotations

import itertools

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from flowkit import FlowDensity, TableDensity, distributed
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .. import processes
from . import without_engines
from .examples import CASES, FRAME, SMALL, X, assert_same, fitted, mixed

every_case = pytest.mark.parametrize(("model", "method"), CASES)


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


@every_case
def test_arrays_give_arrays_in_the_same_chunks(model, method):
    estimator = fitted(model)
    rows = da.from_array(X, chunks=((70, 1, 79), 4))
    found = getattr(distributed, method)(estimator, rows)
    expected = np.asarray(getattr(estimator, method)(X))
    assert isinstance(found, da.Array)
    assert found.chunks[0] == rows.chunks[0]
    assert (found.shape, found.dtype, found._meta.dtype) == (expected.shape, *2 * [expected.dtype])
    assert_same(found.compute(), expected)
    assert_same(found[100:103].compute(), expected[100:103])


@every_case
def test_frames_give_frames_with_the_same_index(model, method):
    estimator = fitted(model, with_names=True)
    frame = FRAME.set_index(FRAME.index[::-1] * 3)
    # Some partitions are empty, and divisions unknown.
    rows = dd.from_pandas(frame, npartitions=3, sort=False)
    rows = dd.concat([rows, rows[rows[FRAME.columns[0]] > 1e9]])
    found = getattr(distributed, method)(estimator, rows)
    expected = np.asarray(getattr(estimator, method)(frame))
    computed = found.compute()
    assert found.npartitions == rows.npartitions
    assert computed.index.equals(frame.index)
    if method == "transform":
        assert (
            list(found.columns)
            == list(computed.columns)
            == list(
                estimator[-1:].get_feature_names_out()
                if model == "pipeline"
                else estimator.get_feature_names_out()
            )
        )
        assert_same(computed.to_numpy(), expected)
        assert list(found.dtypes) == list(computed.dtypes)
    else:
        assert found.name == computed.name == method
        assert found.dtype == computed.dtype
        assert_same(computed.to_numpy(), expected)


def test_tables_of_text_are_read():
    frame = mixed().drop(columns="key")
    density = TableDensity(FlowDensity(**SMALL)).fit(frame)
    found = distributed.score_samples(density, dd.from_pandas(frame, npartitions=2))
    assert_same(found.compute().to_numpy(), density.score_samples(frame))


def test_chunks_of_columns_are_joined_and_those_of_unknown_length_are_scored():
    density = fitted("flow")
    expected = density.score_samples(X)
    split = distributed.score_samples(density, da.from_array(X, chunks=(50, 2)))
    assert split.chunks == ((50, 50, 50),)
    assert_same(split.compute(), expected)
    unknown = dd.from_pandas(FRAME, npartitions=2).to_dask_array()
    assert np.isnan(unknown.shape[0])
    assert_same(distributed.score_samples(density, unknown).compute(), expected)


def test_single_precision_stays():
    rows = da.from_array(X.astype(np.float32), chunks=50)
    for X_, dtype in ((rows, np.float32), (rows.astype(np.float64), np.float64)):
        latent = distributed.transform(fitted("flow"), X_)
        assert latent.dtype == latent.compute().dtype == dtype
    assert distributed.score_samples(fitted("flow"), rows).dtype == np.float64


class Counting(FlowDensity):
    n_loaded = 0

    def __setstate__(self, state):
        super().__setstate__(state)
        Counting.n_loaded += 1


def test_nothing_is_computed_before_and_the_model_goes_once():
    density = Counting(**SMALL).fit(X)
    Counting.n_loaded = 0
    rows = da.from_array(X, chunks=(10, 4))
    found = distributed.score_samples(density, rows)
    assert Counting.n_loaded == 0
    # Tasks of older versions are tuples.
    tasks = dict(found.__dask_graph__()).values()
    parts = [task if isinstance(task, tuple) else getattr(task, "args", ()) for task in tasks]
    assert sum(isinstance(part, bytes) for part in itertools.chain(*parts)) == 1
    expected = density.score_samples(X)
    # What becomes of the estimator later does not change what was asked for.
    density.fit(X * 2)
    Counting.n_loaded = 0
    assert_same(found.compute(), expected)
    assert Counting.n_loaded == 1


def test_what_cannot_be_scored_is_told():
    density, rows = fitted("flow"), da.from_array(X, chunks=50)
    for wrong in (X, FRAME, rows[:, 0], [1.0]):
        with pytest.raises(InvalidDataError, match=r"dask array .* got .* in memory"):
            distributed.score_samples(density, wrong)
    with pytest.raises(InvalidDataError, match=r"3 columns, .* FlowDensity was fitted to 4"):
        distributed.score_samples(density, rows[:, :3])
    with pytest.raises(InvalidParameterError, match="FlowDensity has no method 'predict'"):
        distributed.predict(density, rows)
    with pytest.raises(NotFittedError):
        distributed.score_samples(FlowDensity(), rows)
    nan = distributed.score_samples(density, da.where(rows > 7.8, np.nan, rows))
    with pytest.raises(InvalidDataError):
        nan.compute()


def test_the_empty_are_scored():
    none = distributed.transform(fitted("flow"), da.from_array(X[:0], chunks=50))
    assert none.compute().shape == (0, 4)


def test_importing_needs_no_engine(tmp_path):
    said = tmp_path / "said.txt"
    processes.start(without_engines.ask, said=said).join()
    assert said.read_text().split() == ["True", "True"]
