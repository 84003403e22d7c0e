"""Tables in the Displays of densities."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from flowkit import DensityDisplay, DensityOutlierDetector
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import mixture_table


def _polars(X):
    import polars as pl

    return pl.DataFrame(X.astype({"size": str}).to_dict("list"))


@pytest.mark.parametrize(
    "form", [lambda X: X, _polars, lambda X: X.astype(object).to_numpy()], ids=["pd", "pl", "np"]
)
def test_numeric_columns_of_a_table_are_drawn(form, mixed):
    X = form(mixed)
    by_name = hasattr(X, "columns")
    fitted = mixture_table(bounds={"b" if by_name else 3: (0, None)}).fit(X)
    display = DensityDisplay.from_estimator(
        fitted,
        X,
        features=("a", "k") if by_name else (0, 2),
        grid_resolution=20,
        n_samples=5,
        random_state=0,
    )
    assert np.isfinite(display.log_density).all()
    assert_array_equal(display.xx1, np.rint(display.xx1))
    assert display.data.shape == (80, 2)
    assert display.samples.dtype == float
    # All others are held at values that a row has: the most frequent level, the lower median.
    row = mixed[:1].assign(
        a=display.xx0[3, 4], k=display.xx1[3, 4], size="S", b=np.sort(mixed["b"])[39]
    )
    row["flag"] = mixed["flag"].mode()[0]
    expected = fitted.score_samples(form(row.astype({"size": mixed["size"].dtype})))[0]
    assert_allclose(display.log_density[3, 4], expected, atol=1e-9)


def test_a_search_is_drawn_as_the_table_that_it_found(mixed):
    search = GridSearchCV(mixture_table(), {"n_draws": [32]}, cv=2).fit(mixed)
    options = {"features": ("a", "k"), "grid_resolution": 5, "n_samples": 5, "random_state": 0}
    drawn = [
        DensityDisplay.from_estimator(estimator, mixed, **options).samples
        for estimator in (search, search.best_estimator_)
    ]
    assert_array_equal(*drawn)


@pytest.mark.parametrize("column", ["size", "flag"])
def test_a_category_is_no_axis(column, mixed):
    fitted = mixture_table().fit(mixed)
    for estimator in (fitted, DensityOutlierDetector(mixture_table(), random_state=0).fit(mixed)):
        with pytest.raises(InvalidParameterError, match=f"column {column} is a category.*'a', 'k'"):
            DensityDisplay.from_estimator(estimator, mixed, features=("a", column))
    with pytest.raises(InvalidDataError, match="X has 2 features, TableDensity was fitted on 5"):
        DensityDisplay.from_estimator(fitted, mixed[["a", "size"]])
