"""Draws neither copy rows nor come near them, where they must not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.neighbors import KernelDensity

from flowkit.exceptions import InvalidDataError, InvalidParameterError, UnmetConstraintsError

from .examples import mixture_table

N = 60


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], N),
            "children": rng.integers(0, 4, N),
            "hour": rng.uniform(0, 24, N),
            "height": rng.normal(170, 9, N),
        }
    )


@pytest.fixture(scope="module")
def follower(people):
    """A density that follows single rows."""
    density = KernelDensity(bandwidth=0.02)
    return mixture_table(density, periods={"hour": 24}, bounds={"children": "seen"}).fit(people)


def distances(drawn, rows):
    """Gower's distance of each draw from each row, one by one."""
    total = np.zeros((len(drawn), len(rows)))
    n_known = np.zeros(len(rows))
    for name in rows:
        x, y = drawn[name].to_numpy()[:, None], rows[name].to_numpy()
        known = rows[name].notna().to_numpy()
        if name == "sex":
            part = (x != y).astype(float)
        elif name == "hour":
            gap = np.abs(x - y) % 24
            part = np.minimum(gap, 24 - gap) / 12
        else:
            part = np.abs(x - y) / np.ptp(y[known])
        total += np.where(known, part.astype(float), 0.0)
        n_known += known
    return total / n_known


def _with_holes(people):
    rows = people.copy()
    rows.loc[:9, "height"] = np.nan
    rows.loc[5:20, "sex"] = None
    return rows


ROWS = {"all": lambda people: people, "few": lambda people: people[:20], "holes": _with_holes}


@pytest.mark.parametrize("min_distance", [0.002, 0.05])
@pytest.mark.parametrize("name", ROWS)
def test_draws_are_farther_from_all_rows(people, follower, name, min_distance):
    rows = ROWS[name](people)
    options = {"random_state": 0, "apart_from": rows, "min_distance": min_distance}
    drawn, acceptance = follower.sample(100, **options, return_acceptance=True)
    free = distances(follower.sample(3000, random_state=1), rows).min(1)
    assert distances(drawn, rows).min() > min_distance
    assert free.min() < min_distance
    assert acceptance == pytest.approx(np.mean(free > min_distance), abs=0.1)


def test_copies_are_left_out_and_nothing_else(rng):
    X = pd.DataFrame({"a": rng.choice(["u", "v"], 200), "b": rng.choice(["x", "y", "z"], 200)})
    rows = X[~((X["a"] == "v") & (X["b"] == "z"))]
    fitted = mixture_table().fit(X)
    drawn = fitted.sample(50, random_state=0, apart_from=rows)
    assert_array_equal(drawn.drop_duplicates().to_numpy(), [["v", "z"]])
    with pytest.raises(UnmetConstraintsError, match=r"min_distance=0 by 0.00%.*lower min_distance"):
        fitted.sample(5, random_state=0, apart_from=X)


def test_angles_are_near_each_other_across_the_turn(people, follower):
    rows = pd.concat([people[:1].assign(hour=23.9), people[1:2].assign(height=100.0)])
    (apart,) = follower._distance_from(rows, 0.01)
    across, beside = people[:1].assign(hour=0.1), people[:1].assign(hour=23.0)
    assert not apart(across)[0]
    assert apart(beside)[0]


@pytest.mark.parametrize(
    "also", [{"constraints": "height > 170"}, {"given": {"sex": "f"}}], ids=str
)
def test_distance_goes_with_constraints_and_values_given(people, follower, also):
    options = {"random_state": 0, "apart_from": people, "min_distance": 0.004}
    drawn = follower.sample(40, **options, **also)
    assert distances(drawn, people).min() > 0.004
    if "given" in also:
        assert set(drawn["sex"]) == {"f"}
    else:
        assert drawn["height"].min() > 170


def test_distances_that_say_nothing_are_refused(people, follower):
    for wrong in (-0.1, 1, np.nan, "near", True, None):
        with pytest.raises(InvalidDataError, match="min_distance must be a number from 0 up to 1"):
            follower.sample(3, apart_from=people, min_distance=wrong)
    with pytest.raises(InvalidParameterError, match="give them, such as those of training"):
        follower.sample(3, min_distance=0.1)
    with pytest.raises(InvalidDataError):
        follower.sample(3, apart_from=people[["sex"]])
