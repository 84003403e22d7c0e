"""Marginals are densities of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import get_tags

from flowkit import FlowDensity, TableDensity, TransformedDensity

from ..missing.examples import correlated
from .examples import QUICK

X = correlated(60)


def test_a_marginal_of_a_marginal_takes_what_the_marginal_takes():
    holes = X.copy()
    holes[::3, 0] = np.nan
    density = FlowDensity(n_transforms=0, missing="marginalize", **QUICK).fit(holes)
    pair = density.marginal([0, 1])
    assert get_tags(pair).input_tags.allow_nan
    one = pair.marginal([0])
    np.testing.assert_array_equal(one.score_samples([[np.nan]]), [0.0])
    rows = np.array([[0.3, np.nan]])
    np.testing.assert_allclose(pair.score_samples(rows), one.score_samples(rows[:, :1]))


@pytest.mark.parametrize("train", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "around",
    [
        lambda density: density,
        lambda density: TransformedDensity("passthrough", density),
        lambda density: TableDensity(density, random_state=0),
    ],
    ids=["bare", "transformed", "table"],
)
def test_marginals_stay_when_their_density_goes_on(around, train):
    density = around(FlowDensity(n_transforms=0, n_components=1, **QUICK)).fit(X)
    marginal = density.marginal([1])
    before = marginal.score_samples(X[:, [1]])
    getattr(density, train)(2 * X + 1)
    np.testing.assert_array_equal(marginal.score_samples(X[:, [1]]), before)
    assert not np.allclose(density.marginal([1]).score_samples(X[:, [1]]), before)


@pytest.mark.parametrize("labels", [["a", "net weight"], [1, 0], [("a", 1), ("a", 2)]], ids=str)
def test_a_marginal_is_shown_by_the_names_of_its_columns(labels):
    frame = pd.DataFrame(X[:, :2])
    frame.columns = pd.Index(labels, tupleize_cols=False)
    density = FlowDensity(n_transforms=0, **QUICK).fit(frame)
    marginal = density.marginal([labels[1]])
    assert f"columns=[{labels[1]!r}]" in repr(marginal)
    again = density.marginal(labels[::-1]).marginal([labels[1]])
    assert repr(again).startswith(f"MarginalDensity(columns=[{labels[1]!r}]")
    rows = frame[[labels[1]]]
    np.testing.assert_allclose(again.score_samples(rows), marginal.score_samples(rows))
    assert density.marginal(labels).n_features_in_ == 2
    assert "columns=[1]" in repr(FlowDensity(n_transforms=0, **QUICK).fit(X).marginal([1]))
