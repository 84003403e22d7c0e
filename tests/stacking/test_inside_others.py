"""Stacks inside detectors, tables, transformed densities, stacks and displays."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.integrate import trapezoid
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from flowkit import (
    DensityDisplay,
    DensityOutlierDetector,
    TableDensity,
    TrainingCurveDisplay,
    TransformedDensity,
)
from flowkit.nested import find, score_copies

from ..table import FLOWS
from .examples import members, rows, stack

X = rows(100)


def test_a_stack_of_one_is_that_one():
    alone = KernelDensity(bandwidth=0.5).fit(X)
    density = stack([("kernels", KernelDensity(bandwidth=0.5))], cv=2).fit(X)
    np.testing.assert_allclose(density.score_samples(X), alone.score_samples(X))


def test_a_detector_finds_and_explains_outliers():
    detector = DensityOutlierDetector(stack(cv=2, random_state=None), random_state=0).fit(X)
    far = np.array([[0.0, 300.0]])
    assert detector.predict(far) == -1
    assert detector.explain(far).argmax() == 1


def test_explained_training_rows_leave_out_their_own_kernels():
    kernels = [(f"k{h}", KernelDensity(bandwidth=h)) for h in (0.3, 1.0)]
    density = stack(kernels, cv=2).fit(X)
    left_out = score_copies(density, X[:5], X[:5])
    each = np.column_stack([score_copies(one, X[:5], X[:5]) for one in density.estimators_])
    np.testing.assert_allclose(left_out, np.log(np.exp(each) @ density.weights_))
    assert (left_out < density.score_samples(X[:5])).all()


@pytest.mark.parametrize(
    "hold",
    [lambda d: TransformedDensity(StandardScaler(), d), TableDensity, lambda d: stack([("d", d)])],
    ids=["transformed", "table", "stack"],
)
def test_other_wrappers_hold_a_stack(hold):
    line = rows(100, d=1)
    density = hold(stack(cv=2)).fit(line)
    grid = np.linspace(-80, 100, 4001)
    values = np.exp(density.score_samples(grid[:, None]))
    assert trapezoid(values, grid) == pytest.approx(1, abs=2e-3)
    assert density.sample(5, random_state=0).shape == (5, 1)
    assert find(density, "means_").estimator.means_.shape == (2, 1)


def test_displays_draw_a_stack_and_its_members():
    given = [*members(), ("flow", FLOWS["affine_coupling"](max_epochs=2))]
    density = stack(given, cv=2).fit(X)
    display = DensityDisplay.from_estimator(
        density, X, n_samples=5, random_state=0, grid_resolution=4
    )
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    np.testing.assert_allclose(display.log_density.ravel(), density.score_samples(grid))
    curve = TrainingCurveDisplay.from_estimator(density)
    assert curve.figure_ is not display.figure_
    plt.close("all")
