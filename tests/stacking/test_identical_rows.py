"""Copies of a row are on one side of a hold-out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit.stacking._hold_out import hold_out
from flowkit.stacking._identical_rows import labels_of_copies

from .examples import rows, stack

X = rows(120, d=3)
N_COPIES = np.random.default_rng(0).integers(1, 6, len(X))
COPIED = np.repeat(X, N_COPIES, axis=0)
ROW = np.repeat(np.arange(len(X)), N_COPIES)
EVERY = np.arange(len(COPIED))
CONTAINERS = {
    "array": np.asarray,
    "objects": lambda values: np.column_stack(
        [values.astype(object), np.full(len(values), "level", dtype=object)]
    ),
    "pandas": lambda values: pd.DataFrame(values).assign(level="level", whole=1),
    "polars": lambda values: pl.DataFrame(values, schema=["a", "b", "c"]),
}
every_container = pytest.mark.parametrize("contain", CONTAINERS.values(), ids=CONTAINERS)


def same_partition(labels, others):
    return (
        len(np.unique(labels))
        == len(np.unique(others))
        == len(set(zip(labels, others, strict=True)))
    )


@every_container
@pytest.mark.parametrize("cv", [0.2, 1e-9, 1 - 1e-9, 2, 5, None, 50, len(COPIED)], ids=str)
def test_copies_are_on_one_side(contain, cv):
    splits = hold_out(cv, contain(COPIED), EVERY, np.random.RandomState(0))
    for training, held_out in splits:
        assert training.size
        assert held_out.size
        assert not np.isin(ROW[held_out], ROW[training]).any()
        np.testing.assert_array_equal(np.sort(np.append(training, held_out)), EVERY)
    if not isinstance(cv, float):
        held = np.sort(np.concatenate([held_out for _, held_out in splits]))
        np.testing.assert_array_equal(held, EVERY)
        assert len(splits) == min(cv or 5, len(splits))


@pytest.mark.parametrize("cv", [0.2, 5])
def test_parts_are_as_large_as_copies_allow(cv):
    for _, held_out in hold_out(cv, COPIED, EVERY, np.random.RandomState(0)):
        assert abs(len(held_out) - len(EVERY) / 5) <= N_COPIES.max()


@every_container
def test_copies_have_one_label(contain):
    order = np.random.default_rng(0).permutation(EVERY)
    assert same_partition(labels_of_copies(contain(COPIED[order]), EVERY), ROW[order])
    kept = EVERY[::2]
    assert same_partition(labels_of_copies(contain(COPIED), kept), ROW[kept])


def test_zeros_of_either_sign_and_missing_values_are_the_same():
    values = np.concatenate([X, [[0.0, 0.5, np.nan], [-0.0, 0.5, np.nan], [0.0, 0.5, 1.0]]])
    labels = labels_of_copies(values, np.arange(len(values)))
    assert labels[-3] == labels[-2] != labels[-1]
    assert len(np.unique(labels)) == len(values) - 1


@pytest.mark.parametrize(
    "table",
    [
        np.random.default_rng(0).integers(0, 5, (200, 2)).astype(float),
        pd.DataFrame({"level": ["a", "b", "c", "d"] * 50, "whole": [1.0, 2.0, 3.0, 4.0] * 50}),
        np.r_[np.full((60, 1), 0.5), np.random.default_rng(0).normal(size=(140, 1))],
    ],
    ids=["whole", "levels", "atom"],
)
def test_values_that_coincide_by_themselves_are_no_copies(table):
    np.testing.assert_array_equal(labels_of_copies(table, np.arange(200)), np.arange(200))


@pytest.mark.parametrize("options", [{}, {"cv": 5}, {"cv": 600}], ids=str)
def test_kernels_gain_nothing_from_copies(options):
    given = [("kernels", KernelDensity(bandwidth=1e-3)), ("gaussian", GaussianMixture(1))]
    values = np.repeat(np.random.default_rng(0).normal(size=(120, 3)), 5, axis=0)
    if options.get("cv") == 600:
        given[1] = ("wide", KernelDensity())
    density = stack(given, **options).fit(values)
    assert density.weights_[0] < 1e-3
