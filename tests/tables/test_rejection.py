"""Draws that are repeated until constraints are met."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from flowkit.exceptions import UnmetConstraintsError
from flowkit.tables._constraints import Constraint
from flowkit.tables._rejection import _MOST_AT_ONCE, draw_accepted

from .examples import mixture_table


class Draws:
    """Uniform numbers beside the position of their row; what is asked for."""

    def __init__(self, n_rows):
        self.rng, self.n_rows, self.asked = np.random.default_rng(0), n_rows, []

    def __call__(self, n, which):
        rows = np.arange(self.n_rows)[which]
        self.asked.append((n, rows))
        places = np.broadcast_to(rows[:, None], (len(rows), n))
        return np.stack([places, self.rng.uniform(size=places.shape)], 2)


def accepted(n_rows, n, share):
    """Draws of which a share is accepted, of each row another."""
    draws, shares = Draws(n_rows), np.broadcast_to(share, n_rows)
    constraint = Constraint(lambda t: t[:, 1] < shares[t[:, 0].astype(int)])
    rows, acceptance = draw_accepted(draws, n, [constraint], lambda rows: rows)
    assert_array_equal(rows[:, 0], np.repeat(np.arange(n_rows), n))
    assert (rows[:, 1] < shares[rows[:, 0].astype(int)]).all()
    return draws.asked, acceptance


def test_only_rows_that_lack_draws_are_drawn_again():
    asked, acceptance = accepted(3, 50, [1.0, 0.02, 1.0])
    assert_array_equal(asked[0][1], [0, 1, 2])
    assert len(asked) > 1
    assert all(rows.tolist() == [1] for _, rows in asked[1:])
    assert acceptance == pytest.approx(0.02, rel=0.5)


def test_few_rows_are_drawn_at_once():
    asked, _ = accepted(300, 3, 0.004)
    assert max(n * len(rows) for n, rows in asked) <= _MOST_AT_ONCE + 300


def test_a_row_that_hardly_ever_meets_them_is_told():
    with pytest.raises(UnmetConstraintsError, match=r"0 of \d{5} draws meet all.*rows meet it\.$"):
        accepted(3, 5, [1.0, 0.0, 1.0])


def test_a_row_of_which_all_is_given_stands_beside_others(rng):
    X = pd.DataFrame({"x": rng.normal(size=200), "y": rng.normal(size=200)})
    fitted = mixture_table().fit(X)
    given = pd.DataFrame({"x": [0.5, 0.0], "y": [1.0, np.nan]})
    drawn = fitted.sample(5, random_state=0, given=given, constraints="y >= 1")
    assert (drawn["y"] >= 1).all()
    assert_array_equal(drawn["y"][:5], 1)
    with pytest.raises(UnmetConstraintsError):
        fitted.sample(5, random_state=0, given=given, constraints="y > 1")
