"""Names and parameters of members, and members that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector, StackedDensity, TableDensity, TransformedDensity
from flowkit.exceptions import ConstraintError, InvalidParameterError, UnknownNameError

from .examples import members, rows, stack

X = rows()
PIPELINE = make_pipeline(StandardScaler(), KernelDensity())


def test_parameters_reach_members_by_name():
    density = stack(cv=2).set_params(wide__bandwidth=5.0, mixture=KernelDensity(), cv=3)
    assert density.get_params()["wide__bandwidth"] == 5.0
    assert type(density.get_params()["mixture"]) is KernelDensity
    assert density.cv == 3
    again = clone(density)
    assert again.get_params()["wide__bandwidth"] == 5.0
    assert again.estimators[1][1] is not density.estimators[1][1]
    assert density.fit(X).named_estimators_["wide"].bandwidth == 5.0


def test_members_can_be_dropped_and_come_back():
    density = stack(cv=2).fit(X)
    expected = density.score_samples(X)
    density.set_params(mixture="drop").fit(X)
    assert density.named_estimators_["mixture"] == "drop"
    assert len(density.estimators_) == len(density.weights_) == density.log_densities_.shape[1] == 2
    density.set_params(mixture=members()[0][1]).fit(X)
    np.testing.assert_array_equal(density.score_samples(X), expected)


def test_unknown_names_are_told():
    with pytest.raises(UnknownNameError, match="Did you mean 'narrow'"):
        stack().set_params(narow__bandwidth=1.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'estimators'"):
        stack().set_params(estimator=[])
    with pytest.raises(UnknownNameError, match="as wide is 'drop' and has no parameters"):
        stack().set_params(wide="drop", wide__bandwidth=1.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'flow'"):
        StackedDensity().set_params(flows__max_epochs=3)


def test_default_members_are_reached_by_name():
    density = StackedDensity(cv=2, random_state=0)
    assert density.get_params()["flow__max_epochs"] == density.get_params()["flow"].max_epochs
    assert density.get_params(deep=False)["estimators"] is density.estimators is None
    assert set(density.get_params(deep=False)) <= set(density.get_params())
    assert clone(density).estimators is None
    density.set_params(cv=3)
    assert density.estimators is None
    density.set_params(flow__max_epochs=1, fractal_flow="drop")
    assert density.get_params()["flow__max_epochs"] == 1
    assert density.get_params()["fractal_flow"] == "drop"
    assert clone(density).get_params()["flow__max_epochs"] == 1
    assert [name for name, _ in density.estimators] == [n for n, _ in StackedDensity()._given()]
    again = StackedDensity([]).set_params(estimators=None, flow__max_epochs=7)
    assert dict(again.estimators)["flow"].max_epochs == 7


@pytest.mark.parametrize(
    "wrong", [{"flow__epochs": 1}, {"flow": "drop", "flow__max_epochs": 1}, {"flow": 1, "cvs": 2}]
)
def test_a_wrong_name_leaves_default_members(wrong):
    density = StackedDensity(cv=7)
    with pytest.raises(UnknownNameError):
        density.set_params(**wrong)
    assert vars(density) == vars(StackedDensity(cv=7))


def test_a_grid_search_reaches_default_members():
    others = {name: ["drop"] for name in ("mixture", "fractal_flow", "kernel_flow")}
    grid = {"flow__max_epochs": [1, 2], "flow__n_transforms": [1], **others}
    density = StackedDensity(random_state=0)
    search = GridSearchCV(density, grid, cv=2).fit(X[:60])
    assert search.best_params_["flow__max_epochs"] in (1, 2)
    best = search.best_estimator_
    assert best.estimators_[0].max_epochs == search.best_params_["flow__max_epochs"]
    assert density.estimators is None


def test_a_grid_search_reaches_members():
    grid = {"wide__bandwidth": [1.0, 50.0], "mixture": ["drop"], "narrow": ["drop"]}
    search = GridSearchCV(stack(cv=2), grid, cv=2).fit(X)
    assert search.best_params_["wide__bandwidth"] == 1.0
    assert list(search.best_estimator_.weights_) == [1.0]


REFUSED = {
    "nothing": ([], "no member that is not 'drop'"),
    "all_dropped": ([("a", "drop")], "no member that is not 'drop'"),
    "no_pairs": ([KernelDensity()], "list of pairs of a name"),
    "no_names": ([(1, KernelDensity())], "list of pairs of a name"),
    "same_names": ([("a", KernelDensity()), ("a", "drop")], "'a' in estimators is there twice"),
    "parameter": ([("cv", KernelDensity())], "'cv' in estimators is that of a parameter"),
    "underscores": ([("a__b", KernelDensity())], "holds '__'"),
    "class": ([("a", KernelDensity)], r"give an instance, KernelDensity\(\)"),
    "no_density": ([("a", StandardScaler())], "'a' must be 'drop' or have fit and score_samples"),
    "text": ([("a", "dropped")], "'a' must be 'drop' or have"),
    "forest": ([("a", IsolationForest())], "a IsolationForest, whose scores are no log densities"),
    "detector": ([("a", DensityOutlierDetector())], "DensityOutlierDetector, whose scores"),
    "scaled": ([("a", PIPELINE)], r"change the units .* Give TransformedDensity"),
    "scaled_search": ([("a", GridSearchCV(PIPELINE, {}))], "change the units"),
    "scaled_within": ([("a", TableDensity(PIPELINE))], "change the units"),
    "scaled_frozen": ([("a", FrozenEstimator(clone(PIPELINE).fit(X)))], "change the units"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_density_with_a_name_is_refused(given, message):
    with pytest.raises(InvalidParameterError, match=message):
        stack(given).fit(X)
    # Asking what it can do is no mistake yet.
    assert isinstance(hasattr(stack(given), "sample"), bool)
    assert stack(given).__sklearn_tags__().estimator_type == "density_estimator"


def test_other_containers_are_refused():
    with pytest.raises(ConstraintError, match="'estimators' parameter"):
        stack(KernelDensity()).fit(X)


def test_units_of_the_rows_are_kept_by_transformed_densities():
    scaled = TransformedDensity(StandardScaler(), KernelDensity(bandwidth=0.1))
    density = stack([("scaled", scaled), ("one", make_pipeline(KernelDensity()))], cv=3).fit(X)
    around = TransformedDensity(StandardScaler(), stack([("scaled", KernelDensity(bandwidth=0.1))]))
    alone = stack([("scaled", scaled)], cv=3).fit(X)
    np.testing.assert_allclose(around.fit(X).score_samples(X), alone.score_samples(X))
    assert density.weights_.min() > 0


def test_a_fit_that_fails_changes_nothing():
    density = stack(cv=2).fit(X)
    before, scores = dict(vars(density)), density.score_samples(X)
    density.set_params(mixture=GaussianMixture(500))
    with pytest.raises(ValueError, match="n_components"):
        density.fit(X[:, :1])
    assert {name: value for name, value in vars(density).items() if name.endswith("_")} == {
        name: value for name, value in before.items() if name.endswith("_")
    }
    np.testing.assert_array_equal(density.score_samples(X), scores)
