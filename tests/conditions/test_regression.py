"""A target given its features: the difference of two scores beside a linear regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge

from flowkit import FlowDensity
from flowkit.bijections import LULinear

from .examples import QUICK


def test_one_gaussian_regresses_as_a_linear_model_does():
    frame = load_diabetes(as_frame=True).frame
    train, test = frame[::2], frame[1::2]
    features = list(frame.columns[:-1])
    density = FlowDensity([LULinear(11)], n_components=1, dequantize=None, **QUICK).fit(train)
    scores = density.score_samples(test, given=features)
    joint, below = (
        density.score_samples(test),
        density.marginal(features).score_samples(test[features]),
    )
    np.testing.assert_allclose(scores, joint - below, atol=1e-9)
    ridge = BayesianRidge().fit(train[features], train["target"])
    mean, deviation = ridge.predict(test[features], return_std=True)
    expected = stats.norm(mean, deviation).logpdf(test["target"])
    assert scores.mean() == pytest.approx(expected.mean(), abs=0.05)
    heights = density.cdf(test, "target", given=features)
    assert stats.kstest(heights, "uniform").pvalue > 1e-3
