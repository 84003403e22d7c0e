"""Rows with missing values compete on what is known of them."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity, TransformedDensity
from flowkit.outliers import _incomplete_scores
from flowkit.outliers._incomplete_scores import IncompleteScores, _as_strange

SMALL = {"n_transforms": 1, "hidden_units": 8, "max_epochs": 2, "missing": "marginalize"}
# Far from unit scale, so that a density of fewer columns is in other units altogether.
SCALE = np.array([1e4, 1.0, 1e-3, 50.0])
PATTERNS = ([0], [2], [1, 3], [0, 1, 2])


class Normal(BaseEstimator):
    """Independent normal columns: the density of what is known is exact."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        return np.nansum(stats.norm.logpdf(np.asarray(X, dtype=float), scale=SCALE), axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class Drawn(Normal):
    """One that can be drawn from."""

    def sample(self, n_samples=1, random_state=None):
        return SCALE * np.random.RandomState(random_state).normal(size=(n_samples, 4))


def rows(n=600, seed=0):
    return SCALE * np.random.default_rng(seed).normal(size=(n, 4))


def blanked(X, columns):
    X = X.copy()
    X[:, columns] = np.nan
    return X


def flagged(detector, X):
    return np.mean(detector.predict(X) == -1)


def holes(X, share=0.3, seed=3):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


FLOWS = [FlowDensity(**SMALL, n_components=1), FlowDensity(**SMALL, prior="student_t")]
DENSITIES = {
    "exact": Normal(),
    "flow": FLOWS[0],
    "two flows": FLOWS,
    "transformed": TransformedDensity(StandardScaler(), FLOWS[0]),
    "pipeline": make_pipeline(StandardScaler(), FLOWS[0]),
}


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in DENSITIES]
    + [
        (name, {option: value})
        for name in ("exact", "flow")
        for option, value in {"calibrate": True, "trim": 0.02, "n_estimators": 2}.items()
    ],
)
def test_every_pattern_has_about_the_rate_of_complete_rows(name, options):
    detector = DensityOutlierDetector(
        DENSITIES[name], contamination=0.1, random_state=0, **options
    ).fit(rows())
    new = rows(300, seed=1)
    complete = flagged(detector, new)
    assert 0.06 < complete < 0.15
    for columns in PATTERNS:
        assert flagged(detector, blanked(new, columns)) == pytest.approx(complete, abs=0.06)


def test_kernels_on_the_reference_rows_themselves_are_left_out():
    """Else these would be likelier than new rows can be."""
    density = FlowDensity(
        **{**SMALL, "dequantize": None}, prior="kernel", bandwidth_factor=0.25, early_stopping=False
    )
    detector = DensityOutlierDetector(density, contamination=0.1, random_state=0).fit(rows(200))
    new = rows(100, seed=1)
    complete = flagged(detector, new)
    for columns in ([0], [1, 3]):
        assert flagged(detector, blanked(new, columns)) == pytest.approx(complete, abs=0.09)


def test_statistics_of_incomplete_rows_keep_the_rate():
    detector = DensityOutlierDetector(Normal(), statistic="typicality", contamination=0.1)
    detector.fit(rows())
    for columns in ([], *PATTERNS):
        assert 0.05 < flagged(detector, blanked(rows(1000, seed=1), columns)) < 0.17


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_blanking_one_value_hides_nothing_else(density):
    detector = DensityOutlierDetector(density, random_state=0).fit(rows())
    new = rows(60, seed=1)
    for j in range(4):
        strange = new.copy()
        strange[:, j] = 5 * SCALE[j]
        assert flagged(detector, strange) > 0.95
        assert flagged(detector, blanked(strange, [j - 1])) > 0.9
        # What made them strange is not known any more.
        assert flagged(detector, blanked(strange, [j])) < 0.15


def test_complete_rows_keep_their_log_density():
    X = rows()
    incomplete = np.vstack([holes(X[:200]), X[200:]])
    density = DensityOutlierDetector(FLOWS[0], random_state=0).fit(incomplete)
    np.testing.assert_array_equal(density.score_samples(X), density.densities_[0].score_samples(X))


def test_scores_are_the_quantiles_of_complete_rows():
    """Independent normal columns: the share of rows as strange is known for each pattern."""
    detector = DensityOutlierDetector(Normal(), random_state=0).fit(rows(600))
    new = rows(2000, seed=1)
    constant = stats.norm.logpdf(0, scale=SCALE).sum()
    for columns in PATTERNS:
        kept = np.setdiff1d(range(4), columns)
        share = stats.chi2.sf(((new / SCALE)[:, kept] ** 2).sum(1), len(kept))
        got = stats.chi2.sf(2 * (constant - detector.score_samples(blanked(new, columns))), 4)
        assert np.abs(got - share).max() < 0.12
        assert np.abs(got - share).mean() < 0.04


def test_scores_go_on_falling_beyond_the_strangest():
    detector = DensityOutlierDetector(Normal()).fit(rows())
    far = blanked(SCALE * np.array([[5.0], [10.0], [100.0]]), [2])
    scores = detector.score_samples(far)
    assert detector.score_samples(rows()).min() > scores[0] > scores[1] > scores[2]
    assert np.isfinite(scores).all()


def test_rows_of_which_nothing_is_known_belong():
    for density in (Normal(), FLOWS[0]):
        detector = DensityOutlierDetector(density, calibrate=True, random_state=0).fit(rows())
        empty = np.full((1, 4), np.nan)
        assert detector.predict(empty)[0] == 1
        assert 0.3 < detector.p_values(empty)[0] < 0.7


def test_impossible_rows_stay_so():
    def half(X):
        return np.where(X[:, 0] > 0, -np.inf, 0.0)

    class Half(Normal):
        def score_samples(self, X):
            return super().score_samples(X) + half(np.asarray(X))

    detector = DensityOutlierDetector(Half()).fit(-np.abs(rows()))
    scores = detector.score_samples(blanked(rows(), [1]))
    np.testing.assert_array_equal(np.isneginf(scores), rows()[:, 0] > 0)


@pytest.mark.parametrize("n_complete", [0, 30])
def test_where_few_rows_are_complete_draws_take_their_place(n_complete):
    X = np.vstack([holes(rows(600), 0.5), rows(n_complete, seed=9)])
    X = X[~np.isnan(X).all(1)]
    X[:200, 0] = np.nan
    if not n_complete:
        X = X[np.isnan(X).any(1)]
    for density in (Drawn(), FLOWS[0]):
        detector = DensityOutlierDetector(density, contamination=0.1, random_state=0).fit(X)
        for columns in ([], *PATTERNS):
            assert 0.04 < flagged(detector, blanked(rows(500, seed=1), columns)) < 0.18


def test_without_complete_rows_and_draws_scores_stay_as_they_are():
    X = holes(rows(100))
    X = X[np.isnan(X).any(1) & ~np.isnan(X).all(1)]
    detector = DensityOutlierDetector(Normal()).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), Normal().score_samples(X))


def test_scores_do_not_depend_on_what_was_asked_before():
    X, new = holes(rows(), 0.2), holes(rows(40, seed=1), 0.5)
    detector = DensityOutlierDetector(FLOWS[0], calibrate=True, random_state=0).fit(X)
    state = pickle.dumps(detector)
    together = detector.score_samples(new)
    assert pickle.dumps(detector) == state
    loaded = pickle.loads(state)
    alone = np.concatenate([loaded.score_samples(row[None]) for row in new[::-1]])[::-1]
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-7)
    again = DensityOutlierDetector(FLOWS[0], calibrate=True, random_state=0).fit(X)
    np.testing.assert_array_equal(again.score_samples(new), together)


def test_cost_of_patterns_is_bounded(monkeypatch):
    """Those of training are compared once, each on so many rows."""
    sizes = []
    inner = _incomplete_scores.score_copies

    def counted(density, copies, rows, n_draws=None):
        sizes.append(len(copies))
        return inner(density, copies, rows, n_draws)

    monkeypatch.setattr(_incomplete_scores, "score_copies", counted)
    monkeypatch.setattr(_incomplete_scores, "_MAX_KEPT", 5)
    X = np.vstack([rows(2000), holes(rows(200, seed=4))])
    kept = IncompleteScores(Normal(), np.random.default_rng(0).permutation(X))
    assert sizes == [256] * 6 or sizes == [256] * 5
    sizes.clear()
    new = blanked(rows(300, seed=1), [1])
    kept(Normal(), new, Normal().score_samples(new))
    assert sum(sizes) <= 256


def test_of_equal_scores_the_least_strange_counts():
    known = np.repeat([0.0, 1.0, 2.0], [10, 80, 10])
    complete = np.arange(100.0)
    got = _as_strange(np.array([0.0, 1.0, 2.0]), known, complete)
    np.testing.assert_array_equal(got, [9.0, 49.5, 90.0])
    between = _as_strange(np.linspace(-5, 7, 100), known, complete)
    assert (np.diff(between) > 0).all()


def table(n=250, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["cat", "dog"], size=n)
    weight = 1e3 * (rng.normal(size=n) + 3 * (kind == "dog"))
    return pd.DataFrame({"kind": kind, "weight": weight, "size": weight / 50 + rng.normal(size=n)})


def test_mixed_tables_compete_on_what_is_known():
    density = TableDensity(FlowDensity(**SMALL, n_components=2), n_draws=16)
    X = table()
    X.loc[::7, "kind"] = None
    X.loc[::11, "weight"] = np.nan
    detector = DensityOutlierDetector(density, contamination=0.1, random_state=0).fit(X)
    new = table(100, seed=1)
    strange = new.assign(size=new["size"] + 40)
    for column in ("kind", "weight"):
        assert 0.01 < flagged(detector, new.assign(**{column: np.nan})) < 0.2
    assert flagged(detector, strange) > 0.9
    assert flagged(detector, strange.assign(kind=np.nan)) > 0.9
    assert flagged(detector, strange.assign(size=np.nan)) < 0.2
