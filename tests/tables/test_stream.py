"""A density of tables that learns from chunks of rows."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.mixture import GaussianMixture

from flowkit import Chunks, FlowDensity, TableDensity, load, save, score_chunks
from flowkit.exceptions import InvalidDataError, RowsLeftOutWarning

FLOW = {"n_transforms": 2, "hidden_units": 8, "partial_fit_epochs": 1, "random_state": 0}


def table(n=450, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.choice(["small", "middle", "large"], n),
            "weight": rng.lognormal(size=n),
            "count": rng.poisson(3, size=n),
        }
    )


def density(**parameters):
    given = {"bounds": {"weight": (0, None)}, "random_state": 0, "n_draws": 8, **parameters}
    return TableDensity(FlowDensity(**FLOW), **given)


def trained(X, n=150, **parameters):
    fitted = density(**parameters)
    for i in range(0, len(X), n):
        assert fitted.partial_fit(X[i : i + n]) is fitted
    return fitted


@pytest.mark.parametrize("change", [lambda X: X, pl.DataFrame, lambda X: X.to_numpy()])
def test_chunks_are_learned_from_in_any_container(change):
    X = table()
    bounds = {1: (0, None)} if isinstance(change(X), np.ndarray) else {"weight": (0, None)}
    fitted = trained(change(X), bounds=bounds)
    assert fitted.density_.n_samples_seen_ == len(X)
    assert fitted.kinds_ == ["categorical", "bounded", "integer"]
    assert np.isfinite(fitted.score_samples(change(X))).mean() > 0.97
    first = next(iter(fitted.categories_.values()))
    assert set(first) == {"small", "middle", "large"}


def test_the_first_chunk_settles_the_columns():
    X = table()
    fitted = trained(X)
    alone = density().partial_fit(X[:150])
    assert fitted.report() == alone.report()
    fitted_first = density().fit(X[:150])
    assert fitted_first.report() == alone.report()
    assert (fitted.score_samples(X) != alone.score_samples(X)).any()


def test_training_goes_on_after_fit_pickling_and_saving(tmp_path):
    X, more = table(), table(seed=1)
    fitted = density().fit(X)
    save(fitted, tmp_path / "table.flow")
    copies = [pickle.loads(pickle.dumps(fitted)), load(tmp_path / "table.flow")]
    fitted.partial_fit(more)
    for copy in copies:
        copy.partial_fit(more)
        np.testing.assert_array_equal(copy.score_samples(X), fitted.score_samples(X))


@pytest.mark.parametrize(
    ("column", "value"), [("size", "huge"), ("weight", -1.0), ("count", -2)], ids=str
)
def test_rows_that_score_minus_infinity_are_left_out_with_their_columns(column, value):
    X = table()
    fitted = trained(X, bounds={"weight": (0, None), "count": (0, None)})
    chunk = table(60, seed=1)
    chunk.loc[:9, column] = value
    assert np.isneginf(fitted.score_samples(chunk[:10])).all()
    seen = fitted.density_.n_samples_seen_
    possible = np.isfinite(fitted.score_samples(chunk))
    with pytest.warns(RowsLeftOutWarning, match=rf"{60 - possible.sum()} of 60 .*{column}"):
        fitted.partial_fit(chunk)
    assert fitted.density_.n_samples_seen_ == seen + possible.sum()
    other = trained(X, bounds={"weight": (0, None), "count": (0, None)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other.partial_fit(chunk[possible])
    np.testing.assert_array_equal(fitted.score_samples(X), other.score_samples(X))


def test_levels_can_be_declared_before_any_row_has_them():
    X = table()
    X["size"] = pd.Categorical(X["size"], categories=["small", "middle", "large", "huge"])
    late = table(60, seed=1)
    late["size"] = pd.Categorical(["huge"] * 60, categories=X["size"].cat.categories)
    fitted = trained(X)
    before = fitted.score_samples(late).mean()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            fitted.partial_fit(late)
    assert np.isfinite(before)
    assert fitted.score_samples(late).mean() > before + 0.1


def test_a_chunk_whose_numbers_lie_too_far_apart_is_refused_and_changes_nothing():
    X = table(150).assign(x=np.linspace(-1, 1, 150))
    fitted = trained(X)
    before = fitted.score_samples(X)
    chunk = X[:20].assign(x=np.linspace(-1, 1, 20) * np.finfo(float).max)
    with pytest.raises(InvalidDataError, match=r"\bx\b.*too far apart"):
        fitted.partial_fit(chunk)
    np.testing.assert_array_equal(fitted.score_samples(X), before)
    assert fitted.partial_fit(X) is fitted


def test_a_chunk_without_possible_rows_is_refused_and_changes_nothing():
    X = table()
    fitted = trained(X)
    before = fitted.score_samples(X)
    chunk = X[:20].assign(size="huge")
    with pytest.raises(InvalidDataError, match="nothing to train on"):
        fitted.partial_fit(chunk)
    with pytest.raises(InvalidDataError, match="weight"):
        fitted.partial_fit(X[:20].assign(weight=np.nan))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.partial_fit(X[["weight", "size", "count"]])
    np.testing.assert_array_equal(fitted.score_samples(X), before)
    again = trained(X)
    np.testing.assert_array_equal(
        fitted.partial_fit(X).score_samples(X), again.partial_fit(X).score_samples(X)
    )


def test_rows_of_weight_zero_are_no_rows():
    X = table()
    weight = (np.arange(150) % 3 > 0).astype(float)
    fitted, other = density(), density()
    for i in (0, 150, 300):
        fitted.partial_fit(X[i : i + 150], sample_weight=weight)
        kept = X[i : i + 150][weight > 0]
        other.partial_fit(kept, sample_weight=np.ones(len(kept)))
    np.testing.assert_array_equal(fitted.score_samples(X), other.score_samples(X))


def test_densities_of_all_rows_at_once_have_none():
    assert not hasattr(TableDensity(GaussianMixture()), "partial_fit")
    assert hasattr(TableDensity(), "partial_fit")


def test_a_table_in_parquet_is_learned_and_scored_chunk_by_chunk(tmp_path):
    X = table()
    X.to_parquet(tmp_path / "table.parquet", row_group_size=100)
    chunks = Chunks(tmp_path / "table.parquet", chunk_rows=150)
    fitted = density()
    for chunk in chunks:
        fitted.partial_fit(chunk)
    assert fitted.density_.n_samples_seen_ == np.isfinite(fitted.score_samples(X)).sum()
    scores = score_chunks(fitted, chunks)
    np.testing.assert_allclose(scores, fitted.score_samples(X), rtol=1e-9)
