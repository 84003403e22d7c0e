"""FractalFlowDensity of images that recurses by lifting."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from flowkit import FractalFlowDensity
from flowkit.exceptions import InvalidParameterError

from .examples import pictures

TINY = {
    "hidden_units": 4,
    "max_epochs": 1,
    "random_state": 0,
    "n_topics": 3,
    "lda_backend": None,
}


@pytest.fixture(scope="module")
def colours():
    return pictures(160, (6, 5, 3))


@pytest.fixture(scope="module")
def fitted(colours):
    return FractalFlowDensity(image_shape=(6, 5, 3), **TINY).fit(colours)


def test_odd_images_in_colour_are_lifted(colours, fitted):
    assert fitted.score_samples(colours).shape == (160,)
    shape = fitted.module_.bijection.bijections[0].phases[0].columns.shape
    assert shape == (3, 9)
    bits = fitted.bits_per_dim(pictures(100, (6, 5, 3), seed=1))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (160, 90))
    gaussian = LedoitWolf().fit(colours.reshape(160, 90) + noise)
    new = pictures(100, (6, 5, 3), seed=1).reshape(100, 90) + noise[:100]
    assert bits < -gaussian.score(new) / 90 / math.log(2) - 0.2


def test_latents_come_back_and_samples_are_grey_levels(colours, fitted):
    X = colours.reshape(160, -1).astype(float)
    latent = fitted.transform(X)
    back = fitted.inverse_transform(latent)
    np.testing.assert_array_equal(np.rint(back), X)
    # Between narrow components the map is too flat for its input to be kept to many digits.
    np.testing.assert_allclose(fitted.transform(back), latent, atol=1e-9)
    samples = fitted.sample(30, 0)
    np.testing.assert_array_equal(samples, samples.astype(np.uint8))
    np.testing.assert_array_equal(samples, fitted.sample(30, 0))
    assert np.isfinite(fitted.score_samples(samples)).all()
    # Drawn images have the contrasts of the training images.
    assert samples.std() == pytest.approx(X.std(), rel=0.5)


def test_a_score_depends_on_no_other_row(colours, fitted):
    scores = fitted.score_samples(colours)
    alone = [fitted.score_samples(colours[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(scores[:5], alone, rtol=1e-9)


def test_topics_are_those_of_coarse_pixels(colours, fitted):
    assert sorted(j for group in fitted.word_groups_ for j in group) == list(range(90))
    proportions = fitted.predict_proba(colours)
    assert proportions.shape == (160, 3)
    np.testing.assert_allclose(proportions.sum(1), 1)
    assert len(fitted.topics_) == 3
    assert fitted.sample(4, 0, topics=1).shape == (4, 90)
    swapped = fitted.swap_topics(colours[:10], colours[::-1][:10])
    assert ((swapped >= 0) & (swapped <= 255)).all()
    own = fitted.swap_topics(colours[:10], colours[:10])
    np.testing.assert_array_equal(own, colours[:10].reshape(10, -1))


def test_shares_of_the_log_density_tell_level_phase_and_place(colours, fitted):
    tree = fitted.log_det_tree(colours[:20])
    latent = fitted.transform(colours[:20].reshape(20, -1))
    prior = fitted.score_samples(colours[:20]) - tree.shares.sum(1)
    assert np.isfinite(prior).all()
    assert latent.shape == (20, 90)
    kinds = set(tree.kinds)
    assert {"root", "diagonal", "horizontal", "vertical"} <= kinds
    assert max(tree.levels) == 3
    # The finest pixels are known best.
    shares = tree.shares.mean(0)
    levels, kinds = np.array(tree.levels), np.array(tree.kinds)
    finest = shares[(levels == 0) & (kinds == "vertical")].mean()
    assert finest > shares[kinds == "root"].mean()


def test_it_survives_pickling_and_goes_on_with_chunks(colours, fitted):
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.score_samples(colours), fitted.score_samples(colours))
    copied.partial_fit(pictures(40, (6, 5, 3), seed=2))
    assert copied.n_iter_ == 2


@pytest.mark.parametrize("prior", ["normal", "gaussian_mixture"])
def test_other_priors_follow_a_lifting(prior):
    X = pictures(120, (4, 4))
    density = FractalFlowDensity(fractal="lifting", image_shape=(4, 4), prior=prior, **TINY).fit(X)
    assert np.isfinite(density.score_samples(density.sample(10, 0))).all()
    assert hasattr(density, "topics_") == (prior != "normal")


def test_densities_of_two_pixels_integrate_to_one():
    # No grey level stands out: a grid would miss the edges of its box.
    brightness, contrast = np.random.default_rng(0).normal(size=(2, 300, 1, 1))
    X = np.rint(128 + 25 * brightness + 8 * contrast * [-1, 1]).astype(np.uint8)
    options = {**TINY, "n_topics": 2, "max_epochs": 2}
    density = FractalFlowDensity(fractal="lifting", image_shape=(1, 2), **options).fit(X)
    line = np.arange(-250, 500, 3.0)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    mass = 9 * np.exp(density.score_samples(grid)).sum()
    assert mass == pytest.approx(1, abs=0.03)


def test_images_of_other_numbers_are_lifted_too():
    X = pictures(200, (5, 5)).astype(float) + np.random.default_rng(0).normal(size=(200, 5, 5))
    density = FractalFlowDensity(image_shape=(5, 5), **TINY).fit(X)
    assert density.module_.bijection.bijections[0].phases[0].n_boxes == 0
    assert np.isfinite(density.score_samples(X)).all()
    np.testing.assert_allclose(
        density.inverse_transform(density.transform(X.reshape(200, -1))),
        X.reshape(200, -1),
        rtol=1e-6,
        atol=1e-6,
    )


def test_tables_and_aligned_images_are_coupled():
    rng = np.random.default_rng(0)
    aligned = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 16)) + 0.01 * rng.normal(
        size=(200, 16)
    )
    for options in ({}, {"image_shape": (4, 4)}):
        density = FractalFlowDensity(n_blocks=1, **options, **TINY).fit(aligned)
        kinds = density.log_det_tree(aligned[:1]).kinds
        assert "coupling" in kinds
        assert "root" not in kinds


def test_lifting_needs_the_shape_of_the_images():
    with pytest.raises(InvalidParameterError, match="'lifting' needs image_shape, got None"):
        FractalFlowDensity(fractal="lifting", **TINY).fit(
            np.random.default_rng(0).normal(size=(30, 4))
        )
