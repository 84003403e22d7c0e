"""DifferentiableFunctionTransformer: derivatives that are right, or refused."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from flowkit import DifferentiableFunctionTransformer
from flowkit.exceptions import FlowkitWarning, InvalidParameterError
from flowkit.transforms._jacobians import transform_rows

from .examples import SIGNED, cube_and_line, slope_of_cube_and_line


def test_a_derivative_with_parameters():
    transformer = DifferentiableFunctionTransformer(
        cube_and_line, None, slope_of_cube_and_line, kw_args={"slope": 2.0}
    )
    _, log_det = transform_rows(transformer.fit(SIGNED), SIGNED)
    np.testing.assert_allclose(log_det, np.log(3 * SIGNED**2 + 2).sum(1))
    assert pickle.loads(pickle.dumps(transformer)).derivative is slope_of_cube_and_line
    assert clone(transformer).derivative is slope_of_cube_and_line


def test_a_function_sees_real_numbers_and_keeps_what_is_missing():
    transformer = DifferentiableFunctionTransformer(
        np.reciprocal, np.reciprocal, lambda x: -1 / x**2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = transformer.fit_transform(pd.DataFrame({"a": [1, 2, None], "b": [4, 5, 8]}))
    np.testing.assert_array_equal(Z, [[1.0, 0.25], [0.5, 0.2], [np.nan, 0.125]])
    assert transformer.get_feature_names_out().tolist() == ["a", "b"]
    # An integer has no reciprocal among the integers.
    np.testing.assert_array_equal(transformer.fit_transform([[2]]), [[0.5]])


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.arctan, lambda x: 1 / (1 + x**2)),
        (np.cbrt, lambda x: np.abs(x) ** (-2 / 3) / 3),
        (lambda x: np.where(x < 0, x, 3 * x), lambda x: np.where(x < 0, 1.0, 3.0)),
        (lambda x: np.sinh(x).astype(np.float32), np.cosh),
        (lambda x: -(x**11), lambda x: -11 * x**10),
    ],
    ids=["arctan", "cbrt", "kink", "float32", "power"],
)
def test_a_right_derivative_is_taken_whatever_the_units(function, derivative, scale):
    transformer = DifferentiableFunctionTransformer(function, None, derivative)
    with warnings.catch_warnings():
        # Of overflows far off.
        warnings.simplefilter("ignore", RuntimeWarning)
        transformer.fit(np.concatenate([SIGNED * scale, [[0.0, np.nan]]]))
        transformer.fit(np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (lambda x: np.clip(x, -1, 1), np.ones_like),
        (lambda x: np.where(x < 1, x, 3 * x), np.ones_like),
        (lambda x: np.maximum(x, -1), np.ones_like),
    ],
    ids=["clip", "kink", "maximum"],
)
def test_a_derivative_that_is_right_in_most_rows_is_refused(function, derivative):
    X = np.random.default_rng(0).normal(size=(500, 2))
    with pytest.raises(InvalidParameterError, match=r"not that of func in column\(s\) 0, 1"):
        DifferentiableFunctionTransformer(function, None, derivative).fit(X)


def test_an_inverse_that_does_not_lead_back_is_warned_of():
    transformer = DifferentiableFunctionTransformer(np.exp, np.log1p, np.exp)
    with pytest.warns(FlowkitWarning, match="does not lead back"):
        transformer.fit(SIGNED)
    one_way = DifferentiableFunctionTransformer(np.exp, None, np.exp).fit(SIGNED)
    assert not hasattr(one_way, "inverse_transform")
