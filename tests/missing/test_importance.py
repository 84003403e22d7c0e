"""Means of weighted draws, and what is stated of their errors."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.missing._importance import log_mean

N = 4000


def _weights_of_mean_one(n_draws, n_ratios, rng):
    """Logs of weights and of ratios that go along with them, each of mean one."""
    normal = rng.normal(size=(n_ratios + 1, N, n_draws))
    normal[0] = 0.6 * normal[0] + 0.8 * normal[1:].sum(0) / np.sqrt(max(n_ratios, 1))
    variance = np.array([0.36 + 0.64 * (n_ratios > 0)] + [1.0] * n_ratios)[:, None, None]
    log_values = 0.5 * normal - 0.125 * variance
    return log_values[0], log_values[1:]


@pytest.mark.parametrize("n_ratios", [0, 1, 2])
@pytest.mark.parametrize("n_draws", [2, 3, 4, 5, 8, 15, 16, 64])
def test_stated_errors_are_those_of_the_mean(n_draws, n_ratios):
    rng = np.random.default_rng(0)
    found, error = log_mean(*_weights_of_mean_one(n_draws, n_ratios, rng))
    mean = np.exp(found)
    off = np.sqrt(np.mean((mean - 1) ** 2))
    assert np.sqrt(np.mean((error * mean) ** 2)) == pytest.approx(off, rel=0.2)
    assert np.mean(np.abs(mean - 1) <= 4 * error * mean) > 0.8


def test_one_draw_of_many_that_carries_all_the_weight_has_an_error_of_one():
    for n_draws in (2, 5, 7):
        weight = np.full((1, n_draws), -np.inf)
        weight[0, 0] = 0.0
        found, error = log_mean(weight, np.zeros((2, 1, n_draws)))
        assert found[0] == pytest.approx(-np.log(n_draws))
        assert error[0] == pytest.approx(1.0)
