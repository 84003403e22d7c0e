"""The one way through wrappers: what they hold, and how rows get there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from flowkit import DensityOutlierDetector, StackedDensity, TableDensity, TransformedDensity
from flowkit.exceptions import InvalidParameterError
from flowkit.nested import (
    Held,
    Unwrapped,
    can_be_drawn_from,
    draw_from,
    find,
    held_by,
    score_copies,
    stood_for,
    unwrap,
)

X = 5 + 3 * np.random.default_rng(0).normal(size=(60, 2))


def mixture():
    return GaussianMixture(2, random_state=0)


def search(density):
    return GridSearchCV(density, {}, cv=2)


class Wrapper(BaseEstimator):
    """A wrapper from elsewhere, which tells what it holds."""

    def __init__(self, density):
        self.density = density

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        return self.density.score_samples(2 * X) + np.log(4)

    def _held(self):
        double = FunctionTransformer(lambda X: 2 * X)
        return Held(self.density, (double,), log_density="with_jacobian")


class OtherSearch(BaseEstimator):
    """A search of another package."""

    def fit(self, X, y=None):
        self.best_estimator_ = mixture().fit(X)
        return self

    def score_samples(self, X):
        return self.best_estimator_.score_samples(X)


STAND_INS = {
    "bare": mixture,
    "frozen": lambda: FrozenEstimator(mixture().fit(X)),
    "frozen twice": lambda: FrozenEstimator(FrozenEstimator(mixture().fit(X))),
    "search": lambda: search(mixture()),
    "frozen search": lambda: FrozenEstimator(search(mixture()).fit(X)),
    "search of a pipeline of one": lambda: search(make_pipeline(mixture())),
    "search of another package": OtherSearch,
}
TRANSFORMED = {
    "pipeline": lambda: make_pipeline(StandardScaler(), MinMaxScaler(), mixture()),
    "pipelines": lambda: make_pipeline(StandardScaler(), make_pipeline(MinMaxScaler(), mixture())),
    "transformed": lambda: TransformedDensity(StandardScaler(), mixture()),
    "search of pipelines": lambda: search(make_pipeline(StandardScaler(), mixture())),
    "frozen": lambda: FrozenEstimator(TransformedDensity(MinMaxScaler(), mixture()).fit(X)),
    "wrapper": lambda: Wrapper(mixture().fit(X)),
}
OTHERS = {
    "table": lambda: TableDensity(mixture()),
    "table in a pipeline": lambda: make_pipeline(StandardScaler(), TableDensity(mixture())),
    "detector": lambda: DensityOutlierDetector(mixture()),
    "stack": lambda: StackedDensity([("a", mixture()), ("b", mixture())], cv=2),
}


@pytest.mark.parametrize("build", STAND_INS.values(), ids=STAND_INS)
def test_stand_ins_have_the_scores_and_draws_of_what_they_hold(build):
    wrapper = build().fit(X, None)
    density = stood_for(wrapper)
    assert type(density) is GaussianMixture
    assert unwrap(wrapper) == Unwrapped(density)
    # A frozen estimator has the attributes of what it holds.
    assert find(wrapper, "means_").estimator.means_ is density.means_
    np.testing.assert_array_equal(density.score_samples(X), wrapper.score_samples(X))
    draws = [draw_from(one, 5, np.random.RandomState(0)) for one in (wrapper, density)]
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("build", TRANSFORMED.values(), ids=TRANSFORMED)
def test_rows_behind_transformers_differ_by_the_jacobian_alone(build):
    wrapper = build().fit(X, None)
    inside = unwrap(wrapper)
    assert find(wrapper, "means_").estimator.means_ is inside.estimator.means_
    assert type(inside.estimator) is GaussianMixture
    # All of these transformers are linear.
    shift = wrapper.score_samples(X) - inside.estimator.score_samples(inside.transform(X))
    assert np.ptp(shift) < 1e-9
    np.testing.assert_allclose(score_copies(wrapper, X, X), wrapper.score_samples(X))
    # Neither draws nor scores of what is inside are in the units of the rows.
    assert stood_for(wrapper) is not inside.estimator


@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_other_wrappers_are_opened_for_what_is_inside_alone(build):
    wrapper = build().fit(X)
    inside = find(wrapper, "means_")
    assert type(inside.estimator) is GaussianMixture
    assert type(unwrap(wrapper).estimator) in (
        TableDensity,
        DensityOutlierDetector,
        StackedDensity,
    )
    np.testing.assert_array_equal(score_copies(wrapper, X[:5], X[:5]), wrapper.score_samples(X[:5]))


def test_rows_of_a_table_have_no_single_row_inside():
    inside = find(make_pipeline(StandardScaler(), TableDensity(mixture())).fit(X), "means_")
    assert inside.get_feature_names(["a", "b"]) is None
    message = r"TableDensity encodes .* no single row of the GaussianMixture inside"
    with pytest.raises(InvalidParameterError, match=message):
        inside.transform(X)


def test_the_outermost_that_has_it_is_found():
    table = TableDensity(TransformedDensity(StandardScaler(), mixture())).fit(X)
    detector = DensityOutlierDetector(table).fit(X)
    assert find(detector, "offset_").estimator is detector
    assert find(detector, "kinds_").estimator is detector.densities_[0]
    assert find(detector, "transformer_").estimator is detector.densities_[0].density_
    nothing = find(detector, "no_such_method")
    assert type(nothing.estimator) is GaussianMixture


def test_of_several_densities_the_first_that_has_it_is_found():
    detector = DensityOutlierDetector([KernelDensity(), mixture()]).fit(X)
    inside = find(detector, "means_")
    assert inside.estimator is detector.densities_[1]
    np.testing.assert_array_equal(inside.transform(X), X)


def test_unfitted_wrappers_tell_what_they_were_given():
    density = mixture()
    for wrapper in (
        search(density),
        TransformedDensity(StandardScaler(), density),
        TableDensity(density),
        make_pipeline(StandardScaler(), density),
    ):
        assert held_by(wrapper).estimator is density
    assert held_by(TableDensity()) is held_by(DensityOutlierDetector()) is held_by(density) is None
    assert can_be_drawn_from(search(density))
    assert not can_be_drawn_from(make_pipeline(StandardScaler(), density))


def test_names_are_those_behind_the_transformers():
    frame = pd.DataFrame(X, columns=["a", "b"])
    scaled = make_pipeline(StandardScaler(), MinMaxScaler(), mixture()).fit(frame)
    assert unwrap(scaled).get_feature_names(["a", "b"]) == ["a", "b"]
    nameless = make_pipeline(FunctionTransformer(np.asarray), mixture()).fit(frame)
    assert unwrap(nameless).get_feature_names(["a", "b"]) is None


def test_draws_keep_their_container_where_no_type_is_asked_for():
    frame = pd.DataFrame({"a": X[:, 0], "kind": np.resize(["x", "y"], 60)})
    table = TableDensity(mixture(), random_state=0).fit(frame)
    drawn = draw_from(table, 4, 0, dtype=None)
    pd.testing.assert_frame_equal(drawn, table.sample(4, random_state=0))
