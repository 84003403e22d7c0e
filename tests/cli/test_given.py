"""Text on the command line stands for values that columns have."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity, StackedDensity, TableDensity, save
from flowkit.cli._given import values_given
from flowkit.exceptions import InvalidParameterError, UnknownNameError

from .conftest import call

CODES = ["nan", "1e5", "007", "7", "large"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "flag": rng.random(60) < 0.5,
            "code": rng.choice(CODES, 60),
            "year": rng.choice([2020, 2021, 2022], 60),
            "weight": rng.normal(size=60),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90, 60), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def density(table):
    flow = FlowDensity(n_transforms=0, max_epochs=1)
    return TableDensity(flow, kinds={"year": "categorical"}, random_state=0).fit(table)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("flag=True", True),
        ("flag=false", False),
        ("flag=1", True),
        *((f"code={code}", code) for code in CODES),
        ("year=2021", 2021),
        ("year=2021.0", 2021),
        ("weight=1e-3", 0.001),
        ("day=2024-02-01", "2024-02-01"),
    ],
)
def test_text_is_the_value_that_a_column_has(density, text, value):
    name = text.partition("=")[0]
    given = values_given([text], density)
    assert given == {name: value}
    assert type(given[name]) is type(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("flag=yes", "True"),
        ("code=larg", "'large'"),
        ("code=1e05", "no level"),
        ("year=nan", "2020"),
        ("year=2023", "Did you mean 202"),
        ("weight=nan", "leave the column out"),
        ("weight=inf", "finite"),
        ("weight=heavy", "numbers"),
        ("weight=", "numbers"),
        ("day=NaT", "2024-12-31"),
        ("day=20240201", "2024-12-31"),
        ("day=2024-02-30", "no such day"),
    ],
)
def test_what_no_row_can_have_is_told(density, text, told):
    with pytest.raises(InvalidParameterError, match=told) as error:
        values_given([text], density)
    assert f"--given {text}" in str(error.value)


def test_a_column_has_a_name_and_one_value(density):
    with pytest.raises(UnknownNameError, match=r"--given.*'weight'"):
        values_given(["wieght=1"], density)
    with pytest.raises(InvalidParameterError, match="'year' twice"):
        values_given(["year=2020", "year=2021"], density)


def test_something_is_left_to_draw(density):
    every = ["flag=1", "code=7", "year=2020", "weight=1", "day=2024-02-01"]
    with pytest.raises(InvalidParameterError, match="--given names all columns"):
        values_given(every, density)


def test_levels_that_look_alike_are_not_guessed():
    table = pd.DataFrame({"a": ["1", 1, "b"] * 20, "b": np.arange(60) / 7})
    density = TableDensity(GaussianMixture(), random_state=0).fit(table)
    with pytest.raises(InvalidParameterError, match="may mean any of"):
        values_given(["a=1"], density)


def test_columns_without_names_are_called_as_in_the_draws():
    X = np.random.default_rng(0).normal(size=(40, 3))
    assert values_given(["x2=0.5"], FlowDensity(max_epochs=1).fit(X)) == {2: 0.5}


def test_names_may_hold_what_separates():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["n", "n=1", "x"])
    density = TableDensity(GaussianMixture(), random_state=0).fit(table)
    assert values_given(["n=1=2", "n=3"], density) == {"n=1": 2.0, "n": 3.0}


def test_a_stack_of_tables_has_their_levels(table, density):
    stack = StackedDensity([("a", density)], cv="prefit").fit(table)
    assert values_given(["flag=True"], stack) == {"flag": True}


def test_densities_of_whole_rows_take_none():
    with pytest.raises(InvalidParameterError, match="leave out --given"):
        values_given(["x0=1"], GaussianMixture().fit(np.arange(9.0)[:, None]))


def test_draws_have_what_is_given(density, tmp_path):
    save(density, tmp_path / "table.flow")
    given = ["flag=False", "code=nan", "year=2021", "day=2024-02-01"]
    done = call("sample", tmp_path / "table.flow", "-n", 3, "--given", *given)
    assert done.status == 0, done.err
    drawn = pd.read_csv(io.StringIO(done.out), keep_default_na=False)
    assert set(drawn["flag"]) == {False}
    assert set(drawn["code"]) == {"nan"}
    assert set(drawn["year"]) == {2021}
    assert drawn["day"].str.startswith("2024-02-01").all()
    assert drawn["weight"].nunique() == 3
    done = call("sample", tmp_path / "table.flow", "--given", "weight=nan")
    assert done.status == 2
