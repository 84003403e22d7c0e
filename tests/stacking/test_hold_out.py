"""The rows that weights are fitted to: folds, shares, splits that are given, fitted members."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit
from sklearn.neighbors import KernelDensity

from flowkit import TableDensity
from flowkit.exceptions import (
    FlowkitError,
    InvalidDataError,
    OutsideSupportError,
    UnreachedRowsWarning,
)
from flowkit.stacking._hold_out import hold_out

from .examples import members, rows, stack

X = rows()
EVERY = np.arange(len(X))


def parts(cv, kept=EVERY, seed=0):
    return hold_out(cv, X, kept, np.random.RandomState(seed))


CUTS = {
    "folds": 3,
    "none": None,
    "share": 0.3,
    "splitter": KFold(4),
    "shuffled": ShuffleSplit(3, random_state=0),
    "iterable": [(np.arange(100), np.arange(100, 200)), (EVERY >= 50, EVERY < 50)],
}
every_cut = pytest.mark.parametrize("cv", CUTS.values(), ids=CUTS)


@every_cut
@pytest.mark.parametrize("kept", [EVERY, EVERY[::3]], ids=["all", "a_third"])
def test_rows_are_held_out_or_fitted_to(cv, kept):
    for training, held_out in parts(cv, kept):
        assert held_out.size
        assert not np.intersect1d(training, held_out).size
        assert np.isin(np.concatenate([training, held_out]), kept).all()


@pytest.mark.parametrize("cv", [2, 5, None, KFold(3), len(X), 10 * len(X)], ids=str)
def test_folds_hold_out_each_row_once(cv):
    held_out = np.concatenate([positions for _, positions in parts(cv)])
    np.testing.assert_array_equal(np.sort(held_out), EVERY)


def test_folds_are_of_one_size_and_drawn_at_random():
    sizes = [len(held_out) for _, held_out in parts(7)]
    assert max(sizes) - min(sizes) <= 1
    assert len(parts(None)) == 5
    np.testing.assert_array_equal(parts(3)[0][1], parts(3)[0][1])
    assert not np.array_equal(parts(3)[0][1], parts(3, seed=1)[0][1])


@pytest.mark.parametrize(
    ("share", "n"), [(0.25, 50), (1e-9, 1), (1 - 1e-9, 199), (np.float32(0.5), 100)]
)
def test_a_share_is_held_out_once(share, n):
    ((training, held_out),) = parts(share)
    assert len(held_out) == n
    assert len(training) == len(X) - n


def test_splits_that_are_given_are_used_as_they_are():
    groups = np.arange(len(X)) % 3
    given = list(LeaveOneGroupOut().split(X, groups=groups))
    for (training, held_out), split in zip(parts(given), given, strict=True):
        np.testing.assert_array_equal(training, split[0])
        np.testing.assert_array_equal(held_out, split[1])
    with pytest.raises(InvalidDataError, match="holds out no row of positive weight"):
        parts(given, kept=EVERY[:0])


class Memory(BaseEstimator):
    """A density that tells rows that it was fitted to."""

    def fit(self, X, y=None):
        self.rows_ = set(X[:, 0])
        return self

    def score_samples(self, X):
        return np.array([0.0 if x in self.rows_ else -1.0 for x in X[:, 0]])


@every_cut
def test_no_row_is_scored_by_a_fit_to_it(cv):
    density = stack([("memory", Memory())], cv=cv).fit(X)
    assert (density.log_densities_ == -1).all()
    assert (np.diff(density.held_out_) >= 0).all()
    assert (density.score_samples(X) == 0).all()


def test_log_densities_are_in_the_order_of_the_rows():
    density = stack(cv=KFold(4)).fit(X)
    for training, held_out in KFold(4).split(X):
        expected = clone(members()[1][1]).fit(X[training]).score_samples(X[held_out])
        np.testing.assert_allclose(density.log_densities_[held_out, 1], expected)


def test_fitted_members_are_taken_as_they_are():
    fitted = [(name, clone(one).fit(X)) for name, one in members()]
    new = rows(seed=1)
    density = stack(fitted, cv="prefit").fit(new)
    assert all(one is given for one, (_, given) in zip(density.estimators_, fitted, strict=True))
    expected = np.column_stack([one.score_samples(new) for _, one in fitted])
    np.testing.assert_array_equal(density.log_densities_, expected)
    with pytest.raises(NotFittedError):
        stack(cv="prefit").fit(new)


def test_frozen_members_stay_in_every_fit():
    frozen = FrozenEstimator(KernelDensity(bandwidth=0.5).fit(rows(seed=3)))
    density = stack([("frozen", frozen), *members()], cv=3).fit(X)
    np.testing.assert_array_equal(density.log_densities_[:, 0], frozen.score_samples(X))
    assert clone(density).fit(X).score(X) == density.score(X)


def test_rows_that_no_member_reaches_are_counted():
    box = KernelDensity(bandwidth=1.0, kernel="tophat")
    near = np.random.default_rng(0).uniform(size=(100, 2))
    far = np.concatenate([near, [[1e3, 0.0], [0.0, 1e3]]])
    density = stack([("box", box), ("ball", clone(box))], cv=4)
    with pytest.warns(UnreachedRowsWarning, match=r"2 of 102 .* \(box, ball\).*rows 100, 101"):
        density.fit(far)
    np.testing.assert_array_equal(density.held_out_, np.arange(100))
    assert density.log_densities_.shape == (100, 2)
    assert density.weights_.sum() == pytest.approx(1)
    weighted = stack([("box", box), ("ball", clone(box))], cv=4)
    with pytest.warns(UnreachedRowsWarning, match="2 of 102"):
        weighted.fit(far, sample_weight=np.ones(102))
    np.testing.assert_array_equal(weighted.weights_, density.weights_)


def test_weights_need_a_row_that_a_member_reaches():
    box = KernelDensity(bandwidth=1.0, kernel="tophat")
    far = stack([("box", box)], cv=[(np.arange(5), np.arange(5, 10))])
    with pytest.raises(
        OutsideSupportError, match=r"5 of 5 rows .* None is left .* TableDensity\(StackedDensity"
    ):
        far.fit(np.repeat([[0.0], [1e3]], 5, axis=0))
    assert not hasattr(far, "weights_")


def test_tables_with_rare_levels_are_weighted_by_the_others():
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 61) ** 1.5
    level = rng.choice([f"l{i}" for i in range(60)], 400, p=share / share.sum())
    frame = pd.DataFrame({"a": rng.normal(size=400), "c": level})
    tables = [(f"t{h}", TableDensity(KernelDensity(bandwidth=h), n_draws=4)) for h in (0.3, 1)]
    density = stack(tables)
    with pytest.warns(UnreachedRowsWarning, match=r"of 80 rows held out"):
        density.fit(frame)
    _, unseen = hold_out(0.2, frame, np.arange(400), np.random.RandomState(0))[0]
    seen = np.isin(level[unseen], np.delete(level, unseen))
    assert not seen.all()
    np.testing.assert_array_equal(density.held_out_, unseen[seen])
    assert np.isfinite(density.score_samples(frame)).all()


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_scores_that_are_no_log_densities_are_refused(score):
    class Broken(KernelDensity):
        def score_samples(self, X):
            return np.full(len(X), score)

    with pytest.raises(InvalidDataError, match=rf"member 'broken' scores .* with {score}"):
        stack([*members(), ("broken", Broken())]).fit(X)


def test_one_row_is_too_few_unless_members_are_fitted():
    with pytest.raises(InvalidDataError, match=r"at least 2 rows.*n_samples=1"):
        stack().fit(X[:1])
    fitted = [(name, clone(one).fit(X)) for name, one in members()]
    assert stack(fitted, cv="prefit").fit(X[:1]).weights_.max() == pytest.approx(1)


@pytest.mark.parametrize("cv", [0, 1, 1.0, -0.5, "folds", True])
def test_other_ways_are_refused(cv):
    with pytest.raises(FlowkitError, match="'cv' parameter"):
        stack(cv=cv).fit(X)
