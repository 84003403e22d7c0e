"""Shares of the time that is left."""

from __future__ import annotations

import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import StackedDensity
from flowkit.nested import TimeLimit, _time_limit, can_end, limited


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_time_limit, "time", clock)
    return clock


class Timed(BaseEstimator):
    def __init__(self, max_time=None):
        self.max_time = max_time


@pytest.mark.parametrize(("n_fits", "n_at_once"), [(1, 1), (6, 1), (6, 2), (7, 3), (2, 4)])
def test_fits_that_take_their_share_end_in_time(clock, n_fits, n_at_once):
    limit, shares = TimeLimit(60, n_fits, n_at_once), []
    for first in range(0, n_fits, n_at_once):
        side_by_side = [limit.next_share() for _ in range(min(n_at_once, n_fits - first))]
        clock.now += max(side_by_side)
        shares += side_by_side
    assert clock.now == pytest.approx(60)
    assert shares == pytest.approx([60 / -(-n_fits // n_at_once)] * n_fits)


def test_without_a_limit_there_are_no_shares():
    assert TimeLimit(None, 3).next_share() is None
    density = Timed()
    with limited(density, None):
        assert density.max_time is None


def test_a_limit_is_for_those_without_one_and_ends():
    density = make_pipeline(StandardScaler(), Timed(), Timed(3.0))
    with limited(density, 2.0):
        assert [step.max_time for step in density[1:]] == [2.0, 3.0]
    assert [step.max_time for step in density[1:]] == [None, 3.0]


@pytest.mark.parametrize(("own", "meanwhile"), [(None, 2.0), (5.0, 5.0)])
def test_what_has_a_limit_of_its_own_shares_it_within(own, meanwhile):
    stack = StackedDensity([("a", Timed()), ("b", make_pipeline(Timed()))], max_time=own)
    density = make_pipeline(StandardScaler(), stack)
    assert can_end(density) == (own is None)
    with limited(density, 2.0):
        assert stack.max_time == meanwhile
        assert stack.get_params()["a__max_time"] is None
        assert stack.get_params()["b__timed__max_time"] is None
    assert stack.max_time == own
