"""Training on incomplete rows: rounds, weights, time, and Ctrl-C."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from skorch.callbacks import Callback

from flowkit import FlowDensity
from flowkit.exceptions import ChangedParameterError, InterruptedFitWarning
from flowkit.missing import Completion
from flowkit.training import callbacks as training_callbacks
from flowkit.training import fit_run

from .examples import DENSITIES, correlated, every_density, moons, with_holes


def test_training_on_incomplete_rows_beats_means_in_the_holes():
    X = moons(1000)
    holes, test = with_holes(X[:600]), X[600:]
    options = {"n_transforms": 2, "hidden_units": 32, "max_epochs": 20, "random_state": 0}
    score = FlowDensity(missing="marginalize", **options).fit(holes).score(test)
    means = np.where(np.isnan(holes), np.nanmean(holes, 0), holes)
    assert score > FlowDensity(**options).fit(means).score(test) + 0.5
    assert score > FlowDensity(**options).fit(X[:600]).score(test) - 0.25


def test_columns_are_described_by_what_is_known():
    X = correlated()
    X[:, 2] = np.round(X[:, 2])
    holes = with_holes(X)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    density = DENSITIES["flow"]().fit(holes, sample_weight=weight)
    for j in range(2):
        known = ~np.isnan(holes[:, j])
        mean = np.average(holes[known, j], weights=weight[known])
        assert density.location_[j] == pytest.approx(mean)
    np.testing.assert_array_equal(density.dequantization_, [0, 0, 1])


def in_rounds(**kw):
    return DENSITIES["flow"](
        **{"max_epochs": 40, "n_iter_no_change": 4, "learning_rate": 0.01, **kw}
    )


def test_rounds_share_the_epochs(holes):
    density = in_rounds().fit(holes)
    assert 0 < density.best_epoch_ <= density.n_iter_ <= 40
    history = density.history_
    np.testing.assert_array_equal(history["epoch"], np.arange(density.n_iter_ + 1))
    assert {len(column) for column in history.values()} == {density.n_iter_ + 1}
    # Each round has a schedule of its own.
    rises = np.flatnonzero(np.diff(history["learning_rate"][1:]) > 1e-3)
    assert rises.size
    alone = DENSITIES["flow"](max_epochs=25, early_stopping=False).fit(holes)
    assert alone.n_iter_ == alone.best_epoch_ == 25


def test_later_rounds_and_warm_starts_draw_from_the_density(holes, monkeypatch):
    sources, draws = [], Completion.draws

    def noting(self, Z, n_draws, rng, evaluator=None, *args):
        sources.append(evaluator is not None)
        return draws(self, Z, n_draws, rng, evaluator, *args)

    monkeypatch.setattr(Completion, "draws", noting)
    density = in_rounds(warm_start=True).fit(holes)
    # The start, then rows and hold-out of the first round.
    assert sources[:3] == [False] * 3
    assert len(sources) > 3
    assert all(sources[3:])
    sources.clear()
    density.fit(holes)
    assert sources
    assert all(sources)


def test_a_round_that_does_not_pay_is_undone(holes, monkeypatch):
    first = in_rounds().fit(holes)
    modules = []

    def falling(self, X, n_draws, evaluator):
        modules.append(evaluator.module)
        return np.full(len(X), -float(len(modules))), np.zeros(len(X))

    monkeypatch.setattr(Completion, "marginal", falling)
    density = in_rounds().fit(holes)
    assert len(modules) == 2
    assert density.module_ is modules[0]
    assert density.best_epoch_ + 4 <= density.n_iter_ <= 40
    np.testing.assert_array_equal(
        density.history_["train_log_density"][1:9], first.history_["train_log_density"][1:9]
    )


def test_complete_rows_are_trained_on_as_ever():
    X = moons(200)
    with_parameter = DENSITIES["flow"]().fit(X)
    without = DENSITIES["flow"](missing=None).fit(X)
    assert with_parameter.score(X) == pytest.approx(without.score(X), abs=0.3)
    row = [[np.nan, 0.2]]
    assert np.isfinite(with_parameter.score_samples(row)).all()


@every_density
def test_fits_with_one_seed_are_alike_and_survive_pickling(build, holes):
    density, again = build(max_epochs=6).fit(holes), clone(build(max_epochs=6)).fit(holes)
    scores = density.score_samples(holes)
    np.testing.assert_array_equal(again.score_samples(holes), scores)
    loaded = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(loaded.score_samples(holes), scores)
    np.testing.assert_array_equal(
        loaded.impute(holes, random_state=0), density.impute(holes, random_state=0)
    )


def test_rows_of_weight_zero_and_rows_without_values_are_left_out(holes):
    empty = np.full((3, 2), np.nan)
    weight = np.r_[np.ones(len(holes)), np.zeros(5), np.ones(3)]
    more = np.concatenate([holes, moons(5) + 100, empty])
    expected = DENSITIES["flow"]().fit(holes[~np.isnan(holes).all(1)])
    got = DENSITIES["flow"]().fit(more, sample_weight=weight)
    np.testing.assert_array_equal(got.score_samples(moons(9)), expected.score_samples(moons(9)))


def test_weights_pull_the_density_towards_heavy_rows():
    X = np.concatenate([correlated(300), correlated(300) + 20])
    weight = np.repeat([1.0, 9.0], 300)
    density = DENSITIES["flow"](max_epochs=10).fit(with_holes(X), sample_weight=weight)
    share = (density.sample(2000, random_state=0)[:, 0] > 10).mean()
    assert share == pytest.approx(0.9, abs=0.05)


def test_warm_start_goes_on(holes):
    density = DENSITIES["flow"](warm_start=True, max_epochs=10).fit(holes)
    first, scale = density.history_["valid_log_density"][-1], density.scale_
    density.fit(with_holes(moons(), seed=8))
    assert density.history_["valid_log_density"][0] == pytest.approx(first, abs=0.4)
    assert density.scale_ is scale
    density.set_params(missing=None)
    with pytest.raises(ChangedParameterError, match="missing was 'marginalize'"):
        density.fit(moons())


class Clock:
    """Time that passes only when it is asked for."""

    now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize("max_time", [20.0, 40.0, 60.0])
def test_rounds_of_training_end_in_time_together(max_time, holes, monkeypatch):
    clock = Clock()
    for module in (fit_run, training_callbacks):
        monkeypatch.setattr(module, "time", clock)
    options = {"max_epochs": 9999, "n_iter_no_change": 1, "batch_size": 90}
    density = DENSITIES["flow"](**options, max_time=max_time).fit(holes)
    # Asked a few times more where it has run out.
    assert clock.now < max_time + 6
    assert {len(column) for column in density.history_.values()} == {density.n_iter_ + 1}
    # Completing rows takes time too, but one step is always made.
    assert DENSITIES["flow"](**options, max_time=1e-6).fit(holes).n_iter_ == 1


class InRound(Callback):
    """Presses Ctrl-C in the second round, in a batch of some epoch."""

    def __init__(self, epoch):
        self.epoch, self.round, self.first = epoch, 0, 0

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, net, **kwargs):
        self.round += 1

    def on_epoch_begin(self, net, **kwargs):
        self.first += self.round == 1

    def on_batch_begin(self, net, **kwargs):
        if self.round == 2 and len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_in_a_later_round_keeps_the_earlier_ones(epoch, holes):
    callback = InRound(epoch)
    density = DENSITIES["flow"](max_epochs=60, n_iter_no_change=3, callbacks=[callback])
    with pytest.warns(InterruptedFitWarning):
        density.fit(holes)
    assert callback.round == 2
    assert density.n_iter_ == callback.first + epoch - 1
    assert {len(column) for column in density.history_.values()} == {density.n_iter_ + 1}
    assert np.isfinite(density.score_samples(holes)).all()


@pytest.mark.parametrize("name", ["flow", "fractal"])
def test_partial_fit_takes_incomplete_chunks(name):
    X = moons(2000)
    density = DENSITIES[name](max_epochs=1)
    for chunk in np.array_split(with_holes(X), 10):
        density.partial_fit(chunk)
    one_sided = X[:50].copy()
    one_sided[:, 1] = np.nan
    density.partial_fit(one_sided)
    assert density.n_iter_ == 11
    assert (
        density.score(moons(500, seed=9))
        > stats.multivariate_normal(X.mean(0), np.cov(X.T)).logpdf(moons(500, seed=9)).mean() + 0.2
    )


def test_training_noise_widens_the_density_of_incomplete_rows(holes):
    options = {"max_epochs": 10, "learning_rate": 3e-4}
    plain = DENSITIES["flow"](**options).fit(holes)
    noisy = DENSITIES["flow"](**options, noise=0.5).fit(holes)
    spread = noisy.sample(4000, random_state=0).std(0) / plain.sample(4000, random_state=0).std(0)
    assert (spread > 1.05).all()
