"""Rows of the training set are explained as if they had not been there."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, RobustScaler, StandardScaler

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity, TransformedDensity
from flowkit.estimators import flow as flow_module
from flowkit.nested import score_copies

SMALL = {"n_transforms": 2, "hidden_units": 16, "dequantize": None}
# A rate this small leaves the flow at the identity, so that kernels are all that was learned.
STILL = {**SMALL, "prior": "kernel", "learning_rate": 1e-12, "max_epochs": 1}
STILL |= {"early_stopping": False}
FEW = {"max_epochs": 5, "learning_rate": 1e-4}
ODD = np.array([[0.0, 0.0, 6.0, 0.0]])


def rows(n=100, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def still(**options):
    return FlowDensity(**{**STILL, "random_state": 0, **options})


def copies_of(X, k=7, seed=1):
    """Copies of rows, in each of which one value is another."""
    rng = np.random.default_rng(seed)
    copies = np.repeat(X, k, axis=0)
    copies[np.arange(len(copies)), rng.integers(X.shape[1], size=len(copies))] += 0.7
    return copies


def without(density, X, i):
    """The same kernels on all other rows, in the space of all: a fit to others moves the scale."""
    module = density.module_
    Z = density._columns.standardise(X)
    centres = np.delete(Z, i, axis=0)
    bandwidth = module.prior._scored_log_bandwidth().exp().item()
    kernels = KernelDensity(bandwidth=bandwidth, leaf_size=len(X)).fit(centres)
    return lambda new: (
        kernels.score_samples(density._columns.standardise(new)) - np.log(density.scale_).sum()
    )


def identity(density):
    """With the linear maps taken out, which start as a rotation."""
    with_identity = density.module_.bijection
    for step in with_identity.bijections:
        for parameter in step.parameters():
            parameter.data.zero_()
    density.module_.refresh()
    return density


def test_copies_are_scored_by_all_other_kernels():
    X = rows()
    density = identity(still().fit(X))
    copies = copies_of(X)
    scores = score_copies(density, copies, X).reshape(len(X), -1)
    for i in range(len(X)):
        expected = without(density, X, i)(copies[7 * i : 7 * i + 7])
        np.testing.assert_allclose(scores[i], expected, atol=1e-4)
    assert (score_copies(density, copies, X) < density.score_samples(copies) + 1e-12).mean() > 0.9


def test_a_row_itself_has_its_score():
    X = np.vstack([rows(), rows(5), rows(5)])
    density = still().fit(X)
    np.testing.assert_allclose(score_copies(density, X, X), density.score_samples(X), atol=1e-9)
    new = rows(20, seed=3)
    np.testing.assert_array_equal(
        score_copies(density, copies_of(new), new), density.score_samples(copies_of(new))
    )


def test_one_of_several_equal_rows_is_left_out():
    X = np.vstack([rows(60), ODD, ODD, ODD])
    density = still().fit(X)
    copy = np.array([[0.0, 0.0, 6.2, 0.0]])
    two = still().fit(X)
    with_three = density.score_samples(copy)
    got = score_copies(density, copy, ODD)
    prior = density.module_.prior
    # Nearly all of the density here is that of the three.
    assert got - with_three == pytest.approx(np.log(2 / 62) - np.log(3 / 63), abs=1e-3)
    assert len(prior.weights) == 63
    np.testing.assert_array_equal(score_copies(two, copy, ODD), got)


def test_rows_that_no_kernel_was_drawn_for_are_as_new(monkeypatch):
    monkeypatch.setattr(flow_module, "_MAX_CENTRES", 30)
    X = rows(200)
    density = still().fit(X)
    kernels = density.module_.rows.float().numpy()
    Z = density._columns.standardise(X).astype(np.float32)
    own = (Z[:, None] == kernels).all(2).any(1)
    assert 10 < own.sum() <= 30
    copies = copies_of(X)
    held, plain = score_copies(density, copies, X), density.score_samples(copies)
    np.testing.assert_array_equal(held[np.repeat(~own, 7)], plain[np.repeat(~own, 7)])
    assert (held[np.repeat(own, 7)] < plain[np.repeat(own, 7)] + 0.05).all()
    assert (held[np.repeat(own, 7)] < plain[np.repeat(own, 7)] - 0.05).mean() > 0.5


@pytest.mark.parametrize(
    "kernels",
    [
        KernelDensity(bandwidth=0.5),
        KernelDensity(bandwidth="scott"),
        KernelDensity(kernel="epanechnikov", bandwidth=2.0),
        KernelDensity(kernel="exponential", metric="manhattan"),
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_kernels_of_scikit_learn_are_left_out_exactly(kernels, weighted):
    X = rows(40)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, size=40) if weighted else None
    kernels.fit(X, sample_weight=weight)
    got = score_copies(kernels, copies_of(X[:5]), X[:5])
    for i in range(5):
        others = KernelDensity(
            kernel=kernels.kernel, metric=kernels.metric, bandwidth=kernels.bandwidth_
        ).fit(np.delete(X, i, 0), sample_weight=None if weight is None else np.delete(weight, i))
        expected = others.score_samples(copies_of(X[:5])[7 * i : 7 * i + 7])
        np.testing.assert_allclose(got[7 * i : 7 * i + 7], expected)
    new = rows(3, seed=5)
    np.testing.assert_array_equal(score_copies(kernels, new, new), kernels.score_samples(new))


def around(density):
    """A density in all that may stand around it."""
    scaler = make_pipeline(StandardScaler(), RobustScaler())
    by_column = make_column_transformer((StandardScaler(), [0, 1]), (RobustScaler(), [2, 3]))
    return {
        "bare": density,
        "pipeline": make_pipeline(scaler, density),
        "transformed": TransformedDensity(by_column, density),
        "skewed": TransformedDensity(PowerTransformer(), density),
        "search": GridSearchCV(make_pipeline(scaler, density), {}, cv=2),
        "table": TableDensity(density),
        "table in a pipeline": make_pipeline(
            scaler, TableDensity(TransformedDensity(scaler, density))
        ),
        "circle": TableDensity(density, periods={0: 20.0}),
    }


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("wrapper", around(None))
@pytest.mark.parametrize(
    "density", [still(), KernelDensity(bandwidth=0.5)], ids=["flow", "sklearn"]
)
def test_reasons_of_training_rows_are_those_of_new_ones(density, wrapper, frozen):
    X = rows()
    if wrapper == "skewed":
        odd = np.exp(ODD)
        X = np.exp(X)
    else:
        odd = ODD
    whole = around(density)[wrapper]
    seen = np.vstack([X, odd])
    given = FrozenEstimator(whole.fit(seen)) if frozen else whole
    on_it = DensityOutlierDetector(given, random_state=0).fit(seen).explain(odd)
    held_out = DensityOutlierDetector(whole, random_state=0).fit(X).explain(odd)
    # The column is scaled by the row itself as well, which is no part of its kernel.
    assert on_it[0].argmax() == held_out[0].argmax() == 2
    np.testing.assert_allclose(np.delete(on_it, 2), np.delete(held_out, 2), atol=2.5)
    assert 0.4 < on_it[0, 2] / held_out[0, 2] < 1.5


def test_reasons_of_trained_flows_are_not_flat():
    """The row of which all columns had the same effect."""
    X = rows(300)
    flows = [
        FlowDensity(**{**SMALL, "prior": "kernel", "noise": 0.1, **FEW}),
        FlowDensity(**{**SMALL, "prior": "kernel", **FEW}, bandwidth_factor=0.25),
    ]
    # Several seeds, as training on one row more changes a flow.
    options = {"n_estimators": 4, "random_state": 0}
    held_out = DensityOutlierDetector(flows, **options).fit(X).explain(ODD)[0]
    seen = DensityOutlierDetector(flows, **options).fit(np.vstack([X, ODD]))
    on_it = seen.explain(ODD)[0]
    assert on_it[2] == pytest.approx(held_out[2], rel=0.2)
    np.testing.assert_allclose(np.delete(on_it, 2), np.delete(held_out, 2), atol=0.1 * on_it[2])
    loaded = pickle.loads(pickle.dumps(seen))
    np.testing.assert_allclose(loaded.explain(ODD)[0], on_it, atol=1e-6)


def test_densities_without_rows_are_asked_as_ever():
    X = rows()
    for density in (GaussianMixture(2), FlowDensity(prior="normal", max_epochs=1)):
        density.fit(X)
        copies = copies_of(X)
        np.testing.assert_array_equal(
            score_copies(density, copies, X), density.score_samples(copies)
        )


def test_copies_outside_the_domain_have_no_density():
    X = np.exp(rows())
    density = TransformedDensity(PowerTransformer("box-cox"), KernelDensity()).fit(X)
    origins = np.vstack([X[:2], [[-1.0, 1, 1, 1]]])
    copies = np.repeat(origins, 3, axis=0)
    copies[:, 1] *= np.tile([1.1, 1.2, -1.0], 3)
    copies[6, 0] = 1.0
    got = score_copies(density, copies, origins)
    np.testing.assert_array_equal(np.isneginf(got), [0, 0, 1, 0, 0, 1, 0, 1, 1])
    one_by_one = [
        score_copies(density, c[None], copies_row[None])
        for c, copies_row in zip(copies, np.repeat(origins, 3, axis=0), strict=True)
    ]
    np.testing.assert_allclose(got, np.concatenate(one_by_one))
    np.testing.assert_allclose(got[6], density.score_samples(copies[6:7])[0])


def test_incomplete_copies_are_scored_without_the_row():
    X = np.vstack([rows(), ODD])
    density = still(missing="marginalize").fit(X)
    blanked = ODD.copy()
    blanked[0, 0] = np.nan
    alone = score_copies(density, blanked, ODD)[0]
    assert alone < density.score_samples(blanked)[0] - 3
    new = still(missing="marginalize").fit(X[:-1]).score_samples(blanked)[0]
    assert alone == pytest.approx(new, rel=0.5)
