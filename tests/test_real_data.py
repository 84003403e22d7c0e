"""Real tables of the field, where FLOWKIT_DATA names the folder that holds them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from flowkit import FlowDensity

DATA = os.environ.get("FLOWKIT_DATA")
pytestmark = pytest.mark.skipif(
    DATA is None, reason="FLOWKIT_DATA does not name a folder with the real tables"
)

TABLES = ("44_Wilt", "22_magic.gamma", "40_vowels")


def load(name, n=900):
    with np.load(Path(DATA) / "adbench" / f"{name}.npz", allow_pickle=False) as arrays:
        X, y = arrays["X"].astype(np.float64), arrays["y"]
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    X = X[rows]
    varied = np.ptp(X, axis=0) > 0
    return X[:, varied], y[rows]


@pytest.mark.parametrize("table", TABLES)
def test_held_out_density_is_above_a_gaussians(table):
    X, _ = load(table)
    train, test = X[:700], X[700:]
    density = FlowDensity(max_epochs=15, dequantize=None, random_state=0).fit(train)
    gaussian = stats.multivariate_normal(
        train.mean(0), np.cov(train.T) + 1e-9 * np.diag(train.var(0)), allow_singular=True
    )
    scores = density.score_samples(test)
    assert np.isfinite(scores).all()
    assert scores.mean() > gaussian.logpdf(test).mean()


def test_anomalies_score_low():
    X, y = load("6_cardio", 1800)
    density = FlowDensity(max_epochs=5, random_state=0).fit(X[y == 0][:1000])
    rest = np.concatenate([X[y == 0][1000:], X[y == 1]])
    labels = np.repeat([0, 1], [len(rest) - (y == 1).sum(), (y == 1).sum()])
    assert roc_auc_score(labels, -density.score_samples(rest)) > 0.75


def test_a_table_of_whole_numbers_is_dequantised():
    X, _ = load("20_letter")
    density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    np.testing.assert_allclose(density.dequantization_, 1.0)
    assert np.isfinite(density.score_samples(X)).all()
