"""RGFlowDensity whose scales are those of a lifting."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator

from flowkit import DensityOutlierDetector, FractalFlowDensity, RGFlowDensity
from flowkit.bijections import Lattice
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from ..fitted import FittedOnce
from .examples import pictures

SHAPE = (4, 6, 3)
N = 4 * 6 * 3
TINY = {"image_shape": SHAPE, "hidden_units": 4, "max_epochs": 1, "random_state": 0}
AT_THE_START = {**TINY, "learning_rate": 1e-12}
NORMAL, TOPICS = {"prior": "normal"}, {"top_prior": "topic", "n_topics": 2}


@pytest.fixture(scope="module")
def colours():
    return pictures(160, SHAPE)


@pytest.fixture(scope="module")
def fits(colours):
    """Densities of these images by their options."""

    def fit(**options):
        return RGFlowDensity(layout="lifting", **{**TINY, **options}).fit(colours)

    once = FittedOnce(fit, colours[:9])
    yield once
    once.check()


@pytest.fixture(scope="module")
def density(fits):
    return fits()


@pytest.fixture(scope="module")
def fractal(colours):
    return FractalFlowDensity(fractal="lifting", prior="normal", **AT_THE_START).fit(colours)


def test_latents_have_the_levels_of_a_lattice_down_to_one_pixel(density):
    levels = density.latent_levels_.reshape(SHAPE)
    rows, columns = np.indices((4, 6))
    for level in range(3):
        own = (rows % 2**level == 0) & (columns % 2**level == 0)
        finer = ~((rows % 2 ** (level + 1) == 0) & (columns % 2 ** (level + 1) == 0))
        assert ((levels == level).all(2) == (own & finer)).all()
    assert np.argwhere(levels[:, :, 0] == 3).tolist() == [[0, 0]]
    assert density.n_levels_ == 4
    lattice = Lattice(N, image_shape=SHAPE, hidden_units=4)
    finest = lattice.levels.reshape(SHAPE) == 0
    np.testing.assert_array_equal(levels == 0, finest)


@pytest.mark.parametrize("prior", ["laplace", "normal"])
def test_it_starts_where_a_fractal_flow_does(fits, density, fractal, prior):
    new = pictures(40, SHAPE, seed=1)
    scales = fits(prior=prior, learning_rate=1e-12)
    np.testing.assert_allclose(
        scales.score_samples(new), fractal.score_samples(new), rtol=1e-6, atol=1e-3
    )
    # Training makes a difference.
    assert np.abs(density.score_samples(new) - fractal.score_samples(new)).max() > 1


def test_laplace_latents_are_quantiles_of_normal_ones(fits):
    new = pictures(40, SHAPE, seed=1)
    normal, laplace = (
        fits(prior=prior, learning_rate=1e-12).transform(new) for prior in ("normal", "laplace")
    )
    share = torch.special.ndtr(-torch.from_numpy(np.abs(normal)))
    expected = np.sign(normal) * np.sqrt(0.5) * -np.log(2 * share.numpy())
    inside = np.abs(normal) < 8
    np.testing.assert_allclose(laplace[inside], expected[inside], atol=1e-4)


@pytest.mark.parametrize("options", [{}, NORMAL, TOPICS, NORMAL | TOPICS], ids=str)
def test_levels_share_out_the_log_density(colours, fits, options):
    density = fits(**options)
    shares = density.score_levels(colours[:20])
    scores = density.score_samples(colours[:20])
    np.testing.assert_allclose(shares.scores.sum(1), scores, rtol=1e-10)
    np.testing.assert_allclose(shares.prior + shares.log_det, shares.scores, rtol=1e-10)
    assert shares.maps.shape == (20, 4, 4, 6)
    np.testing.assert_allclose(shares.maps.sum((2, 3)), shares.scores, rtol=1e-8)
    # A level has its shares where its latents sit; the scale of the columns is the finest level's.
    levels = density.latent_levels_.reshape(SHAPE)[:, :, 0]
    for level in range(1, 4):
        assert (shares.maps[:, level][:, levels != level] == 0).all()
        assert (shares.maps[:, level][:, levels == level] != 0).all()


def test_latents_come_back_level_by_level(colours, density):
    rows = colours[:7].reshape(7, -1)
    pyramid = density.latent_pyramid(rows)
    assert [level.shape for level in pyramid] == [(7, 54), (7, 12), (7, 3), (7, 3)]
    back = density.inverse_latent_pyramid(pyramid)
    np.testing.assert_array_equal(np.rint(back), rows)
    np.testing.assert_array_equal(density.mix_styles(rows, rows[::-1], 0), rows)
    np.testing.assert_array_equal(density.mix_styles(rows, rows[::-1], 4), rows[::-1])
    mixed = density.mix_styles(rows, rows[::-1], 1)
    np.testing.assert_array_equal(
        mixed[:, density.latent_levels_ >= 1], rows[:, density.latent_levels_ >= 1]
    )


def test_a_walk_moves_nothing_coarser(colours, density):
    rows = colours[:3].reshape(3, -1)
    moved = density.walk(rows, 1, 4, steps=(0, 3))
    np.testing.assert_array_equal(moved[0], rows)
    assert (moved[1] != rows).any(1).all()
    coarser = density.latent_levels_ > 1
    np.testing.assert_array_equal(moved[1][:, coarser], rows[:, coarser])


def test_receptive_fields_are_mean_absolute_derivatives(density):
    fields = density.receptive_fields(1, [0, 7], n_samples=2)
    assert fields.shape == (2, 4, 6)
    draws = density.module_.prior.sample(2, density._evaluator.generator(0))
    column = np.flatnonzero(density.latent_levels_ == 1)[7]
    expected = np.zeros(N)
    for row in draws:
        # Rows of the inverse Jacobian, by the map from images to latents.
        x = density.module_.decode(row[None])[0].detach()
        forward = torch.autograd.functional.jacobian(
            lambda r: density.module_.encode(r[None])[0], x
        )
        lengths = np.exp(density._columns.log_volumes(x[None].numpy()))[0]
        slopes = torch.linalg.inv(forward)[:, column].abs().numpy()
        expected += lengths * slopes / 2
    expected = expected.reshape(SHAPE).sum(2)
    np.testing.assert_allclose(fields[1], expected, rtol=1e-4, atol=1e-6 * expected.max())
    assert fields[1].ravel()[column // 3] > 0


def test_temperature_scales_latents_level_by_level(density):
    cold = density.sample(3, random_state=0, temperature=0.0)
    np.testing.assert_array_equal(cold[0], cold[1])
    plain, half = (
        density.sample(4, random_state=0, temperature=t) for t in (1.0, [0.5, 1.0, 1.0, 1.0])
    )
    coarse = density.latent_levels_ > 0
    np.testing.assert_array_equal(plain[:, coarse], half[:, coarse])
    assert (plain != half).any()
    np.testing.assert_array_equal(plain, plain.astype(np.uint8))


def test_topics_are_those_of_a_small_grid():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 300)
    X = rng.normal(size=(300, 8, 8)).cumsum(1) + 10 * kind[:, None, None]
    options = {"n_topics": 2, "top_prior": "topic", "hidden_units": 4, "max_epochs": 1}
    density = RGFlowDensity((8, 8), layout="lifting", random_state=0, **options).fit(X)
    assert density.module_.prior.sizes == [48, 16]
    proportions = density.predict_proba(X)
    np.testing.assert_allclose(proportions.sum(1), 1)
    agreement = (density.predict(X) == kind).mean()
    assert max(agreement, 1 - agreement) > 0.95
    cold = density.sample(50, random_state=0, temperature=0.0)
    assert len(np.unique(cold.round(6), axis=0)) == 2


def test_detectors_ask_for_its_levels(colours, density):
    odd = colours[:40].copy()
    odd[:, ::2, ::2] = 255 - odd[:, ::2, ::2]
    detector = DensityOutlierDetector(
        FrozenEstimator(density), statistic="levels", random_state=0
    ).fit(pictures(80, SHAPE, seed=2).reshape(80, -1))
    usual = detector.score_samples(pictures(40, SHAPE, seed=3).reshape(40, -1))
    assert np.median(detector.score_samples(odd.reshape(40, -1))) < np.median(usual)
    told = detector.explain(odd[:20].reshape(20, -1), by="levels")
    assert told.shape == (20, 4)
    # The coarse image is as common as any.
    assert (told.argmax(1) == 0).all()


def test_it_survives_pickling_and_goes_on(colours, density):
    copied = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(copied.score_samples(colours), density.score_samples(colours))
    copied.partial_fit(pictures(40, SHAPE, seed=2))
    assert copied.n_iter_ == 2
    # What was fitted counts, whatever the parameter has become since.
    copied.set_params(layout="blocks", image_shape=None)
    assert copied.score_levels(colours[:2].reshape(2, -1)).maps.shape == (2, 4, 4, 6)


def layout_of(X, **options):
    fitted = RGFlowDensity(hidden_units=4, max_epochs=1, random_state=0, **options).fit(X)
    return "lifting" if fitted.n_levels_ == 4 else "blocks"


def test_fields_are_lifted_and_few_factors_are_not():
    fields = pictures(160, (8, 8))
    assert layout_of(fields, image_shape=(8, 8)) == "lifting"
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 64))
    factors += 0.01 * rng.normal(size=(200, 64))
    assert layout_of(factors, image_shape=(8, 8)) == "blocks"
    assert layout_of(fields.reshape(160, 64)[:, :12].astype(float)) == "blocks"


def test_digits_are_likelier_than_under_the_best_gaussian():
    images = np.rint(load_digits().data * (255 / 16)).astype(np.uint8)
    density = RGFlowDensity((8, 8), hidden_units=8, max_epochs=1, random_state=0)
    density.fit(images[:600])
    train, test = (
        rows + np.random.default_rng(0).uniform(-0.5, 0.5, rows.shape)
        for rows in (images[:600].astype(float), images[1000:].astype(float))
    )
    scores = [LedoitWolf().fit(train).score(test)]
    logits = [np.log(p / (1 - p)) for p in (0.05 + 0.9 * (X + 0.5) / 256 for X in (train, test))]
    p = 0.05 + 0.9 * (test + 0.5) / 256
    log_det = np.log(0.9 / 256 / (p * (1 - p))).sum(1).mean()
    scores += [LedoitWolf().fit(logits[0]).score(logits[1]) + log_det]
    bits = -max(scores) / 64 / math.log(2)
    assert density.n_levels_ == 4
    assert density.bits_per_dim(images[1000:]) < bits - 0.5


@pytest.mark.parametrize(
    "option",
    [
        {"kernel_size": 3},
        {"n_layers": [1, 1]},
        {"boundary": "open"},
        {"coupling": "spline"},
        {"share_levels": True},
        {"n_res_blocks": 2},
        {"gradient_checkpointing": True},
        {"prior": "student_t"},
    ],
    ids=str,
)
def test_options_of_blocks_ask_for_blocks(option):
    fields = pictures(60, (8, 8))
    assert layout_of(fields, image_shape=(8, 8), **option) == "blocks"


def test_lifting_ignores_options_of_blocks(colours, density):
    other = RGFlowDensity(
        layout="lifting", kernel_size=3, boundary="open", coupling="spline", **TINY
    ).fit(colours)
    np.testing.assert_array_equal(other.score_samples(colours), density.score_samples(colours))


def test_what_lifting_cannot_do_is_refused(colours, density):
    with pytest.raises(InvalidParameterError, match=r"'normal', 'laplace', got 'student_t'"):
        RGFlowDensity(layout="lifting", prior="student_t", **TINY).fit(colours)
    with pytest.raises(InvalidParameterError, match="image_shape is set"):
        RGFlowDensity(layout="lifting", missing="marginalize", **TINY).fit(colours)
    with pytest.raises(InvalidDataError, match="or 4 of them"):
        density.sample(1, temperature=[1, 1])


@pytest.mark.parametrize("options", [{}, TOPICS, NORMAL], ids=str)
def test_holes_of_lifted_images_are_filled(colours, fits, options):
    density = fits(**options)
    rows = colours[:3].reshape(3, -1)
    holes = np.zeros((3, *SHAPE[:2]), dtype=bool)
    holes[0, 1:3, 1:3] = holes[1, :2] = holes[2, -1, -1] = True
    columns = holes.repeat(SHAPE[2], -1).reshape(3, -1)
    filled = density.inpaint(rows, holes, n_steps=3)
    draws = density.inpaint(rows, holes, n_samples=2, n_steps=3, n_langevin_steps=4)
    for found in (filled, *draws):
        np.testing.assert_array_equal(found[~columns], rows[~columns])
        assert np.isfinite(found).all()
    apart = density.inpaint(rows[1:2], holes[1], n_steps=3)
    np.testing.assert_allclose(filled[1], apart[0], rtol=1e-6, atol=1e-6)
