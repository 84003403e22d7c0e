"""Time that is shared among the densities of a fit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector, FlowDensity, TransformedDensity
from flowkit.exceptions import NotConvergedWarning
from flowkit.nested import _time_limit

from .examples import SMALL, rows


class Clock:
    """Time that passes only in the fits of densities."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_time_limit, "time", clock)
    return clock


class Slow(BaseEstimator):
    """A density whose fit takes some seconds of a clock, as far as its limit allows."""

    def __init__(self, seconds, clock=None, max_time=None):
        self.seconds, self.clock, self.max_time = seconds, clock, max_time

    def __sklearn_clone__(self):
        return Slow(self.seconds, self.clock, self.max_time)

    def fit(self, X, y=None):
        self.limit_ = self.max_time
        limit = np.inf if self.max_time is None else self.max_time
        self.clock.now += min(self.seconds, limit)
        return self

    def score_samples(self, X):
        return -(X**2).sum(1)


def limits(detector):
    return [density.limit_ for density in detector.densities_]


def test_time_is_shared_evenly(clock):
    densities = [Slow(np.inf, clock) for _ in range(4)]
    detector = DensityOutlierDetector(densities, max_time=60).fit(rows())
    assert limits(detector) == [15, 15, 15, 15]
    assert clock.now == 60


def test_time_that_is_left_over_is_for_the_others(clock):
    detector = DensityOutlierDetector(
        [Slow(5, clock), Slow(np.inf, clock), Slow(1, clock)], max_time=65
    ).fit(rows())
    assert limits(detector) == [pytest.approx(65 / 3), 30, 30]


def test_a_limit_of_its_own_stays(clock):
    densities = [Slow(np.inf, clock, max_time=50), Slow(np.inf, clock)]
    detector = DensityOutlierDetector(densities, max_time=60).fit(rows())
    assert limits(detector) == [50, 10]
    assert [density.max_time for density in detector.densities_] == [50, None]


def test_limits_reach_into_pipelines(clock):
    density = make_pipeline(StandardScaler(), TransformedDensity(StandardScaler(), Slow(1, clock)))
    detector = DensityOutlierDetector(density, max_time=7).fit(rows())
    assert detector.densities_[0][-1].density_.limit_ == 7
    assert detector.densities_[0][-1].density.max_time is None


def test_time_that_is_over_leaves_a_little_to_each(clock):
    densities = [KernelDensity(), Slow(99, clock, max_time=99), Slow(1, clock)]
    detector = DensityOutlierDetector(densities, max_time=60).fit(rows())
    assert 0 < detector.densities_[-1].limit_ < 0.01


@pytest.mark.parametrize(
    ("options", "n_fits"), [({"trim": 0.1}, 1), ({"calibrate": "cv"}, 6), ({"calibrate": True}, 1)]
)
def test_all_rounds_share_the_time(clock, options, n_fits):
    detector = DensityOutlierDetector(
        Slow(np.inf, clock), max_time=60, random_state=0, **options
    ).fit(rows())
    assert limits(detector) == [60 / n_fits]
    assert clock.now == pytest.approx(60)


def test_without_a_limit_nothing_is_set(clock):
    detector = DensityOutlierDetector([Slow(1, clock), KernelDensity()]).fit(rows())
    assert detector.densities_[0].limit_ is None


def test_flows_end_in_time_and_others_stay_as_they_are():
    X = rows(100)
    frozen = FrozenEstimator(FlowDensity(**SMALL).fit(X))
    endless = FlowDensity(**{**SMALL, "max_epochs": 10**6, "n_iter_no_change": 10**6})
    with pytest.warns(NotConvergedWarning, match="max_time"):
        detector = DensityOutlierDetector([frozen, endless], max_time=1e-3).fit(X)
    assert detector.densities_[1].n_iter_ == 1
    assert detector.densities_[1].max_time is None
    assert frozen.max_time is None
    ample = DensityOutlierDetector(FlowDensity(**SMALL), max_time=1e4, random_state=0).fit(X)
    without = DensityOutlierDetector(FlowDensity(**SMALL), random_state=0).fit(X)
    np.testing.assert_array_equal(ample.score_samples(X), without.score_samples(X))


def test_a_density_that_fails_gets_its_limit_back(clock):
    class Failing(Slow):
        def __sklearn_clone__(self):
            return self

        def fit(self, X, y=None):
            raise ValueError("no")

    density = Failing(1, clock)
    with pytest.raises(ValueError, match="no"):
        DensityOutlierDetector(density, max_time=1).fit(rows())
    assert density.max_time is None
