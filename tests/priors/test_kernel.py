"""Kernels on rows: the prior, the flow that moves them, and the density that it makes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.datasets import make_moons
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity
from flowkit import bijections as b
from flowkit.estimators import flow as flow_module
from flowkit.estimators._hold_out import split
from flowkit.exceptions import (
    ChangedParameterError,
    FlowkitError,
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
    ShapeError,
)
from flowkit.modules import KernelFlow
from flowkit.priors import Kernel
from flowkit.training import FitRun

from ..tensors import perturbed

SMALL = {
    "prior": "kernel",
    "n_transforms": 2,
    "hidden_units": 16,
    "max_epochs": 2,
    "random_state": 0,
}
# A rate this small leaves the flow at the identity.
STILL = {**SMALL, "learning_rate": 1e-12, "max_epochs": 1}


def centres(n=30, d=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def started(places, **options):
    prior = Kernel(places.shape[1], len(places), **options).double()
    prior.start(places)
    return prior


def scored_bandwidth(prior):
    return prior._scored_log_bandwidth().exp().item()


def sklearn_scores(places, rows, bandwidth):
    # Sums over smaller leaves lose the tails.
    kernels = KernelDensity(bandwidth=bandwidth, leaf_size=len(places))
    return kernels.fit(places).score_samples(rows)


@pytest.fixture(scope="module")
def moons():
    return make_moons(400, noise=0.05, random_state=0)[0] * [10.0, 0.1]


@pytest.fixture(scope="module")
def bent(moons):
    return FlowDensity(**{**SMALL, "max_epochs": 25, "learning_rate": 5e-3}).fit(moons)


def holdout_of(density, X):
    """Rows that no kernel stands on."""
    Z = density._columns.standardise(X).astype(np.float32)
    rows = density.module_.rows.float().numpy()
    return ~(Z[:, None] == rows).all(2).any(1)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_integrates_to_one_whatever_the_bandwidth(factor):
    prior = started(centres(d=1), bandwidth_factor=factor)
    x = torch.linspace(-30, 30, 6001, dtype=torch.float64)
    # No step falls on a centre, where the density is that of the others.
    assert (x[:, None] - prior.centres.ravel()).abs().min() > 1e-5
    with torch.no_grad():
        density = prior.log_prob(x[:, None]).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1.0, abs=1e-6)


def test_leave_one_out_agrees_with_loops():
    places = centres(12, 3)
    prior = Kernel(3, 40).double()
    bandwidth = prior.log_bandwidth(11).exp().item()
    with torch.no_grad():
        got = prior.leave_one_out(places).numpy()
    for i, row in enumerate(places.numpy()):
        others = np.delete(places.numpy(), i, axis=0)
        kernels = [stats.norm(c, bandwidth).logpdf(row).sum() for c in others]
        assert got[i] == pytest.approx(np.logaddexp.reduce(kernels) - np.log(11), abs=1e-10)


def test_centres_are_scored_by_the_others_and_new_rows_by_all():
    places = centres()
    prior = started(places)
    places, bandwidth = places.numpy(), scored_bandwidth(prior)
    new = centres(20, seed=1)
    with torch.no_grad():
        on_centres = prior.log_prob(prior.centres).numpy()
        on_new = prior.log_prob(new).numpy()
    np.testing.assert_allclose(on_new, sklearn_scores(places, new, bandwidth), atol=1e-9)
    left_out = [
        sklearn_scores(np.delete(places, i, axis=0), places[i : i + 1], bandwidth)[0]
        for i in range(len(places))
    ]
    np.testing.assert_allclose(on_centres, left_out, atol=1e-9)


def test_of_equal_centres_one_alone_is_left_out():
    places = torch.cat([centres(10), centres(10)])
    prior = started(places)
    others = np.delete(places.numpy(), 0, axis=0)
    expected = sklearn_scores(others, places[:1], scored_bandwidth(prior))[0]
    assert prior.log_prob(places[:1]).item() == pytest.approx(expected, abs=1e-9)


def test_chunks_do_not_change_scores(monkeypatch):
    prior = started(centres())
    rows = torch.cat([centres(), centres(31, seed=1)])
    with torch.no_grad():
        whole = prior.log_prob(rows)
        monkeypatch.setattr(Kernel, "_MAX_KERNELS", 4 * 30)
        torch.testing.assert_close(prior.log_prob(rows), whole, rtol=0, atol=1e-12)


def test_bandwidth_follows_scott_and_has_a_floor():
    prior = Kernel(3, 50, width=0.7)
    assert prior.log_bandwidth(50).exp().item() == pytest.approx(0.7 * 50 ** (-1 / 7), rel=1e-6)
    ratio = (prior.log_bandwidth(100) - prior.log_bandwidth(50)).exp().item()
    assert ratio == pytest.approx(2 ** (-1 / 7), rel=1e-6)
    with torch.no_grad():
        prior.log_ratio.fill_(-1e3)
    assert prior.log_bandwidth(50).exp().item() == pytest.approx(
        0.7 * np.exp(-5) * 50 ** (-1 / 7), rel=1e-5
    )


def test_the_factor_narrows_scores_and_samples_alike():
    places = torch.tensor([[-100.0], [100.0]], dtype=torch.float64)
    wide, narrow = (started(places, bandwidth_factor=factor) for factor in (1.0, 0.25))
    assert scored_bandwidth(narrow) == pytest.approx(0.25 * scored_bandwidth(wide))
    draws = narrow.sample(4000, torch.Generator().manual_seed(0)).numpy().ravel()
    offsets = draws - 100 * np.sign(draws)
    assert stats.kstest(offsets, stats.norm(scale=scored_bandwidth(narrow)).cdf).pvalue > 1e-3
    assert stats.kstest(offsets, stats.norm(scale=scored_bandwidth(wide)).cdf).pvalue < 1e-9
    assert 0.45 < (draws > 0).mean() < 0.55


def test_impossible_kernels_are_refused():
    with pytest.raises(InvalidParameterError, match="n_centres must be at least 2, got 1"):
        Kernel(2, 1)
    with pytest.raises(InvalidParameterError, match="width"):
        Kernel(2, 5, width=0.0)
    with pytest.raises(InvalidParameterError, match="bandwidth_factor"):
        Kernel(2, 5, bandwidth_factor=float("inf"))
    with pytest.raises(ShapeError, match=r"\(5, 2\), got \(4, 2\)"):
        Kernel(2, 5).start(torch.zeros(4, 2))
    with pytest.raises(ShapeError, match="at least two rows"):
        Kernel(2, 5).leave_one_out(torch.zeros(1, 2))


class Steep(b.Bijection):
    """Drives rows near one apart."""

    slope = 1e4

    def _forward(self, x, context):
        return self.slope * (x - 1), x.new_full((len(x),), self.n_features * np.log(self.slope))

    def _inverse(self, z, context):
        return z / self.slope + 1, z.new_full((len(z),), -self.n_features * np.log(self.slope))


def kernel_flow(bijection, rows):
    module = KernelFlow(bijection, Kernel(rows.shape[1], len(rows))).double()
    module.start(rows)
    return module.eval()


def test_rows_of_a_batch_are_kernels_in_the_loss_and_all_rows_in_scores():
    rows = centres(40)
    module = kernel_flow(perturbed(b.AffineCoupling(2, hidden_units=8), 0.5), rows)
    batch, new = rows[:10], centres(10, seed=1)
    with torch.no_grad():
        z, log_det = module.bijection(new)
        expected = sklearn_scores(module.encode(rows), z, scored_bandwidth(module.prior))
        np.testing.assert_allclose(module.log_prob(new), expected + log_det.numpy(), atol=1e-9)
        z, log_det = module.bijection(batch)
        expected = module.prior.leave_one_out(z) + log_det
        torch.testing.assert_close(module.loss((batch, None)), -expected.mean())
        scores = module.log_prob(batch)
        assert torch.equal(module.train().log_prob(batch), scores)


@pytest.mark.parametrize("change", ["step", "load"])
def test_kernels_move_with_the_rows(change):
    rows, new = centres(40), centres(5, seed=1)
    module = kernel_flow(b.AffineCoupling(2, hidden_units=8), rows)
    other = perturbed(b.AffineCoupling(2, hidden_units=8), 0.5)
    expected = kernel_flow(other, rows).log_prob(new)
    if change == "step":
        module.train()
        module.bijection.load_state_dict(other.state_dict())
        module.refresh()
    else:
        module.load_state_dict(kernel_flow(other, rows).state_dict())
    torch.testing.assert_close(module.log_prob(new), expected)


def test_rows_are_known_for_centres_however_steep_the_map():
    """Rows are kept in float32; a steep map turns its rounding into a distance."""
    Z = centres(40)
    rows = 1 + Z / Steep.slope
    module = kernel_flow(Steep(2), rows.float().double())
    with torch.no_grad():
        got = module.log_prob(rows).numpy() - 2 * np.log(Steep.slope)
    bandwidth = scored_bandwidth(module.prior)
    expected = [
        sklearn_scores(np.delete(Z.numpy(), i, axis=0), Z[i : i + 1].numpy(), bandwidth)[0]
        for i in range(40)
    ]
    np.testing.assert_allclose(got, expected, atol=0.02)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"\(40, 2\), got \(40, 1\)"):
        kernel_flow(b.AffineCoupling(2), centres(40)).start(torch.zeros(40, 1))


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_begins_as_a_kernel_estimate(moons, factor):
    density = FlowDensity(bandwidth_factor=factor, **STILL).fit(moons)
    rows = density.module_.rows.numpy()
    bandwidth = scored_bandwidth(density.module_.prior)
    assert bandwidth == pytest.approx(factor * 0.5 * len(rows) ** (-1 / 6), rel=1e-4)
    new = np.random.default_rng(1).normal(size=(200, 2)) * moons.std(0) + moons.mean(0)
    Z = (new - density.location_) / density.scale_
    expected = sklearn_scores(rows, Z, bandwidth) - np.log(density.scale_).sum()
    np.testing.assert_allclose(density.score_samples(new), expected, atol=1e-5)


def test_training_rows_compare_with_new_ones(moons):
    """A kernel on the row itself would lift the rows of training far above all others."""
    density = FlowDensity(bandwidth_factor=0.25, early_stopping=False, **STILL).fit(moons)
    scores = density.score_samples(moons)
    new = make_moons(2000, noise=0.05, random_state=1)[0] * [10.0, 0.1]
    rows, bandwidth = density.module_.rows.numpy(), scored_bandwidth(density.module_.prior)
    Z = (moons - density.location_) / density.scale_
    with_own = sklearn_scores(rows, Z, bandwidth) - np.log(density.scale_).sum()
    assert abs(scores.mean() - density.score(new)) < 0.15
    assert with_own.mean() > density.score(new) + 0.4
    assert (with_own > scores).all()


def test_training_lifts_the_density_of_new_rows(bent):
    new = make_moons(400, noise=0.05, random_state=1)[0] * [10.0, 0.1]
    rows = bent.module_.rows.numpy()
    Z = (new - bent.location_) / bent.scale_
    start = sklearn_scores(rows, Z, 0.5 * len(rows) ** (-1 / 6)) - np.log(bent.scale_).sum()
    assert bent.score(new) > start.mean() + 0.3


def test_bent_space_beats_every_bandwidth():
    X = np.random.default_rng(0).normal(size=(600, 3))
    X[:, 2] = X[:, 0] + X[:, 1] + 0.05 * X[:, 2]
    density = FlowDensity(**{**SMALL, "max_epochs": 20, "learning_rate": 1e-2}).fit(X[:300])
    Z = (X - density.location_) / density.scale_
    straight = [sklearn_scores(Z[:300], Z[300:], h).mean() for h in np.geomspace(0.05, 0.5, 20)]
    assert density.score(X[300:]) > max(straight) - np.log(density.scale_).sum() + 0.2


def test_hold_out_is_no_kernel_and_chooses_the_epoch(bent, moons):
    held = holdout_of(bent, moons)
    assert held.sum() == 40
    assert len(bent.module_.rows) == 360
    best = bent.history_["valid_log_density"][bent.best_epoch_]
    assert best == bent.history_["valid_log_density"].max()
    assert bent.score(moons[held]) == pytest.approx(best, abs=1e-3)


def test_early_stopping_restores_the_best_weights(moons):
    overfitted = FlowDensity(
        **{**SMALL, "max_epochs": 300, "learning_rate": 0.1, "n_iter_no_change": 3}
    ).fit(moons)
    history = overfitted.history_["valid_log_density"]
    assert overfitted.best_epoch_ < overfitted.n_iter_ < 300
    held = holdout_of(overfitted, moons)
    assert overfitted.score(moons[held]) == pytest.approx(history[overfitted.best_epoch_], abs=1e-3)


def test_pickled_the_scores_are_the_same(bent, moons):
    state = pickle.dumps(bent)
    copy = pickle.loads(state)
    np.testing.assert_allclose(copy.score_samples(moons), bent.score_samples(moons), atol=1e-9)
    # Kernels follow from the rows, which are stored once, with a weight each.
    n_values = sum(value.size for value in bent.__getstate__()["_weights"].values())
    assert n_values < 360 * 3 + sum(p.numel() for p in bent.module_.parameters()) + 100


def test_same_row_same_score(bent, moons):
    together = bent.score_samples(moons)
    alone = np.concatenate([bent.score_samples(row[None]) for row in moons])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-9)


def test_redundant_columns_do_not_hide_the_rows_of_training():
    """The flow steepens without bound where one column follows from others."""
    X = np.random.default_rng(0).normal(size=(150, 2))
    X = np.column_stack([X, X.sum(1), X[:, 0] - X[:, 1]])
    density = FlowDensity(
        **{**SMALL, "max_epochs": 120, "learning_rate": 2e-3, "early_stopping": False}
    ).fit(X)
    module, prior = density.module_, density.module_.prior
    Z = torch.from_numpy(density._columns.standardise(X))
    own = (Z.float()[:, None] == module.rows.float()).all(2)
    assert own.sum() == 150
    with torch.no_grad():
        latent, log_det = module.bijection(Z)
        distances = torch.cdist(latent, prior.centres, compute_mode="donot_use_mm_for_euclid_dist")
        # Rounding alone is far, so that latents do not tell which row is which.
        assert (distances[own] > 1e-6 * (1 + latent.norm(dim=1))).any()
        log_bandwidth = prior._scored_log_bandwidth()
        kernels = -0.5 * (distances / log_bandwidth.exp()).square()
        kernels = kernels - 4 * (log_bandwidth + 0.5 * np.log(2 * np.pi))
        expected = kernels.masked_fill(own, -torch.inf).logsumexp(1) - np.log(149) + log_det
    expected = expected.numpy() - np.log(density.scale_).sum()
    np.testing.assert_allclose(density.score_samples(X), expected, atol=1e-6)


def test_samples_lie_near_the_rows(bent, moons):
    draws = bent.sample(1000, random_state=0)
    nearest = np.min(np.linalg.norm((draws[:, None] - moons) / moons.std(0), axis=2), axis=1)
    assert np.quantile(nearest, 0.95) < 0.3
    assert draws.std(0) == pytest.approx(moons.std(0), rel=0.1)
    # Samples are as likely as rows that the density has not seen.
    held = holdout_of(bent, moons)
    assert bent.score(draws) == pytest.approx(bent.score(moons[held]), abs=0.3)


def test_weights_of_zero_leave_rows_out(moons):
    weight = np.ones(len(moons))
    weight[:200] = 0
    density = FlowDensity(early_stopping=False, **SMALL).fit(moons, sample_weight=weight)
    rows = density.module_.rows.numpy()
    assert len(rows) == 200
    assert not holdout_of(density, moons[200:]).any()
    assert holdout_of(density, moons[:200]).all()
    assert np.isfinite(density.score_samples(moons)).all()


def test_weights_are_those_of_the_kernels(moons):
    weight = np.where(moons[:, 0] > 0, 3.0, 1.0)
    density = FlowDensity(early_stopping=False, **SMALL).fit(moons, sample_weight=weight)
    right = (density.module_.rows.numpy() * density.scale_ + density.location_)[:, 0] > 0
    shares = density.module_.prior.weights.numpy()
    expected = weight[moons[:, 0] > 0].sum() / weight.sum()
    assert shares[right].sum() / shares.sum() == pytest.approx(expected, abs=1e-6)
    drawn = density.sample(4000, random_state=0)[:, 0] > 0
    assert drawn.mean() == pytest.approx(expected, abs=0.05)
    assert np.isfinite(density.score_samples(moons)).all()


def test_many_rows_lend_some_of_them_for_kernels(moons, monkeypatch):
    assert flow_module._MAX_CENTRES == 5_000
    monkeypatch.setattr(flow_module, "_MAX_CENTRES", 100)
    density = FlowDensity(**STILL).fit(moons)
    assert density.module_.rows.shape == (100, 2)
    assert holdout_of(density, moons).sum() == 300
    new = moons + 1e-3
    Z = (new - density.location_) / density.scale_
    rows, bandwidth = density.module_.rows.numpy(), scored_bandwidth(density.module_.prior)
    expected = sklearn_scores(rows, Z, bandwidth) - np.log(density.scale_).sum()
    np.testing.assert_allclose(density.score_samples(new), expected, atol=1e-5)


def test_rows_that_repeat_make_no_spikes():
    X = np.repeat(np.random.default_rng(0).normal(size=(30, 2)), 10, axis=0)
    density = FlowDensity(**{**SMALL, "max_epochs": 5}).fit(X)
    assert (density.dequantization_ > 0).all()
    assert np.isfinite(density.score_samples(X)).all()
    # Without noise on ties the bandwidth would shrink to its floor.
    assert density.module_.prior.log_ratio.item() > -2


def test_one_column_and_two_rows():
    X = np.random.default_rng(0).normal(size=(60, 1))
    t = np.linspace(-8, 8, 4001)
    density = FlowDensity(**SMALL).fit(X)
    assert trapezoid(np.exp(density.score_samples(t[:, None])), t) == pytest.approx(1, abs=1e-4)
    two = FlowDensity(early_stopping=False, **SMALL).fit(X[:2])
    assert np.isfinite(two.score_samples(X)).all()


def test_constant_columns_pass():
    X = np.column_stack([np.random.default_rng(0).normal(size=60), np.ones(60)])
    with pytest.warns(UserWarning, match="one value only"):
        density = FlowDensity(**SMALL).fit(X)
    scores = density.score_samples(np.array([[0.0, 1.0], [0.0, 9.0]]))
    assert np.isfinite(scores).all()
    assert scores[0] > scores[1] + 10


def test_streams_keep_the_kernels_of_their_first_chunk(moons):
    density = FlowDensity(**SMALL).partial_fit(moons[:150])
    first = density.module_.rows.clone()
    before = density.score(moons[150:])
    for _ in range(10):
        density.partial_fit(moons[150:])
    assert torch.equal(density.module_.rows, first)
    assert density.score(moons[150:]) > before


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batches_without_others_are_refused(moons, batch_size):
    density = FlowDensity(early_stopping=False, **{**SMALL, "batch_size": batch_size})
    with pytest.raises(InvalidParameterError, match="batch_size must be at least 3"):
        density.fit(moons[:21])
    assert not hasattr(density, "module_")
    density.set_params(batch_size=3).fit(moons[:22])


def test_a_chunk_of_one_row_is_refused(moons):
    density = FlowDensity(**SMALL).partial_fit(moons[:100])
    before = density.score_samples(moons)
    with pytest.raises(InvalidDataError, match="two rows"):
        density.partial_fit(moons[100:101])
    np.testing.assert_array_equal(density.score_samples(moons), before)
    density.partial_fit(moons[100:102])


def test_warm_start_goes_on_from_the_same_kernels(moons):
    density = FlowDensity(warm_start=True, **SMALL).fit(moons)
    rows, before = density.module_.rows.clone(), density.score_samples(moons)
    # Another split holds out rows that kernels stand on: these must not judge themselves.
    density.set_params(random_state=1, learning_rate=1e-12, max_epochs=1).fit(moons)
    assert torch.equal(density.module_.rows, rows)
    _, held = split(len(moons), True, density.validation_fraction, FitRun(1).start)
    start = density.history_["valid_log_density"][0]
    assert start == pytest.approx(before[held].mean(), abs=1e-3)
    with pytest.raises(ChangedParameterError, match="bandwidth_factor"):
        density.set_params(bandwidth_factor=0.5).fit(moons)


def test_given_bijections_and_no_steps_at_all(moons):
    given = FlowDensity([b.SplineCoupling(2, hidden_units=8)], prior="kernel", max_epochs=2)
    assert np.isfinite(given.fit(moons).score_samples(moons)).all()
    linear = FlowDensity(**{**SMALL, "n_transforms": 0}).fit(moons)
    assert np.isfinite(linear.score_samples(moons)).all()


def test_rows_outside_a_given_domain_are_named():
    X = np.vstack([np.random.default_rng(0).uniform(0.1, 0.9, size=(50, 2)), [[2.0, 0.5]]])
    density = FlowDensity([b.Logit(2)], prior="kernel", standardize=False, max_epochs=1)
    assert np.isfinite(density.fit(X[:50]).score_samples(X[:50])).all()
    with pytest.raises(OutsideSupportError, match=r"1 training row.* rows 50 first"):
        FlowDensity([b.Logit(2)], prior="kernel", standardize=False, early_stopping=False).fit(X)


def test_named_transforms_need_columns_of_unit_scale(moons):
    with pytest.raises(InvalidParameterError, match="standardize=False needs transforms"):
        FlowDensity(standardize=False, **SMALL).fit(moons)


def test_gradient_norm_is_the_numerical_one(bent, moons):
    X = moons[:5] + 0.01
    step = 1e-5
    slopes = [
        (bent.score_samples(X + shift) - bent.score_samples(X - shift)) / (2 * step)
        for shift in step * np.diag(bent.scale_)
    ]
    np.testing.assert_allclose(bent._gradient_norm(X), np.linalg.norm(slopes, axis=0), rtol=1e-4)


def test_training_that_fails_leaves_the_density_as_it_was(bent, moons):
    before = bent.score_samples(moons)
    with pytest.raises(FlowkitError):
        bent.fit(np.full((50, 2), np.nan))
    np.testing.assert_array_equal(bent.score_samples(moons), before)
