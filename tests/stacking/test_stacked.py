"""A stack is a density: its scores, draws, shares and attributes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit import StackedDensity, TableDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.stacking._hold_out import hold_out

from ..table import FLOWS, WRAPPERS
from .examples import members, rows, stack

X = rows()
FITTED = stack(cv=3).fit(X)


def test_scores_are_those_of_the_weighted_mean():
    new = rows(seed=1)
    each = np.column_stack([one.score_samples(new) for one in FITTED.estimators_])
    expected = np.log(np.exp(each) @ FITTED.weights_)
    np.testing.assert_allclose(FITTED.score_samples(new), expected)
    assert FITTED.score(new) == pytest.approx(expected.mean())
    shares = FITTED.responsibilities(new)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_allclose(np.log(shares), each + np.log(FITTED.weights_) - expected[:, None])


def test_integrates_to_one_on_a_line():
    line = rows(d=1)
    given = [*members(), ("flow", FLOWS["default"]())]
    density = stack(given, cv=2).fit(line)
    assert density.weights_.min() > 0
    grid = np.linspace(-60, 80, 40_001)
    values = np.exp(density.score_samples(grid[:, None]))
    assert trapezoid(values, grid) == pytest.approx(1, abs=1e-3)


def test_attributes_tell_members_weights_and_rows_held_out():
    assert list(FITTED.named_estimators_) == ["mixture", "wide", "narrow"]
    assert FITTED.named_estimators_["wide"] is FITTED.estimators_[1]
    assert FITTED.weights_.shape == (3,)
    assert FITTED.weights_.sum() == pytest.approx(1)
    np.testing.assert_array_equal(FITTED.held_out_, np.arange(len(X)))
    assert FITTED.log_densities_.shape == (len(X), 3)


def test_members_are_those_fitted_to_all_rows():
    for (_, given), fitted in zip(members()[1:], FITTED.estimators_[1:], strict=True):
        expected = clone(given).fit(X).score_samples(X)
        np.testing.assert_array_equal(fitted.score_samples(X), expected)


@pytest.mark.parametrize("cv", [0.3, 3])
def test_an_ensemble_is_the_mean_of_its_fits(cv):
    density = stack(members()[1:], cv=cv, ensemble=True).fit(X)
    new = rows(seed=1)
    splits = hold_out(cv, X, np.arange(len(X)), np.random.RandomState(0))
    each = [
        [np.exp(clone(one).fit(X[left]).score_samples(new)) for _, one in members()[1:]]
        for left, _ in splits
    ]
    expected = np.log(density.weights_ @ np.mean(each, axis=0))
    np.testing.assert_allclose(density.score_samples(new), expected)
    again = stack(members()[1:], cv=cv).fit(X)
    np.testing.assert_array_equal(density.weights_, again.weights_)
    assert not density.refitted_.any()
    assert again.refitted_.all()


def test_an_ensemble_draws_scores_copies_and_travels():
    density = stack(members()[1:], cv=3, ensemble=True).fit(pd.DataFrame(X, columns=["a", "b"]))
    assert density.sample(50, random_state=0).shape == (50, 2)
    again = pickle.loads(pickle.dumps(density))
    frame = pd.DataFrame(rows(seed=1), columns=["a", "b"])
    np.testing.assert_array_equal(again.score_samples(frame), density.score_samples(frame))
    for mean in density.estimators_:
        np.testing.assert_array_equal(mean.weights_, [1 / 3] * 3)
        assert list(mean.feature_names_in_) == ["a", "b"]


def test_on_rows_held_out_no_member_is_likelier():
    reached = logsumexp(FITTED.log_densities_ + np.log(FITTED.weights_), axis=1).mean()
    assert reached >= FITTED.log_densities_.mean(0).max()


@pytest.mark.parametrize("options", [{}, {"cv": 5}, {"cv": 5, "ensemble": True}], ids=str)
@pytest.mark.parametrize("load", [load_iris, load_wine, load_diabetes, load_breast_cancer])
def test_on_new_rows_no_member_is_likelier_beyond_noise(load, options):
    table = load(scaled=False) if load is load_diabetes else load()
    values = StandardScaler().fit_transform(table.data[:, :8])
    left, new = train_test_split(values, test_size=0.4, random_state=0)
    density = stack(**options).fit(left)
    together = density.score_samples(new)
    for member in density.estimators_:
        behind = member.score_samples(new) - together
        assert behind.mean() < 2 * behind.std() / np.sqrt(len(new))


def test_what_members_know_of_different_places_adds_up():
    """One knows only the left half of the rows, one only the right."""
    left, right = np.sort(rows(400, d=1), axis=0).reshape(2, -1, 1)
    given = [(name, KernelDensity().fit(part)) for name, part in (("l", left), ("r", right))]
    new = rows(300, d=1, seed=1)
    density = stack(given, cv="prefit").fit(new)
    assert density.score(new) > max(one.score_samples(new).mean() for _, one in given) + 0.5


def test_draws_follow_the_density():
    line = rows(d=1)
    density = stack(cv=3).fit(line)
    drawn = density.sample(4000, random_state=0)
    assert drawn.shape == (4000, 1)
    grid = np.linspace(-60, 80, 20_001)
    cumulative = np.cumsum(np.exp(density.score_samples(grid[:, None]))) * (grid[1] - grid[0])
    test = stats.kstest(drawn.ravel(), lambda x: np.interp(x, grid, cumulative))
    assert test.pvalue > 1e-3


def test_draws_follow_the_weights_in_random_order():
    far = [
        (name, GaussianMixture().fit(rows(d=1) + shift)) for name, shift in (("a", 0), ("b", 1e4))
    ]
    density = stack(far, cv="prefit").fit(np.concatenate([rows(30, d=1), rows(90, d=1) + 1e4]))
    np.testing.assert_allclose(density.weights_, [0.25, 0.75], atol=1e-6)
    of_b = density.sample(2000, random_state=0).ravel() > 5e3
    assert of_b.mean() == pytest.approx(0.75, abs=0.04)
    assert of_b[:1000].mean() == pytest.approx(of_b[1000:].mean(), abs=0.06)


def test_draws_repeat_with_their_seed_and_leave_global_ones():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(FITTED.sample(20, 1), FITTED.sample(20, 1))
    assert not np.array_equal(FITTED.sample(20, 1), FITTED.sample(20, 2))
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    with pytest.raises(InvalidDataError, match="at least 1"):
        FITTED.sample(0)


def test_there_are_draws_where_all_members_have_them():
    class Scores(KernelDensity):
        sample = property()

    assert hasattr(stack(), "sample")
    assert not hasattr(stack([*members(), ("scores", Scores())]), "sample")
    cosine = stack([("cosine", KernelDensity(bandwidth=50, kernel="cosine"))]).fit(X)
    with pytest.raises(InvalidParameterError, match="cannot be sampled"):
        cosine.sample()


def test_a_member_may_be_impossible_somewhere():
    narrow = ("box", KernelDensity(bandwidth=2.0, kernel="tophat"))
    density = stack([*members(), narrow], cv=4).fit(X)
    assert np.isneginf(density.log_densities_[:, 3]).any()
    assert np.isfinite(density.score_samples(X)).all()
    far = np.full((1, 2), 1e3)
    alone = stack([narrow], cv="prefit")
    alone.set_params(box=KernelDensity(bandwidth=50, kernel="tophat").fit(X)).fit(X)
    assert np.isneginf(alone.score_samples(far)).all()
    assert np.isnan(alone.responsibilities(far)).all()


def test_fits_side_by_side_are_the_same():
    given = [("flow", FLOWS["affine_coupling"](random_state=None, max_epochs=1)), *members()]
    serial, parallel = (stack(given, cv=2, n_jobs=n_jobs).fit(X) for n_jobs in (None, 2))
    np.testing.assert_array_equal(parallel.weights_, serial.weights_)
    np.testing.assert_array_equal(parallel.score_samples(X), serial.score_samples(X))


def test_seeds_are_handed_down_and_those_given_stay():
    given = [("own", GaussianMixture(2, random_state=5)), *members()]
    first, again, other = (stack(given, random_state=seed, cv=2).fit(X) for seed in (0, 0, 1))
    seeds = [[one.random_state for one in fit.estimators_[:2]] for fit in (first, again, other)]
    assert seeds[0] == seeds[1] != seeds[2]
    assert {own for own, _ in seeds} == {5}
    assert all(filled is not None for _, filled in seeds)
    np.testing.assert_array_equal(first.score_samples(X), again.score_samples(X))
    unseeded = stack(given, random_state=None, cv=2).fit(X)
    assert [one.random_state for one in unseeded.estimators_[:2]] == [5, None]
    assert given[1][1].random_state is None


def test_weights_of_rows_reach_members_and_the_mean():
    kernels = members()[1:]
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
    density = stack(kernels, cv="prefit")
    fitted = [(name, clone(one).fit(rows(seed=3))) for name, one in kernels]
    weighted = clone(density).set_params(estimators=fitted).fit(X, sample_weight=weight)
    repeated = clone(density).set_params(estimators=fitted).fit(np.repeat(X, weight.astype(int), 0))
    np.testing.assert_allclose(weighted.weights_, repeated.weights_, atol=1e-6)
    full = stack(kernels, cv=5).fit(X, sample_weight=weight)
    expected = clone(kernels[0][1]).fit(X, sample_weight=weight).score_samples(X)
    np.testing.assert_allclose(full.estimators_[0].score_samples(X), expected)
    np.testing.assert_array_equal(full.held_out_, np.flatnonzero(weight))
    with pytest.raises(InvalidParameterError, match="GaussianMixture takes no sample_weight"):
        stack().fit(X, sample_weight=weight)
    with pytest.raises(InvalidDataError, match="zero for all rows"):
        stack(kernels).fit(X, sample_weight=0 * weight)


def test_missing_values_pass_where_all_members_take_them():
    holed = X.copy()
    holed[::7, 1] = np.nan
    flows = [
        (name, FLOWS["normal_prior"](missing="marginalize", max_epochs=1, n_transforms=k))
        for k, name in enumerate("ab")
    ]
    density = stack(flows, cv=2)
    assert density.__sklearn_tags__().input_tags.allow_nan
    assert np.isfinite(density.fit(holed).score_samples(holed)).all()
    mixed = stack([*flows, *members()])
    assert not mixed.__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(ValueError, match="NaN"):
        mixed.fit(holed)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_frames_of_numbers_are_checked_by_name(container):
    frame = container({"a": X[:, 0], "b": X[:, 1]})
    density = stack(cv=3).fit(frame)
    assert list(density.feature_names_in_) == ["a", "b"]
    np.testing.assert_allclose(density.score_samples(frame), FITTED.score_samples(X), rtol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame[["b", "a"]])


def test_tables_stay_tables():
    frame = pd.DataFrame({"size": X[:, 0], "kind": np.where(X[:, 1] > 2, "big", "small")})
    tables = [(f"t{h}", TableDensity(KernelDensity(bandwidth=h), n_draws=8)) for h in (0.3, 1)]
    density = stack(tables, cv=2).fit(frame)
    drawn = density.sample(30, random_state=0)
    assert list(drawn.columns) == ["size", "kind"]
    assert set(drawn["kind"]) == {"big", "small"}
    assert np.isfinite(density.score_samples(drawn)).all()
    levels = frame.iloc[:2].assign(size=0.0, kind=["big", "small"])
    at_zero = np.exp(density.score_samples(levels)).sum()
    each = [np.exp(one.score_samples(levels)).sum() for one in density.estimators_]
    assert at_zero == pytest.approx(density.weights_ @ each)


def test_arrays_of_members_join_frames():
    frame = pd.DataFrame(X, columns=["a", "b"])
    both = [("table", TableDensity(KernelDensity())), ("kernels", KernelDensity())]
    drawn = stack(both, cv=2).fit(frame).sample(50, random_state=0)
    assert list(drawn.columns) == ["a", "b"]
    assert drawn.shape == (50, 2)
    assert not drawn.isna().any(axis=None)


def test_by_default_there_are_four_densities():
    density = StackedDensity(random_state=0)
    names = [name for name, _ in density._given()]
    assert names == ["mixture", "flow", "fractal_flow", "kernel_flow"]
    assert density.estimators is None
    assert all(name in type(density).__doc__ for name in names)
    assert not density.__sklearn_tags__().input_tags.allow_nan


def test_what_is_given_stays_unfitted():
    given = members()
    before = [copy.deepcopy(vars(one)) for _, one in given]
    density = stack(given, cv=2)
    with pytest.raises(NotFittedError):
        density.score_samples(X)
    density.fit(X)
    assert [vars(one) for _, one in given] == before


def test_progress_has_a_step_for_each_fit(capfd):
    stack(cv=3, verbose=1).fit(X)
    assert "12/12" in capfd.readouterr().err


NO_WEIGHTS = dict.fromkeys(
    [
        "check_sample_weights_pandas_series",
        "check_sample_weights_not_an_array",
        "check_sample_weights_list",
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
        "check_sample_weight_equivalence_on_dense_data",
    ],
    "a mixture takes no weights",
)


@parametrize_with_checks(
    [WRAPPERS["stacked"](), stack(members(), cv=3), stack(members()[1:], cv=2, ensemble=True)],
    expected_failed_checks=lambda estimator: (
        NO_WEIGHTS if "mixture" in estimator.get_params() else {}
    ),
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([WRAPPERS["stacked_flow"]()], expected_failed_checks=lambda estimator: {})
def test_scikit_learn_checks_around_a_flow(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_param_validation,
        checks.check_dataframe_column_names_consistency,
        checks.check_inplace_ensure_writeable,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_that_scikit_learn_calls_only_by_hand(check):
    check("StackedDensity", WRAPPERS["stacked"]())
