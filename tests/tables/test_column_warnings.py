"""Columns that have no density or no levels are warned of."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity, TableDensity
from flowkit.exceptions import HeavyValueWarning, RareLevelsWarning

from .examples import N, mixture_table


def _atoms(share, rest):
    def build(rng):
        return np.where(rng.random(N) < share, 0.0, rest(rng))

    return build


CONTINUOUS, INTEGER = ({"kinds": {"amount": kind}} for kind in ("continuous", "integer"))
NO_DENSITY = {
    "zeros": (
        _atoms(0.6, lambda rng: 10 + rng.lognormal(3, 0.3, N)),
        {"bounds": {"amount": (0, None)}, "kinds": {"amount": "bounded"}},
        "0 in 6[0-9]%",
    ),
    "unbounded": (_atoms(0.3, lambda rng: rng.normal(50, 9, N)), CONTINUOUS, "0 in 2[0-9]%|0 in 3"),
    "cents": (_atoms(0.5, lambda rng: rng.integers(100, 90000, N)), INTEGER, "0 in "),
    "calm": (_atoms(0.3, lambda rng: rng.uniform(1, 360, N)), {"periods": {"amount": 360}}, "0 in"),
    "both ends": (
        lambda rng: np.clip(rng.normal(0.5, 0.4, N), 0, 1),
        {"bounds": {"amount": (0, 1)}, "kinds": {"amount": "bounded"}},
        "0 in .* and 1 in",
    ),
}


@pytest.mark.parametrize(("build", "declared", "words"), NO_DENSITY.values(), ids=NO_DENSITY)
def test_a_point_mass_is_named_with_its_share(build, declared, words, rng):
    X = pd.DataFrame({"z": rng.normal(size=N), "amount": build(rng)})
    with pytest.warns(
        HeavyValueWarning, match=f"(?s)column amount holds ({words}).*'spiked'"
    ) as record:
        mixture_table(**declared).fit(X)
    assert len(record) == 1


@pytest.mark.parametrize(
    "density",
    [FlowDensity(max_epochs=1, n_transforms=1), TableDensity(GaussianMixture())],
    ids=["flow", "table"],
)
def test_a_small_point_mass_is_named_whatever_the_density(density):
    X = pd.DataFrame({"amount": np.random.default_rng(0).normal(size=1000)})
    X.loc[:29, "amount"] = 0.0
    with pytest.warns(HeavyValueWarning, match=r"column amount holds 0 in 3\.0% of the rows"):
        clone(density).fit(X)


@pytest.mark.parametrize(
    "values",
    [
        lambda rng: rng.poisson(0.05, N),
        lambda rng: np.round(rng.gamma(1, 1, N), 1),
        lambda rng: np.round(rng.normal(0, 0.3, N), 1),
        lambda rng: np.where(rng.random(N) < 0.7, 0, rng.integers(1, 30, N)),
        lambda rng: rng.choice(["a", "b", "c"], N),
        lambda rng: rng.choice([f"c{i}" for i in range(60)], N),
        lambda rng: rng.integers(10000, 10050, N).astype(str),
        lambda rng: rng.choice(["1", "2", "3", "n/a"], N),
        lambda rng: rng.normal(size=N),
        _atoms(0.3, lambda rng: rng.normal(50, 9, N)),
    ],
    ids=[
        "counts",
        "tenths",
        "peak",
        "zero-inflated counts",
        "text",
        "cities",
        "zip",
        "grades",
        "real",
        "spiked",
    ],
)
def test_sound_columns_are_not_warned_of(values, rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture_table(KernelDensity()).fit(pd.DataFrame({"x": values(rng)}))


def _numbers_beside(text):
    def build(rng):
        x = np.round(rng.normal(size=N), 2).astype(object)
        x[::9] = text
        return x

    return build


RARE = {
    "identifiers": (lambda rng: [f"u{i}" for i in range(N)], "1000 levels.*100% of new.*Drop"),
    "names": (lambda rng: [f"n{i}" for i in rng.integers(0, 900, N)], "% of new.*Drop"),
    "objects": (_numbers_beside("n/a"), "beside 'n/a'.*to_numeric"),
    "texts": (lambda rng: _numbers_beside("?")(rng).astype(str), "beside '[?]'.*to_numeric"),
    "only numbers": (lambda rng: rng.normal(size=N).astype(str), "as text, and.*to_numeric"),
}


@pytest.mark.parametrize(("build", "words"), RARE.values(), ids=RARE)
@pytest.mark.parametrize("as_category", [False, True])
def test_levels_that_are_none_are_named(build, words, as_category, rng):
    values = pd.Series(build(rng))
    X = pd.DataFrame({"x": values.astype(str).astype("category") if as_category else values})
    with pytest.warns(RareLevelsWarning, match=f"column x h.*{words}") as record:
        mixture_table(KernelDensity()).fit(X)
    assert len(record) == 1
