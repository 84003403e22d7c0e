"""Kinds of columns: the way there and back, volumes against slopes, domains and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowkit.columns import Columns, GreyLevels, StandardisedColumns, UnitRange, WholeNumbers
from flowkit.exceptions import InvalidDataError, InvalidParameterError

rng = np.random.default_rng(0)
REAL = rng.normal(size=(200, 3)) * [1.0, 100.0, 1e-3] + [0.0, 5.0, -7.0]
GREY = rng.integers(0, 256, (50, 3)).astype(np.float64)


def with_gap():
    X = REAL.copy()
    X[::10, 1] = 9_999.0
    return X


def standardised(X, **options):
    defaults = {"dequantize": "auto", "standardize": True, "warns_of_heavy_values": False}
    return StandardisedColumns.of(X, None, None, **{**defaults, **options})


KINDS = {
    "standardised": (lambda: standardised(REAL), REAL),
    "standardised_with_gap": (lambda: standardised(with_gap()), with_gap()),
    "as_they_are": (lambda: standardised(REAL, standardize=False), REAL),
    "grey_levels": (lambda: GreyLevels.of(3, "auto"), GREY),
    "unit_range": (lambda: UnitRange.of(GREY, "auto", grey=True), GREY),
    "unit_range_of_floats": (lambda: UnitRange.of(REAL, None, grey=False), REAL),
    "whole_numbers": (lambda: WholeNumbers.of(3, 255, "discretized_logistic"), GREY),
}
every_kind = pytest.mark.parametrize(("make", "X"), KINDS.values(), ids=KINDS)


@every_kind
def test_rows_come_back(make, X):
    columns = make()
    np.testing.assert_allclose(
        columns.unstandardise(columns.standardise(X)), X, rtol=1e-12, atol=1e-12
    )


@every_kind
def test_volumes_are_the_slopes_of_the_way_back(make, X):
    columns = make()
    Z = columns.standardise(X[:20])
    step = 1e-6
    slopes = (columns.unstandardise(Z + step) - columns.unstandardise(Z - step)) / (2 * step)
    volumes = np.broadcast_to(columns.log_volumes(Z), Z.shape)
    np.testing.assert_allclose(volumes, np.log(slopes), atol=1e-5)
    log_density = np.linspace(-5, 5, 20)
    np.testing.assert_allclose(columns.in_units(log_density, Z), log_density - volumes.sum(1))


@every_kind
def test_noise_of_training_is_that_of_rows_spread_once(make, X):
    columns = make()
    Z = columns.standardise(X)
    once = columns.spread_ties(Z, np.random.RandomState(0)) - Z
    noise = columns.training_noise(0.0, torch.float64, torch.device("cpu"))
    again = noise.add(torch.from_numpy(Z), torch.Generator().manual_seed(0)).numpy() - Z
    largest = columns.dequantization / columns.scale / 2
    for found in (once, again):
        assert (np.abs(found) <= largest + 1e-12).all() or columns.heavy_values
        np.testing.assert_array_equal((found != 0).any(0), (once != 0).any(0))


def test_what_overflows_has_no_density():
    columns = standardised(REAL)
    Z = columns.standardise(REAL[:2])
    assert columns.in_units(np.array([np.nan, 0.0]), Z)[0] == -np.inf


@pytest.mark.parametrize("name", ["grey_levels", "unit_range", "whole_numbers"])
def test_draws_of_images_of_8_bits_are_grey_levels(name):
    columns = KINDS[name][0]()
    drawn = columns.to_domain(np.array([[-3.0, 17.4, 300.0]]))
    np.testing.assert_array_equal(drawn, [[0, 17, 255]])


def test_counts_are_told_from_other_numbers():
    counts = np.random.default_rng(0).poisson(3.0, (60, 2)).astype(float)
    columns = standardised(counts).as_counts(counts)
    np.testing.assert_array_equal(columns.to_domain(np.array([[-1.0, 2.6]])), [[0, 3]])
    other = standardised(counts).as_counts(counts - 1)
    np.testing.assert_array_equal(other.to_domain(np.array([[-1.0, 2.6]])), [[-1.0, 2.6]])


def test_grey_levels_have_no_room_for_normal_noise():
    columns = GreyLevels.of(3, "auto")
    columns.validate(GREY, None, None)
    with pytest.raises(InvalidParameterError, match=r"noise=0.1 would push"):
        columns.validate(GREY, None, 0.1)


def test_whole_numbers_are_validated_by_column():
    columns = WholeNumbers.of(2, 1, "bernoulli")
    columns.validate(np.array([[0.0, 1.0]]), None, None)
    with pytest.raises(InvalidDataError, match=r"column\(s\) b hold others"):
        columns.validate(np.array([[0.0, 0.5]]), np.array(["a", "b"]), None)
    with pytest.raises(InvalidParameterError, match="noise='scott' would leave"):
        columns.validate(np.array([[0.0, 1.0]]), None, "scott")


def test_only_whole_numbers_have_probabilities():
    for name, (make, _) in KINDS.items():
        assert make().continuous == (name != "whole_numbers")
        assert isinstance(make(), Columns)
