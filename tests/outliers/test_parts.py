"""Parts of a surprise: levels, topics and trees of the densities behind a detector."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
)

from flowkit import DensityOutlierDetector, FractalFlowDensity, RGFlowDensity, TransformedDensity
from flowkit.exceptions import InvalidParameterError

from .examples import rows


@pytest.fixture(scope="module")
def fractal():
    density = FractalFlowDensity(
        n_topics=3, n_blocks=2, hidden_units=8, max_epochs=2, random_state=0
    )
    return density.fit(rows(200, 4))


def scaled():
    return StandardScaler().set_output(transform="default")


def frozen(density):
    return FrozenEstimator(clone(density).fit(rows(200, 4)))


# The same density by itself, and at the end of all that may stand around it.
WRAPPED = {
    "bare": lambda density: density,
    "frozen": frozen,
    "pipeline": lambda density: make_pipeline(scaled(), density),
    "transformed": lambda density: TransformedDensity(scaled(), density),
    "nested": lambda density: TransformedDensity(scaled(), make_pipeline(scaled(), density)),
    "frozen in a pipeline": lambda density: make_pipeline(scaled(), frozen(density)),
}


PARTED = {
    "levels": RGFlowDensity(n_layers=1, hidden_units=8, max_epochs=1),
    "tree": FractalFlowDensity(prior="gaussian_mixture", n_blocks=1, hidden_units=8, max_epochs=1),
    "topics": GaussianMixture(3),
}


@pytest.mark.parametrize("wrapper", WRAPPED)
@pytest.mark.parametrize("part", PARTED)
def test_parts_sum_to_the_surprise(part, wrapper):
    X, new = rows(200, 4), 2 * rows(30, 4, seed=1)
    detector = DensityOutlierDetector(WRAPPED[wrapper](PARTED[part]), random_state=0).fit(X)
    shares = detector.explain(new, by=part)
    typical, scores = detector.score_samples(X), detector.score_samples(new)
    if part == "topics":
        assert shares.shape[1] == 3
        # Each topic has a typical log density of its own, so that sums differ by row.
        assert np.corrcoef(np.asarray(shares).sum(1), scores)[0, 1] < -0.99
    else:
        np.testing.assert_allclose(shares.sum(axis=1), typical.mean() - scores, atol=1e-8)
    assert len(set(detector.get_part_names(part))) == shares.shape[1]


@pytest.mark.parametrize("part", PARTED)
@pytest.mark.parametrize("wrap", [TransformedDensity, FrozenEstimator])
def test_parts_of_rows_of_no_density_are_all_infinite(part, wrap):
    X = np.exp(rows(200, 4))
    density = TransformedDensity(PowerTransformer("box-cox"), PARTED[part])
    if wrap is FrozenEstimator:
        # Fitted elsewhere, so that training rows may be impossible, too.
        density, X = FrozenEstimator(density.fit(X)), np.vstack([[-1.0, 1, 1, 1], X])
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    new = np.array([[-1.0, 1, 1, 1], [1, 1, 1, 1.0], [1, 1, -2, 1]])
    assert list(detector.predict(new)) == [-1, 1, -1]
    effects = detector.explain(new, by=part)
    assert effects.shape == (3, len(detector.get_part_names(part)))
    assert np.isposinf(effects[[0, 2]]).all()
    np.testing.assert_allclose(effects[1:2], detector.explain(new[1:2], by=part), atol=1e-9)
    assert np.isfinite(effects[1]).all()


def named_table(n=200):
    return pd.DataFrame(rows(n, 3), columns=["weight", "age", "size"]).assign(
        kind=np.resize(["a", "b"], n)
    )


def test_parts_have_the_names_of_the_table_behind_transformers():
    X = named_table()
    tree = PARTED["tree"]
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]),
        (StandardScaler(), ["weight", "size"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    numbers = make_column_transformer(
        (StandardScaler(), ["size", "weight"]), remainder="passthrough"
    )
    encoded = ["kind_a", "kind_b", "weight", "size", "age"]
    wanted = {
        make_pipeline(encoder, tree): encoded,
        make_pipeline(encoder, make_pipeline(StandardScaler(), tree)): encoded,
        GridSearchCV(make_pipeline(encoder, tree), {}, cv=2): encoded,
        FrozenEstimator(make_pipeline(encoder, clone(tree)).fit(X)): encoded,
        TransformedDensity(numbers, tree): [
            "standardscaler__size",
            "standardscaler__weight",
            "remainder__age",
        ],
        TransformedDensity("passthrough", tree): ["weight", "age", "size"],
        TransformedDensity(StandardScaler(), tree): ["weight", "age", "size"],
        tree: ["weight", "age", "size"],
    }
    for density, columns in wanted.items():
        table = X if columns is encoded else X.drop(columns="kind")
        detector = DensityOutlierDetector(density, random_state=0).fit(table)
        names = detector.get_part_names("tree")
        assert names[0] == f"mixing 0: {', '.join(columns)}"
        assert [name.split(": ")[1] for name in names if name.startswith("leaf")] == columns


def test_parts_are_numbered_where_a_transformer_has_no_names():
    unnamed = make_pipeline(FunctionTransformer(np.asarray), PARTED["tree"])
    detector = DensityOutlierDetector(unnamed, random_state=0).fit(rows(60))
    assert detector.get_part_names("tree")[0] == "mixing 0: 0, 1, 2"


def test_topics_of_a_mixture_sum_to_what_is_typical_of_them():
    X, new = rows(200, 4), 2 * rows(30, 4, seed=1)
    detector = DensityOutlierDetector(GaussianMixture(3), random_state=0).fit(X)
    mixture = detector.densities_[0]
    typical = np.average(
        np.tile(mixture.score_samples(X)[:, None], 3), weights=mixture.predict_proba(X), axis=0
    )
    expected = mixture.predict_proba(new) * (typical - mixture.score_samples(new)[:, None])
    np.testing.assert_allclose(detector.explain(new, by="topics"), expected, atol=1e-9)


def test_parts_of_the_fractal_flow(fractal):
    X, new = rows(200, 4), rows(20, 4, seed=1)
    detector = DensityOutlierDetector(FrozenEstimator(fractal)).fit(X)
    tree = detector.explain(new, by="tree")
    np.testing.assert_allclose(
        tree.sum(axis=1), fractal.score(X) - fractal.score_samples(new), atol=1e-8
    )
    names = detector.get_part_names("tree")
    assert names[-1] == "prior"
    assert names[0] == "mixing 0: x0, x1, x2, x3"
    assert detector.get_part_names("topics") == ["topic 0", "topic 1", "topic 2"]


def test_searches_are_explained_by_what_they_found():
    X = rows()
    search = GridSearchCV(GaussianMixture(random_state=0), {"n_components": [1, 2]}, cv=2)
    detector = DensityOutlierDetector(search).fit(X)
    best = detector.densities_[0].best_estimator_
    assert detector.explain(X[:2], by="topics").shape == (2, best.n_components)


@pytest.mark.parametrize(
    ("part", "needed"),
    [("levels", "score_levels"), ("tree", "log_det_tree"), ("topics", "predict_proba")],
)
def test_parts_that_a_density_lacks_are_refused(part, needed):
    detector = DensityOutlierDetector(make_pipeline(StandardScaler(), KernelDensity())).fit(rows())
    message = f"'{part}' needs a density with {needed}.*KernelDensity has none"
    with pytest.raises(InvalidParameterError, match=message):
        detector.explain(rows(), by=part)
    for wrong in ("tre", ["features"], None):
        with pytest.raises(InvalidParameterError, match=r"by must be one of.*got"):
            detector.explain(rows(), by=wrong)
