"""What columns of a table are taken for: codes, counts, cells and lattices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity
from flowkit.exceptions import HeavyValueWarning
from flowkit.tables._column_lattice import Lattice

from .examples import N, mixture_table


def probabilities(fitted, values, name="x"):
    return np.exp(fitted.score_samples(pd.DataFrame({name: values})))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1], "categorical"),
        ([0.0, 1.0], "categorical"),
        ([-1, 1], "categorical"),
        ([0, 1000], "categorical"),
        ([0, 100, 1000], "categorical"),
        ([1, 2, 99], "categorical"),
        ([0], "integer"),
        ([1, 2], "categorical"),
        ([0, 1, 2], "integer"),
        ([1, 2, 3, 5], "integer"),
        ([10, 20, 30, 40], "integer"),
        ([0.0, 0.5], "categorical"),
        ([0.0, 0.5, 1.0], "continuous"),
    ],
    ids=str,
)
def test_codes_are_told_from_counts(values, kind, rng):
    X = pd.DataFrame({"x": rng.choice(values, N)})
    fitted = mixture_table(KernelDensity(), cells="probability").fit(X)
    assert fitted.kinds_ == [kind]
    if kind == "categorical":
        assert_allclose(probabilities(fitted, values).sum(), 1, atol=0.01)
        assert set(fitted.sample(200, random_state=0)["x"]) <= set(values)
        assert fitted.sample(5)["x"].dtype == X["x"].dtype
        outside = [min(values) - 1, max(values) + 1]
        assert_array_equal(probabilities(fitted, outside), 0)


def test_a_rare_value_far_off_makes_no_codes(rng):
    X = pd.DataFrame({"children": np.append(rng.integers(0, 4, N), 15)})
    assert mixture_table().fit(X).kinds_ == ["integer"]


@pytest.mark.parametrize("step", [2, 1000])
@pytest.mark.parametrize("bounds", [None, "seen"], ids=str)
def test_cells_are_as_wide_as_integers_are_apart(step, bounds, rng):
    values = 3 + step * np.arange(6)
    X = pd.DataFrame({"x": rng.choice(values, N)})
    density = FlowDensity(n_transforms=1, hidden_units=8, max_epochs=3, random_state=0)
    fitted = mixture_table(density, cells="probability", bounds=bounds).fit(X)
    assert fitted.kinds_ == ["integer"]
    assert f"which repeat {step} apart" in fitted.report()
    beyond = step * np.arange(-3, 0)
    lattice = np.concatenate([values[0] + beyond, values, values[-1] - beyond])
    assert_allclose(probabilities(fitted, lattice).sum(), 1, atol=0.01)
    assert_allclose(probabilities(fitted, values), 1 / 6, atol=0.04)
    # What has no probability is not drawn, and the other way round.
    assert_array_equal(probabilities(fitted, values[:-1] + 1), 0)
    drawn = fitted.sample(N, random_state=0)
    assert np.isfinite(fitted.score_samples(drawn)).all()
    assert set(drawn["x"]) <= set(lattice)
    # A density, per unit, is one for the numbers between as well.
    per_unit = mixture_table(density, bounds=bounds).fit(X)
    every = np.arange(lattice[0], lattice[-1] + 1)
    expected = 1 if bounds is None else (5 * step + 1) / (6 * step)
    assert_allclose(probabilities(per_unit, every).sum(), expected, atol=0.1)


@pytest.mark.parametrize("bounds", ["seen", {"month": "seen", "visits": "seen"}], ids=str)
def test_seen_bounds_are_those_of_training(bounds, rng):
    X = pd.DataFrame(
        {"month": rng.integers(1, 13, N), "visits": rng.poisson(1.5, N), "z": rng.normal(size=N)}
    )
    fitted = mixture_table(bounds=bounds).fit(X)
    assert fitted.kinds_ == ["integer", "integer", "continuous"]
    drawn = fitted.sample(5 * N, random_state=0)
    counted = ["month", "visits"]
    assert (drawn[counted].min() == X[counted].min()).all()
    assert (drawn[counted].max() == X[counted].max()).all()
    assert_allclose(drawn["month"].value_counts(normalize=True), 1 / 12, atol=0.03)
    assert fitted.score_samples(X[:1].assign(month=13))[0] == -np.inf
    assert np.isfinite(fitted.score_samples(X[:1].assign(z=9.0))[0])
    # Without, the impossible is possible, so the test can fail.
    assert np.isfinite(mixture_table().fit(X).score_samples(X[:1].assign(month=13))[0])


def test_seen_bounds_of_a_real_column_are_its_own_wish(rng):
    X = pd.DataFrame({"z": rng.uniform(size=N)})
    fitted = mixture_table(bounds={"z": "seen"}).fit(X)
    assert fitted.kinds_ == ["bounded"]
    assert fitted._kinds[0].bounds == (X["z"].min(), X["z"].max())
    for wrong in ({"z": "sen"}, "sen"):
        with pytest.raises(ValueError, match="seen"):
            mixture_table(bounds=wrong).fit(X)


@pytest.mark.parametrize(
    ("unit", "low", "bounds"),
    [
        (0.1, 4.3, None),
        (0.1, 0.0, (0, None)),
        (0.01, -1.0, None),
        (0.5, 0.5, (0.25, None)),
        (0.25, 0.0, (0, 30)),
        (1 / 3, 0.0, None),
    ],
    ids=str,
)
def test_draws_have_the_decimals_of_the_rows(unit, low, bounds, rng):
    k = rng.binomial(40, 0.3, N)
    x = low + unit * k if unit == 1 / 3 else np.round(low + unit * k, 2)
    fitted = mixture_table(bounds={"x": bounds} if bounds else None).fit(
        pd.DataFrame({"x": x, "k": k})
    )
    drawn = fitted.sample(N, random_state=0)["x"].to_numpy()
    places = (drawn - low) / unit
    assert_allclose(places, np.rint(places), atol=1e-6)
    if unit != 1 / 3:
        assert_array_equal(drawn, np.round(drawn, 2))
    assert len(np.unique(drawn)) > 10
    if bounds:
        assert drawn.min() >= bounds[0]
    assert_allclose(drawn.mean(), x.mean(), atol=0.2 * x.std())


def test_draws_of_angles_keep_their_decimals(rng):
    hour = np.rint(rng.normal(23, 3, N)) % 24
    drawn = (
        mixture_table(periods={"h": 24})
        .fit(pd.DataFrame({"h": hour}))
        .sample(N, random_state=0)["h"]
    )
    assert_array_equal(drawn, np.rint(drawn))
    assert drawn.between(0, 23).all()
    assert {22, 23, 0, 1} <= set(drawn)
    # No turn of 24.7 leads back to whole numbers.
    free = (
        mixture_table(periods={"h": 24.7})
        .fit(pd.DataFrame({"h": hour}))
        .sample(N, random_state=0)["h"]
    )
    assert (free != np.rint(free)).any()


def test_draws_off_any_lattice_stay_free(rng):
    X = pd.DataFrame({"z": rng.normal(size=N), "heavy": np.where(rng.random(N) < 0.5, 0, 1)})
    X["heavy"] += np.where(X["heavy"] == 1, rng.normal(size=N), 0.0)
    with pytest.warns(HeavyValueWarning):
        drawn = mixture_table(kinds={"heavy": "continuous"}).fit(X).sample(N, random_state=0)
    assert drawn.nunique().tolist() == [N, N]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lattices_are_found_and_clean(dtype, rng):
    x = (np.round(rng.normal(120, 20, N), 1)).astype(dtype).astype(float)
    lattice = Lattice.of_real(x, 0.1)
    assert_allclose(lattice.distance, 0.1)
    near = lattice.nearest(x + rng.uniform(-0.049, 0.049, N))
    assert_array_equal(near, np.round(x, 1))
    assert_array_equal(lattice.nearest(np.array([-9.0, 9.0]), 0.25, 0.5), [0.3, 0.5])
    assert_array_equal(lattice.nearest(np.array([7.0]), 0.21, 0.24), [0.24])
    assert Lattice.of_real(rng.normal(size=N), 0.0) is None
    assert Lattice.of_whole(np.array([5.0, 8.0, 12.0])).distance == 1
    assert Lattice.of_whole(np.repeat([5.0, 9.0, 17.0], 5)) == Lattice(1.0, 4.0)
