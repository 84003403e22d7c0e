"""Fits of members share the time that a stack may take."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity
from flowkit.exceptions import MemberLeftOutWarning
from flowkit.nested import _time_limit
from flowkit.stacking import _fitting

from .examples import rows, stack

X = rows(100)


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_time_limit, "time", clock)
    monkeypatch.setattr(_fitting, "time", clock)
    Slow.clock, Slow.fits = clock, []
    return clock


class Slow(BaseEstimator):
    """A density whose start takes some seconds, and its training as many more as it is given."""

    def __init__(self, name="slow", start=0.0, wanted=1e6, height=0.0, max_time=None):
        self.name, self.start, self.wanted, self.height = name, start, wanted, height
        self.max_time = max_time

    def fit(self, X, y=None):
        limit = np.inf if self.max_time is None else self.max_time
        Slow.clock.now += min(self.start + self.wanted, max(self.start, limit))
        Slow.fits.append((self.name, len(X), limit))
        self.n_rows_ = len(X)
        return self

    def score_samples(self, X):
        return np.full(len(X), self.height)


def members(*slow):
    return [(one.name, one) for one in slow]


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("cv", [0.2, 5])
@pytest.mark.parametrize("max_time", [8.0, 30.0])
@pytest.mark.parametrize("wanted", [0.0, 0.5, 2.0, 7.0, 1e6])
@pytest.mark.parametrize("start", [0.0, 0.3, 3.0])
@pytest.mark.filterwarnings("ignore::flowkit.exceptions.MemberLeftOutWarning")
def test_time_is_exceeded_by_one_start_at_most(clock, ensemble, cv, max_time, wanted, start):
    given = members(*(Slow(name, start, wanted) for name in "abcd"))
    density = stack(given, cv=cv, max_time=max_time, ensemble=ensemble).fit(X)
    assert clock.now <= max_time + start + 1e-6
    assert density.get_params()["a__max_time"] is None
    assert np.isfinite(density.score(X))


def test_time_that_suffices_changes_nothing(clock):
    given = members(Slow("a", 1.0, 1.0), Slow("b", 2.0, 2.0))
    limited, free = (stack(given, cv=3, max_time=limit).fit(X) for limit in (1e3, None))
    np.testing.assert_array_equal(limited.held_out_, free.held_out_)
    assert limited.refitted_.all()
    assert free.refitted_.all()
    assert [one.n_rows_ for one in limited.estimators_] == [len(X)] * 2
    assert sorted(fit[:2] for fit in Slow.fits[:8]) == sorted(fit[:2] for fit in Slow.fits[8:])


def test_fits_that_never_end_share_all_time_evenly(clock):
    density = stack(members(Slow("a"), Slow("b"), Slow("c")), cv=4, max_time=30).fit(X)
    expected = [(name, n, pytest.approx(5)) for n in (75, 100) for name in "abc"]
    assert Slow.fits == expected
    assert density.refitted_.all()
    assert len(density.held_out_) == 25


def test_fits_that_are_kept_share_the_time_among_themselves(clock):
    density = stack(members(Slow("a"), Slow("b")), cv=3, max_time=30, ensemble=True).fit(X)
    assert [fit[0] for fit in Slow.fits] == ["a", "b"] * 3
    assert [fit[2] for fit in Slow.fits] == pytest.approx([5] * 6)
    assert len(density.held_out_) == len(X)


def test_time_that_quick_members_leave_is_for_the_others(clock):
    stack(members(Slow("a", 0.0, 1.0), Slow("b")), cv=0.5, max_time=31).fit(X)
    assert Slow.fits[1] == ("b", 50, pytest.approx(10))
    assert Slow.fits[3] == ("b", 100, pytest.approx(19))


def test_there_are_fewer_folds_where_time_is_short(clock):
    """Each round takes 3 seconds, and one is kept for the fits to all rows."""
    given = members(Slow("a", 0.0, 1.0), Slow("b", 0.0, 2.0))
    density = stack(given, cv=5, max_time=10).fit(X)
    assert len(density.held_out_) == 40
    assert density.refitted_.all()


def test_the_weightiest_is_the_first_to_be_fitted_to_all_rows(clock):
    given = members(Slow("low", 4.0, 0.0), Slow("high", 4.0, 0.0, height=5.0))
    density = stack(given, cv=0.2, max_time=13).fit(X)
    np.testing.assert_array_equal(density.refitted_, [False, True])
    assert [one.n_rows_ for one in density.estimators_] == [80, 100]


def test_members_whose_turn_comes_too_late_are_left_out(clock):
    given = members(Slow("a", 3.0), Slow("b", 3.0), Slow("c", 3.0), Slow("d", 3.0))
    density = stack(given, max_time=5, cv=5)
    with pytest.warns(MemberLeftOutWarning, match="max_time=5 ran out before members c, d began"):
        density.fit(X)
    assert [one.name for one in density.estimators_] == ["a", "b"]
    assert density.weights_.shape == density.refitted_.shape == (2,)
    assert density.log_densities_.shape == (20, 2)
    assert density.named_estimators_["c"] == "drop"
    assert density.score(X) == 0


def test_flows_end_when_they_are_told_to():
    endless = FlowDensity(
        "affine_coupling", n_transforms=1, max_epochs=10**6, n_iter_no_change=10**6, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        density = stack([("flow", endless), ("kernels", KernelDensity())], cv=2, max_time=1e-3)
        density.fit(X)
    assert density.estimators_[0].n_iter_ == 1
    assert density.estimators_[0].max_time is None
    assert density.named_estimators_["kernels"] == "drop"


def test_processes_share_the_time_of_all():
    given = [(name, KernelDensity(bandwidth=width)) for name, width in (("a", 1.0), ("b", 2.0))]
    density = stack(given, cv=3, max_time=100.0, n_jobs=2).fit(X)
    free = stack(given, cv=3).fit(X)
    np.testing.assert_array_equal(density.score_samples(X), free.score_samples(X))
    assert density.refitted_.all()
