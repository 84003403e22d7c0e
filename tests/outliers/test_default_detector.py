"""The detector that is given nothing: any table, no advice, scores that make sense."""

from __future__ import annotations

import datetime
import functools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from flowkit import DensityOutlierDetector, FlowDensity
from flowkit.exceptions import (
    ConstantColumnWarning,
    IdentifierWarning,
    InvalidDataError,
    UnsupportedValueError,
)
from flowkit.outliers import _scores, default_densities

RNG = np.random.default_rng(0)


def table(n=300, seed=0):
    """Numbers that depend on each other, one with a heavy tail, whole numbers and levels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x,
            "y": 3 * x + rng.normal(size=n),
            "tail": np.exp(2 * rng.normal(size=n) + x),
            "count": rng.poisson(np.exp(1 + x / 2)).astype(float),
            "kind": rng.choice(["a", "b", "c"], size=n, p=[0.6, 0.3, 0.1]),
        }
    )


@functools.cache
def fitted():
    return DensityOutlierDetector(random_state=0).fit(table())


ANY = {
    "two rows": RNG.normal(size=(2, 3)),
    "two rows of one column": np.array([[0.0], [1.0]]),
    "one column": RNG.normal(size=(60, 1)),
    "a constant column": np.column_stack([RNG.normal(size=60), np.ones(60)]),
    "equal rows": np.full((30, 2), 0.1),
    "more columns than rows": RNG.normal(size=(20, 60)),
    "many columns": RNG.normal(size=(60, 200)),
    "levels": pd.DataFrame({"a": RNG.choice(list("abc"), 60), "b": RNG.choice(list("xy"), 60)}),
    "one level": pd.DataFrame({"a": ["a"] * 40}),
    "a column without a value": pd.DataFrame({"a": [np.nan] * 40, "b": RNG.normal(size=40)}),
    "no value at all": np.full((30, 2), np.nan),
    "gaps": np.where(RNG.uniform(size=(60, 3)) < 0.2, np.nan, RNG.normal(size=(60, 3))),
    "truth values": RNG.integers(2, size=(60, 3)).astype(bool),
    "small whole numbers": RNG.integers(-100, 100, size=(60, 2)).astype(np.int8),
    "dates": RNG.integers(10**9, size=(60, 2)).astype("M8[s]"),
    "lengths of time as objects": RNG.integers(99, size=(60, 2)).astype("m8[D]").astype(object),
    "lengths of time of numpy as objects": np.array(
        [[np.timedelta64(n % 7, "D"), np.timedelta64(n % 5, "Y")] for n in range(60)], object
    ),
    "timestamps": 1.6e9 + RNG.permutation(400)[:60, None] * [1.0, 3.0],
    "tiny numbers": 1e-300 * RNG.normal(size=(60, 2)),
    "smallest numbers": 1e-310 * RNG.normal(size=(60, 2)),
    "a heavy tail": RNG.standard_cauchy(size=(60, 2)) ** 3,
    "bytes": np.array([[b"x", b"a"], [b"y", b"b"]] * 30),
    "text": np.array([["x", "a"], ["y", "b"]] * 30),
    "lists of text and numbers": [[1.5, "a"], [2, "b"]] * 30,
    "polars": pl.DataFrame(
        {"a": [1, None, 3] * 20, "b": ["x", "y", None] * 20, "c": [datetime.date(2020, 1, 1)] * 60}
    ),
}


@functools.cache
def fitted_to_any(name):
    return DensityOutlierDetector(random_state=0).fit(ANY[name])


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", ANY)
def test_any_table_is_scored(name):
    X, detector = ANY[name], fitted_to_any(name)
    scores = detector.score_samples(X)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, detector.training_scores_, atol=1e-7)
    again = DensityOutlierDetector(random_state=0).fit(X)
    np.testing.assert_array_equal(again.score_samples(X), scores)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector)).score_samples(X), scores)


@pytest.mark.parametrize("name", [name for name in ANY if "columns" not in name])
def test_any_table_has_reasons(name):
    row, detector = ANY[name][:1], fitted_to_any(name)
    assert np.isfinite(np.asarray(detector.explain(row), float)).all()
    assert str(detector.reasons(row)).startswith("row 0")


@pytest.mark.parametrize("scale", [1e-310, 1e-160, 1e150])
def test_reasons_of_any_magnitude_are_finite(scale):
    X = scale * np.random.default_rng(0).normal(size=(60, 2))
    effects = DensityOutlierDetector(random_state=0).fit(X).explain(X[:5])
    assert np.isfinite(effects).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_numbers_whose_squares_overflow_are_refused_without_a_warning():
    X = np.random.default_rng(0).normal(size=(60, 2)) * [1e200, 1.0]
    with pytest.raises(InvalidDataError, match="x0 are too large"):
        DensityOutlierDetector().fit(X)


def test_one_row_is_too_few():
    detector = DensityOutlierDetector()
    with pytest.raises(InvalidDataError, match=r"at least 2 rows .* got 1 sample"):
        detector.fit([[1.0, 2.0]])
    with pytest.raises(InvalidDataError, match=r"at least 2 rows .* got 1 sample"):
        detector.fit(table(9), sample_weight=np.eye(9)[0])


@pytest.mark.parametrize("method", ["score_samples", "predict", "explain", "reasons"])
def test_tables_without_rows_are_refused(method):
    with pytest.raises(InvalidDataError, match=r"shape \(0, 5\): it has no rows"):
        getattr(fitted(), method)(table()[:0])


@pytest.mark.parametrize(("X", "what"), [(table()[:0], "rows"), (table()[[]], "columns")])
def test_nothing_cannot_be_learned_from(X, what):
    with pytest.raises(InvalidDataError, match=f"it has no {what}"):
        DensityOutlierDetector().fit(X)


def test_constant_columns_have_the_names_of_the_table_beside_levels_too():
    X = pd.DataFrame({"kind": ["a", "b"] * 30, "fixed": 1.0, "only": "c", "x": RNG.normal(size=60)})
    with pytest.warns(ConstantColumnWarning, match=r"column\(s\) fixed, only hold one value"):
        DensityOutlierDetector(random_state=0).fit(X)


def test_the_score_of_a_row_does_not_depend_on_those_beside_it():
    rows = pd.concat([table(20), table(20, seed=1)], ignore_index=True)
    rows.loc[::7, "y"] = np.nan
    together = fitted().score_samples(rows)
    alone = np.concatenate([fitted().score_samples(rows.iloc[[i]]) for i in range(len(rows))])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(fitted().score_samples(rows[::-1])[::-1], together, atol=1e-6)


def test_equal_rows_have_equal_scores():
    X = pd.concat([table(100), table(100)[:20]], ignore_index=True)
    scores = DensityOutlierDetector(random_state=0).fit(X).training_scores_
    np.testing.assert_allclose(scores[100:], scores[:20], atol=1e-6)


@pytest.mark.parametrize("sign", [-1, 1], ids=["low", "high"])
@pytest.mark.parametrize("column", ["x", "y", "tail", "count"])
def test_a_value_farther_out_is_never_less_strange(column, sign):
    X, rows = table(), table(30, seed=1)
    end = sign * (sign * X[column]).max()
    scores = []
    for distance in (1, 3, 10, 1e3, 1e6, 1e12, 1e100):
        rows[column] = end + sign * distance * X[column].std()
        scores.append(fitted().score_samples(rows))
    assert (np.diff(scores, axis=0) <= 1e-7).all()
    assert (scores[2] < fitted().training_scores_.min()).all()


def test_a_new_level_is_as_strange_as_rows_of_training_can_be():
    rows = table(100, seed=1)
    lowest = np.log(1 / 301)
    rows["kind"] = "new"
    new = fitted().score_samples(rows)
    assert np.median(new) < np.quantile(fitted().training_scores_, 0.02)
    assert np.median(new) > lowest
    rows["kind"], rows["x"] = "a", 1e6
    assert fitted().score_samples(rows).max() < new.min()


def test_a_new_level_and_a_missing_one_that_training_lacks_are_alike():
    rows = table(50, seed=1)
    new, missing = (
        fitted().score_samples(rows.assign(kind=pd.Series([level] * 50, dtype=object)))
        for level in ("new", None)
    )
    np.testing.assert_array_equal(new, missing)


@pytest.mark.parametrize("share", [0.0, 0.05], ids=["complete", "incomplete"])
def test_a_missing_number_is_not_strange(share):
    numbers = ["x", "y", "tail", "count"]

    def with_gaps(X, share, seed):
        gaps = np.random.default_rng(seed).uniform(size=(len(X), 4)) < share
        return X.assign(**X[numbers].mask(gaps))

    training, new = table(300), table(400, seed=1)
    detector = DensityOutlierDetector(random_state=0).fit(with_gaps(training, share, 0))
    incomplete = with_gaps(new, 0.05, 1)
    changed = incomplete[numbers].isna().any(axis=1)
    before, after = (detector.score_samples(X[changed]) for X in (new, incomplete))
    # What is taken away may have been strange.
    assert -0.1 < after.mean() - before.mean() < 0.3


def planted(extra, seed):
    """Training rows, and rows of which some break a rule or are out of range."""
    training, new = table(400, seed), table(300, seed + 50)
    odd = np.arange(300) % 5 == 0
    rng = np.random.default_rng(seed)
    new.loc[odd, "y"] = -new.loc[odd, "y"] + rng.choice([0, 3, -3], size=odd.sum())
    if extra is not None:
        training["extra"], new["extra"] = extra(np.random.default_rng(seed + 100))
    return training, new, odd


def continued(values):
    return values[:400], values[400:]


def in_order(rng, gap):
    return continued(np.cumsum(rng.integers(1, gap + 1, size=700)))


IDENTIFIERS = {
    "an index": lambda rng: continued(np.arange(700)),
    "an index out of order": lambda rng: (rng.permutation(400), rng.permutation(300)),
    "an index with gaps": lambda rng: in_order(rng, 3),
    "an index with many gaps": lambda rng: in_order(rng, 1000),
    "times": lambda rng: continued(pd.date_range("2020", periods=700, freq="h")),
    "text": lambda rng: continued(np.array([f"row {i}" for i in range(700)], dtype=object)),
}


@functools.cache
def fitted_without_identifiers():
    return DensityOutlierDetector(random_state=0).fit(planted(None, 0)[0])


@pytest.mark.parametrize("extra", IDENTIFIERS.values(), ids=IDENTIFIERS)
def test_a_column_that_only_tells_rows_apart_changes_nothing(extra):
    training, new, _ = planted(extra, 0)
    with pytest.warns(IdentifierWarning, match="extra"):
        detector = DensityOutlierDetector(random_state=0).fit(training)
    without = fitted_without_identifiers()
    scores = without.score_samples(new.drop(columns="extra"))
    np.testing.assert_array_equal(detector.score_samples(new), scores)
    effects, expected = detector.explain(new[:4]), without.explain(new[:4].drop(columns="extra"))
    np.testing.assert_array_equal(effects, np.pad(expected, ((0, 0), (0, 1))))
    assert all("extra = " not in line or "typical" not in line for line in told(detector, new[:4]))


def told(detector, X):
    return str(detector.reasons(X, n_columns=None)).splitlines()


@pytest.mark.slow
def test_random_identifiers_hide_little():
    def drawn(rng):
        return continued(rng.integers(10**9, size=700))

    lost = []
    for seed in range(3):
        auc = []
        for extra in (None, drawn):
            training, new, odd = planted(extra, seed)
            detector = DensityOutlierDetector(random_state=0).fit(training)
            auc.append(roc_auc_score(odd, -detector.score_samples(new)))
        lost.append(auc[0] - auc[1])
    assert abs(np.mean(lost)) < 0.03


def test_what_cannot_be_read_is_refused_by_its_column():
    X = table(60)
    with pytest.raises(UnsupportedValueError, match="column tags holds"):
        DensityOutlierDetector().fit(X.assign(tags=[[1]] * 60))
    with pytest.raises(InvalidDataError, match=r"infinity in column\(s\) tail"):
        fitted().score_samples(X.assign(tail=np.inf))
    with pytest.raises(UnsupportedValueError, match="column x holds 'one', a str"):
        fitted().score_samples(X.assign(x="one"))
    with pytest.raises(ValueError, match="order"):
        fitted().score_samples(X[X.columns[::-1]])


def test_a_failed_fit_leaves_the_detector_as_it_was():
    detector, X = DensityOutlierDetector(random_state=0), table(60)
    before = detector.fit(X).score_samples(X)
    with pytest.raises(UnsupportedValueError):
        detector.fit(X.assign(x=[[1]] * 60))
    np.testing.assert_array_equal(detector.score_samples(X), before)


def test_rows_of_weight_zero_are_absent():
    X, weight = table(120), np.repeat([0.0, 1.0, 2.0], 40)
    weighted = DensityOutlierDetector(random_state=0).fit(X, sample_weight=weight)
    kept = DensityOutlierDetector(random_state=0).fit(X[40:], sample_weight=weight[40:])
    np.testing.assert_array_equal(weighted.score_samples(X), kept.score_samples(X))


def test_a_new_level_counts_no_thousands_of_nats_however_even_the_others_are():
    X = pd.DataFrame({name: RNG.choice(["a", "b"], 200) for name in "pqrst"})
    effects = DensityOutlierDetector(random_state=0).fit(X).explain(X[:3].assign(q="new"))
    np.testing.assert_array_equal(effects.argmax(1), 1)
    assert 1 < effects.max() < 50


@pytest.mark.parametrize("given", [[1], [False, True], np.array([1])], ids=str)
def test_default_densities_take_masks_and_positions(given):
    first, neighbours, _, single = default_densities(given)
    for view in (first, neighbours, single):
        np.testing.assert_array_equal(view.categorical_features, given)
    assert isinstance(default_densities([False, False])[0], FlowDensity)


def test_scores_do_not_depend_on_blocks(monkeypatch):
    rows = table(150, seed=1)
    rows.loc[::7, "y"] = np.nan
    expected = fitted().score_samples(rows)
    monkeypatch.setattr(_scores, "_BLOCK", 64)
    for given in (rows, pl.DataFrame({name: rows[name].tolist() for name in rows})):
        np.testing.assert_allclose(fitted().score_samples(given), expected, rtol=1e-9, atol=1e-9)
