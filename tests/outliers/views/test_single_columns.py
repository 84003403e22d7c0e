"""The most isolated value of a row, beside a slow reference that leaves each row out."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.outliers import SingleColumns

K = 3
RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=60),
    "whole": np.round(3 * RNG.normal(size=60)),
    "two values": np.repeat([0.0, 1.0], [55, 5]),
    "heavy tail": RNG.standard_cauchy(size=60) ** 3,
    "two rows": np.array([0.0, 1.0]),
}
over_columns = pytest.mark.parametrize("x", COLUMNS.values(), ids=COLUMNS)


def without_one(x, value):
    same = np.flatnonzero(x == value)
    return np.delete(x, same[:1])


def isolation_of(value, x, row):
    return np.sort(np.abs(without_one(x, row) - value))[:K].mean()


def reference(x, value, row):
    """Log share of training values that are as isolated, and how far it is beyond these."""
    isolation = isolation_of(value, x, row)
    of_training = np.array([isolation_of(one, x, one) for one in x])
    share = (1 + (of_training >= isolation - 1e-12).sum()) / (1 + len(x))
    unit = x.std() / 10
    return np.log(share) - np.log1p(max(isolation - of_training.max(), 0) / unit)


@over_columns
def test_scores_are_shares_of_values_as_isolated(x):
    view = SingleColumns(n_neighbors=K).fit(x[:, None])
    new = np.concatenate([x, x[:20] + 0.3, [x.max() + 100, x.min() - 1e6]])
    expected = [reference(x, value, value) for value in new]
    np.testing.assert_allclose(view.score_samples(new[:, None]), expected, rtol=1e-9)


@over_columns
def test_copies_are_scored_without_the_row_that_they_were_made_from(x):
    view = SingleColumns(n_neighbors=K).fit(x[:, None])
    copies = np.concatenate([x + 0.3, x[::-1]])
    expected = [reference(x, *pair) for pair in zip(copies, np.repeat(x, 2), strict=True)]
    scores = view._score_copies(copies[:, None], x[:, None])
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_the_score_of_a_row_is_that_of_its_strangest_column():
    X = np.column_stack([x for x in COLUMNS.values() if len(x) == 60])
    each = [SingleColumns().fit(x[:, None]).score_samples(x[:, None]) for x in X.T]
    np.testing.assert_array_equal(SingleColumns().fit(X).score_samples(X), np.min(each, axis=0))


def test_values_as_isolated_but_for_rounding_are_as_isolated():
    x = np.arange(50) * 0.1 + 7
    scores = SingleColumns().fit(x[:, None]).score_samples(x[5:-5, None])
    np.testing.assert_allclose(scores, scores[0])
    assert scores[0] == 0


def test_a_level_is_the_more_isolated_the_fewer_rows_have_it():
    codes = np.repeat([0.0, 1.0, 2.0, 3.0], [50, 30, 4, 1])[:, None]
    view = SingleColumns(categorical_features=[0]).fit(codes)
    shares = np.exp(view.score_samples([[0.0], [1.0], [2.0], [3.0], [9.0]]))
    # The row itself counts once more; a new level is as strange as one that a single row has.
    np.testing.assert_allclose(shares, np.array([86, 36, 6, 2, 2]) / 86)


def test_a_gap_is_strange():
    x = np.concatenate([RNG.normal(size=100), RNG.normal(size=100) + 20])
    gap, inside = SingleColumns().fit(x[:, None]).score_samples([[10.0], [20.0]])
    assert gap < np.log(0.01) < inside


@pytest.mark.filterwarnings("error")
def test_the_number_of_neighbours_may_exceed_that_of_rows():
    x = np.array([[0.0], [1.0], [3.0]])
    scores = SingleColumns(n_neighbors=10).fit(x).score_samples([[0.5], [100.0]])
    assert scores[1] < scores[0] <= 0
