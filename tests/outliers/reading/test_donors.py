"""Missing numbers from the row that is most alike."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.outliers.reading._donors import Donors

NUMBERS = np.zeros(3, dtype=bool)


def ruled(n=300, seed=0):
    """Rows whose columns are functions of each other, in very different units."""
    x = np.random.default_rng(seed).normal(size=n)
    return np.column_stack([x, np.exp(5 * x), 1.6e9 - x])


def with_gaps(X, share=0.2, seed=0):
    gaps = np.random.default_rng(seed).uniform(size=X.shape) < share
    # A row keeps something to be compared by.
    gaps[np.arange(len(X)), np.random.default_rng(seed).integers(X.shape[1], size=len(X))] = False
    return np.where(gaps, np.nan, X)


@pytest.mark.parametrize("training", [ruled(), with_gaps(ruled())], ids=["complete", "gaps"])
def test_what_is_lent_goes_together_with_what_is_there(training):
    donors, new = Donors(training, NUMBERS), ruled(200, seed=1)
    completed = donors.complete(with_gaps(new))
    error = np.abs(completed[:, 0] + completed[:, 2] - 1.6e9)
    assert np.median(error[np.isnan(with_gaps(new)[:, 0])]) < 0.1
    ratio = np.log(completed[:, 1]) / 5 - completed[:, 0]
    assert np.median(np.abs(ratio)[np.isnan(with_gaps(new)[:, 1])]) < 0.1


def test_the_rest_is_left_as_it_is():
    donors, X = Donors(ruled(), NUMBERS), with_gaps(ruled(50, seed=1))
    before = X.copy()
    completed, known = donors.complete(X), ~np.isnan(X)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(completed[known], X[known])
    assert donors.complete(ruled()) is not None
    assert np.isfinite(completed).all()


def test_all_comes_from_one_row_of_training():
    X = ruled()
    donors = Donors(X, NUMBERS)
    completed = donors.complete(
        np.column_stack([ruled(30, seed=1)[:, 0], np.full((30, 2), np.nan)])
    )
    for row in completed:
        assert (X[:, 1:] == row[1:]).all(1).any()


def test_rows_are_completed_one_by_one():
    donors, X = Donors(with_gaps(ruled()), NUMBERS), with_gaps(ruled(1200, seed=1))
    together = donors.complete(X)
    for i in (0, 7, 1100):
        np.testing.assert_array_equal(donors.complete(X[[i]]), together[[i]])
    np.testing.assert_array_equal(donors.complete(X[::-1]), together[::-1])


def test_levels_tell_which_row_is_alike():
    rng = np.random.default_rng(0)
    level = rng.integers(3, size=300).astype(float)
    X = np.column_stack([level, 100 * level + rng.normal(size=300), rng.normal(size=300)])
    donors = Donors(X, np.array([True, False, False]))
    rows = np.array([[level, np.nan, 0.3] for level in (0.0, 1.0, 2.0)])
    np.testing.assert_allclose(donors.complete(rows)[:, 1], [0, 100, 200], atol=5)


def test_a_row_without_a_number_gets_the_medians():
    X = ruled()
    completed = Donors(X, NUMBERS).complete(np.full((2, 3), np.nan))
    np.testing.assert_allclose(completed, np.tile(np.median(X, axis=0), (2, 1)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [2, 5, 40])
def test_a_table_without_a_complete_row_is_completed(n):
    X = ruled(n)
    X[np.arange(n), np.arange(n) % 3] = np.nan
    X[0] = ruled(1)
    X[0, 2] = np.nan
    X[1, 2] = 0.0
    assert np.isfinite(Donors(X, NUMBERS).complete(X)).all()
