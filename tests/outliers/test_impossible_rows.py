"""Rows of no density: exactly the columns that must change are at fault."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import PowerTransformer

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity, TransformedDensity
from flowkit.outliers._repairs import Repairs

from .examples import SMALL, Known, rows

COMPACT = {
    "tophat": KernelDensity(kernel="tophat", bandwidth=1.2),
    "epanechnikov": KernelDensity(kernel="epanechnikov", bandwidth=1.2),
}


def possible(detector, X):
    return X[np.isfinite(detector.score_samples(X))]


def at_fault(effects):
    return np.isposinf(np.asarray(effects))


@pytest.mark.parametrize("n_moved", [1, 2, 3])
@pytest.mark.parametrize("kernel", COMPACT)
def test_exactly_the_columns_that_were_moved_are_at_fault(kernel, n_moved):
    detector = DensityOutlierDetector(COMPACT[kernel]).fit(rows(300, 4))
    given = possible(detector, rows(60, 4, seed=1))
    assert len(given) > 20
    rng = np.random.default_rng(2)
    moved = rng.random(given.shape).argsort(1) < n_moved
    strange = np.where(moved, given + rng.choice([-50.0, 50.0], given.shape), given)
    assert np.isneginf(detector.score_samples(strange)).all()
    effects = detector.explain(strange)
    np.testing.assert_array_equal(at_fault(effects), moved)
    assert not np.isnan(effects).any()
    assert not at_fault(detector.explain(given)).any()


@pytest.mark.parametrize("kernel", COMPACT)
def test_training_rows_are_at_fault_as_new_ones(kernel):
    odd = np.array([[0.0, 60.0, 0.0, -60.0]])
    held_out = DensityOutlierDetector(COMPACT[kernel]).fit(rows(300, 4))
    seen = DensityOutlierDetector(COMPACT[kernel]).fit(np.vstack([rows(300, 4), odd]))
    assert np.isfinite(seen.score_samples(odd)).all()
    for detector in (held_out, seen):
        np.testing.assert_array_equal(detector.explain(odd).argsort(1)[0, 2:], [1, 3])
        np.testing.assert_array_equal(at_fault(detector.explain(odd)), [[0, 1, 0, 1]])


def test_other_columns_are_judged_as_if_those_at_fault_were_replaced():
    def log_density(X):
        inside = ((X[:, :2] > 0) & (X[:, :2] < 1)).all(1)
        return np.where(inside, stats.norm.logpdf(X[:, 2]), -np.inf)

    X = np.column_stack([np.random.default_rng(0).random((500, 2)), rows(500, 1)])
    detector = DensityOutlierDetector(Known(log_density)).fit(X)
    for a, b in ((5.0, 5.0), (5.0, 0.5), (-3.0, 9.0)):
        effects = detector.explain([[a, b, 3.0]])[0]
        assert effects[2] == pytest.approx(4.0, abs=1e-4)
        np.testing.assert_array_equal(at_fault(effects), [True, not 0 < b < 1, False])


def test_each_of_two_values_that_exclude_each_other_is_at_fault():
    def log_density(X):
        return np.where(X[:, 0] * X[:, 1] >= 0, stats.norm.logpdf(X).sum(1), -np.inf)

    X = rows(500, 3)
    X[:, 1] = np.abs(X[:, 1]) * np.sign(X[:, 0])
    effects = DensityOutlierDetector(Known(log_density)).fit(X).explain([[1.0, -1.0, 2.0]])
    np.testing.assert_array_equal(at_fault(effects), [[True, True, False]])
    assert effects[0, 2] == pytest.approx(1.5, abs=1e-4)


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    kind, colour = rng.choice(["cat", "dog"], n), rng.choice(["red", "blue", "grey"], n)
    size = rng.normal(size=n) + 3 * (kind == "dog")
    return pd.DataFrame({"kind": kind, "size": size, "colour": colour, "share": rng.random(n)})


STRANGE = {
    "unseen levels": {"kind": "emu", "colour": "green"},
    "out of bounds": {"size": 500.0, "share": 1.5},
    "both": {"kind": "emu", "share": -0.5},
    "three": {"kind": "emu", "colour": "green", "share": 1.5},
    "one": {"colour": "green"},
}


@pytest.mark.parametrize("form", ["text", "categories", "array"])
@pytest.mark.parametrize(
    ("strange", "missing"),
    [
        (name, missing)
        for name, changes in STRANGE.items()
        for missing in (None, "size", "colour")
        if changes.keys() != {missing}
    ],
)
def test_values_that_a_table_excludes_are_at_fault(strange, form, missing):
    changes = {name: value for name, value in STRANGE[strange].items() if name != missing}
    density = TableDensity(
        FlowDensity(**SMALL, n_components=1, missing="marginalize"),
        bounds={"size": (-50, 50), "share": (0, 1)},
        n_draws=16,
        random_state=0,
    )
    X, row = table(), table(3, seed=1).assign(**changes)
    if missing is not None:
        row[missing] = None if missing == "colour" else np.nan
    if form == "categories":
        levels = {name: X[name].astype("category").dtype for name in ("kind", "colour")}
        X = X.astype(levels)
        row = row.astype(dict.fromkeys(levels, "category"))
    if form == "array":
        # Positions stand for names.
        density.set_params(bounds={1: (-50, 50), 3: (0, 1)})
        X, row = X.to_numpy(dtype=object), row.to_numpy(dtype=object)
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    assert np.isneginf(detector.score_samples(row)).all()
    effects = detector.explain(row)
    expected = [name in changes for name in table(1).columns]
    np.testing.assert_array_equal(at_fault(effects), [expected] * 3)
    if missing is not None:
        assert (effects[:, list(table(1).columns).index(missing)] == 0).all()


def test_values_outside_the_domain_of_a_transformer_are_at_fault():
    X = np.exp(rows(200, 4))
    density = TransformedDensity(PowerTransformer("box-cox"), GaussianMixture())
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    new = np.array([[-1.0, 1, -2, 1], [1, 1, 1, 1], [1, -3, 1, 1], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(at_fault(detector.explain(new)), new < 0)


def test_impossible_rows_are_explained_alike_alone_and_among_others():
    detector = DensityOutlierDetector(COMPACT["tophat"]).fit(rows(300, 4))
    new = 3 * rows(30, 4, seed=1)
    together = detector.explain(new)
    assert 0 < at_fault(together).any(1).sum() < 30
    alone = np.vstack([detector.explain(row[None]) for row in new])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-7)


def test_rows_that_nothing_makes_possible_have_no_effects():
    X = rows()
    only_complete = Known(lambda X: np.where(np.isnan(X).any(1), -np.inf, 0.0))
    detector = DensityOutlierDetector(only_complete).fit(X)
    row = np.array([[np.nan, 1.0, 50.0]])
    np.testing.assert_array_equal(detector.explain(row), 0.0)


def test_no_smaller_set_of_values_is_enough():
    """Neighbouring columns must hold pairs of values that training rows hold."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, size=(25, 5)).astype(float)
    pairs = [set(zip(X[:, j], X[:, j + 1], strict=True)) for j in range(4)]

    def log_density(copies, _=None):
        seen = [all((row[j], row[j + 1]) in pairs[j] for j in range(4)) for row in copies]
        return np.where(seen, 0.0, -np.inf)

    new = rng.integers(0, 4, size=(200, 5)).astype(float)
    new = new[np.isneginf(log_density(new))]
    repaired, replaced = Repairs.of(X)(new, log_density)
    assert (log_density(repaired) == 0).all()
    np.testing.assert_array_equal(repaired[~replaced], new[~replaced])
    for row, better, columns in zip(new, repaired, replaced, strict=True):
        for j in np.flatnonzero(columns):
            back = better.copy()
            back[j] = row[j]
            assert np.isneginf(log_density(back[None]))
    assert replaced.sum(1).mean() < 3
