"""Detectors that learn from chunks."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity, TransformedDensity
from flowkit.exceptions import InvalidParameterError, RowsLeftOutWarning
from flowkit.outliers._reservoir import Reservoir

from .examples import SMALL, mixed_table, outliers, rows

FLOW = {
    **SMALL,
    "prior": "normal",
    "hidden_units": 8,
    "partial_fit_epochs": 2,
    "learning_rate": 0.03,
}


class Running(BaseEstimator):
    """A normal density of independent columns, of all rows seen."""

    def __init__(self, scale=1.0, refuses=None):
        self.scale = scale
        self.refuses = refuses

    def fit(self, X, y=None, sample_weight=None):
        self.sums_ = np.zeros((3, np.shape(X)[1]))
        return self.partial_fit(X, y, sample_weight)

    def partial_fit(self, X, y=None, sample_weight=None):
        X = np.asarray(X)
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        if not hasattr(self, "sums_"):
            self.sums_ = np.zeros((3, X.shape[1]))
        # In place, as some densities change.
        self.sums_ += [weight @ X**0, weight @ X, weight @ X**2]
        if self.refuses is not None and (self.refuses < X).any():
            raise ValueError("refused")
        return self

    def score_samples(self, X):
        self.type_ = type(X)
        n, total, squares = self.sums_
        mean = total / n
        variance = self.scale * (squares / n - mean**2)
        z = (np.asarray(X) - mean) ** 2 / variance
        return -0.5 * (z + np.log(2 * np.pi * variance)).sum(1)


def streamed(detector, chunks, weights=None):
    for i, chunk in enumerate(chunks):
        detector.partial_fit(chunk, sample_weight=None if weights is None else weights[i])
    return detector


@pytest.mark.parametrize("density", [Running(), [Running(), Running(2.0)]], ids=["one", "two"])
def test_chunks_are_the_whole_where_the_densities_say_so(density):
    X = rows(900)
    whole = DensityOutlierDetector(density, contamination=0.1).fit(X)
    detector = DensityOutlierDetector(density, contamination=0.1)
    streamed(detector, np.array_split(X, 7))
    new = rows(100, seed=1)
    np.testing.assert_allclose(detector.score_samples(new), whole.score_samples(new), atol=1e-9)
    # All rows are within the sample.
    assert detector.offset_ == pytest.approx(whole.offset_, abs=1e-9)
    np.testing.assert_allclose(detector.training_scores_, whole.training_scores_, atol=1e-9)
    np.testing.assert_allclose(detector.explain(new), whole.explain(new), atol=1e-8)


def test_the_threshold_is_that_of_a_sample_of_all_rows():
    detector = DensityOutlierDetector(Running(), contamination=0.1, random_state=0)
    chunks = np.array_split(rows(20_000, 2), 40)
    streamed(detector, chunks)
    assert detector.training_scores_.shape == (2048,)
    below = np.concatenate([detector.predict(chunk) == -1 for chunk in chunks])
    assert below.mean() == pytest.approx(0.1, abs=0.02)
    assert below[:5000].mean() == pytest.approx(below[-5000:].mean(), abs=0.03)


def test_each_row_is_as_likely_to_be_kept():
    kept = np.zeros(6000)
    for seed in range(60):
        rng = np.random.RandomState(seed)
        parts = np.split(np.arange(6000.0)[:, None], [10, 2500, 2600, 5990])
        reservoir = Reservoir.of(parts[0], None, rng)
        for part in parts[1:]:
            reservoir = reservoir.after(Reservoir.of(part, None, rng))
        assert len(reservoir.X) == len(reservoir.keys) == 2048
        assert (np.diff(reservoir.X[:, 0]) > 0).all()
        kept[reservoir.X[:, 0].astype(int)] += 1
    # Means of 600 rows over 60 streams err by 0.002.
    shares = kept.reshape(10, 600).mean(1) / 60
    np.testing.assert_allclose(shares, 2048 / 6000, atol=0.01)


def test_flows_go_on_training():
    X = rows(400, 2)
    X[:, 1] += X[:, 0] ** 2
    detector = DensityOutlierDetector(FlowDensity(**FLOW), n_estimators=2, random_state=0)
    first = detector.partial_fit(X[:200]).score_samples(X)
    densities = detector.densities_
    assert len(densities) == 2
    detector.partial_fit(X[200:])
    assert all(a is b for a, b in zip(detector.densities_, densities, strict=True))
    assert [density.n_iter_ for density in detector.densities_] == [4, 4]
    assert (detector.score_samples(X) != first).any()
    alone = FlowDensity(**{**FLOW, "random_state": densities[0].random_state})
    for chunk in (X[:200], X[200:]):
        alone.partial_fit(chunk)
    np.testing.assert_array_equal(alone.score_samples(X), densities[0].score_samples(X))
    again = streamed(clone(detector), (X[:200], X[200:]))
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))
    assert again.offset_ == detector.offset_
    np.testing.assert_allclose(detector.training_scores_, detector.score_samples(X), atol=1e-9)


def test_after_a_fit_chunks_go_on_from_it():
    X = rows(600)
    whole = DensityOutlierDetector(Running()).fit(X)
    detector = DensityOutlierDetector(Running()).fit(X[:500]).partial_fit(X[500:])
    np.testing.assert_allclose(detector.score_samples(X), whole.score_samples(X), atol=1e-9)
    assert detector.offset_ == pytest.approx(whole.offset_, abs=1e-9)
    anew = DensityOutlierDetector(Running()).partial_fit(X[:300]).fit(X)
    np.testing.assert_array_equal(anew.score_samples(X), whole.score_samples(X))


def test_calibration_of_a_fit_is_forgotten():
    X = rows()
    detector = DensityOutlierDetector(Running(), calibrate="cv", random_state=0).fit(X)
    detector.set_params(calibrate=False).partial_fit(X)
    assert not hasattr(detector, "calibration_scores_")
    assert not hasattr(detector, "out_of_fold_scores_")


@pytest.mark.parametrize("bad", [np.full((20, 3), 99.0), rows(20, 2), np.full((20, 3), np.nan)])
def test_a_chunk_that_fails_leaves_the_detector_as_it_was(bad):
    X = rows(100)
    densities = [Running(), FlowDensity(**FLOW), Running(refuses=50.0)]
    detector, other = (
        DensityOutlierDetector(densities, random_state=0).partial_fit(X[:60]) for _ in range(2)
    )
    for one in (detector, other):
        with pytest.raises(ValueError):  # noqa: PT011
            one.partial_fit(bad)
    fresh = DensityOutlierDetector(densities, random_state=0).partial_fit(X[:60])
    np.testing.assert_array_equal(detector.score_samples(X), fresh.score_samples(X))
    assert detector.offset_ == fresh.offset_
    detector.partial_fit(X[60:])
    other.partial_fit(X[60:])
    np.testing.assert_array_equal(detector.score_samples(X), other.score_samples(X))
    unfitted = DensityOutlierDetector(densities)
    with pytest.raises(ValueError):  # noqa: PT011
        unfitted.partial_fit(np.full((20, 3), 99.0))
    assert not hasattr(unfitted, "densities_")


def test_tables_and_pickles_go_on():
    X = pd.DataFrame(rows(300), columns=list("abc"))
    whole = DensityOutlierDetector(Running()).fit(X)
    detector = DensityOutlierDetector(Running()).partial_fit(X[:100])
    detector = pickle.loads(pickle.dumps(detector)).partial_fit(X[100:200])
    detector.partial_fit(X[200:])
    # The sample of all rows was scored last.
    assert detector.densities_[0].type_ is pd.DataFrame
    np.testing.assert_allclose(detector.score_samples(X), whole.score_samples(X), atol=1e-9)
    assert list(detector.feature_names_in_) == ["a", "b", "c"]
    assert detector.offset_ == pytest.approx(whole.offset_, abs=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        detector.partial_fit(X[["b", "a", "c"]])
    with pytest.warns(UserWarning, match="feature names"):
        detector.partial_fit(X[:10].to_numpy())
    assert detector.training_scores_.shape == (310,)


def test_weights_of_chunks_count():
    X, weight = rows(300), np.random.default_rng(1).integers(0, 4, size=300)
    whole = DensityOutlierDetector(Running(), contamination=0.1).fit(X, sample_weight=weight)
    detector = DensityOutlierDetector(Running(), contamination=0.1)
    streamed(detector, np.split(X, 3), np.split(weight, 3))
    np.testing.assert_allclose(detector.score_samples(X), whole.score_samples(X), atol=1e-9)
    assert detector.offset_ == pytest.approx(whole.offset_, abs=1e-9)
    # A chunk without weights has those of one.
    mixed = DensityOutlierDetector(Running()).partial_fit(X[:150])
    mixed.partial_fit(X[150:], sample_weight=np.full(150, 2.0))
    repeated = DensityOutlierDetector(Running()).fit(np.vstack([X[:150], X[150:], X[150:]]))
    assert mixed.offset_ == pytest.approx(repeated.offset_, abs=1e-9)


@pytest.mark.parametrize(
    ("density", "name"),
    [
        (KernelDensity(), "KernelDensity"),
        ([FlowDensity(), GaussianMixture()], "GaussianMixture"),
        (make_pipeline(StandardScaler(), FlowDensity()), "Pipeline"),
        (FrozenEstimator(Running()), "FrozenEstimator"),
    ],
    ids=["kernels", "mixture", "pipeline", "frozen"],
)
def test_densities_of_all_rows_at_once_are_named(density, name):
    detector = DensityOutlierDetector(density)
    assert not hasattr(detector, "partial_fit")
    with pytest.raises(AttributeError) as error:
        detector.partial_fit(rows())
    assert f"{name} has no partial_fit" in str(error.value.__cause__)
    assert hasattr(DensityOutlierDetector([Running(), FlowDensity()]), "partial_fit")


@pytest.mark.parametrize("options", [{"calibrate": True}, {"calibrate": "cv"}, {"trim": 0.1}])
def test_what_needs_all_rows_at_once_is_refused(options):
    (name,) = options
    with pytest.raises(InvalidParameterError, match=f"partial_fit needs {name}="):
        DensityOutlierDetector(Running(), **options).partial_fit(rows())


def test_each_chunk_has_its_own_time_and_bar(capfd):
    X = rows(100)
    detector = DensityOutlierDetector([Running(), FlowDensity(**FLOW)], verbose=1, max_time=100.0)
    for _ in range(2):
        detector.partial_fit(X)
        assert detector.densities_[1].max_time is None
        assert "4/4" in capfd.readouterr().err


def test_tables_and_transformed_densities_are_learned_chunk_by_chunk():
    X = mixed_table(300)
    flow = FlowDensity(**FLOW, random_state=0)
    table = TableDensity(flow, n_draws=8, random_state=0)
    numbers = TransformedDensity(FunctionTransformer(), flow)
    for density, frame in ((table, X), (numbers, X[["size"]])):
        detector, alone = DensityOutlierDetector(density, random_state=0), clone(density)
        for i in (0, 100, 200):
            detector.partial_fit(frame[i : i + 100])
            alone.partial_fit(frame[i : i + 100])
        expected = alone.score_samples(frame)
        np.testing.assert_allclose(detector.score_samples(frame), expected, rtol=1e-9)
        assert outliers(detector, frame) == pytest.approx(0.05, abs=0.01)


def test_a_level_that_no_chunk_settled_is_an_outlier():
    X = mixed_table(300).astype({"kind": object})
    density = TableDensity(FlowDensity(**FLOW, random_state=0), n_draws=8, random_state=0)
    detector = DensityOutlierDetector(density, random_state=0).partial_fit(X[:150])
    strange = X[150:].assign(kind="yak")
    assert (detector.predict(strange) == -1).all()
    mixed = X[150:].copy()
    mixed.iloc[:3, 0] = "yak"
    with pytest.warns(RowsLeftOutWarning, match="kind"):
        detector.partial_fit(mixed)
    assert (detector.predict(mixed[:3]) == -1).all()
    assert np.isfinite(detector.offset_)
