"""Holes in images that are lifted."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit import FractalFlowDensity, RGFlowDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .test_fractal_lifting import TINY, pictures

SHAPE = (6, 5, 3)
BRIEF = {"n_steps": 1, "n_langevin_steps": 2}


@pytest.fixture(scope="module")
def images():
    return pictures(112, SHAPE)


@pytest.fixture(scope="module")
def density(images):
    return FractalFlowDensity(image_shape=SHAPE, **TINY).fit(images[:100])


@pytest.fixture(scope="module")
def masks():
    """Holes of two by two pixels, each image with one of its own."""
    masks = np.zeros((12, *SHAPE[:2]), dtype=bool)
    for i, mask in enumerate(masks):
        mask[i % 5 : i % 5 + 2, i % 4 : i % 4 + 2] = True
    return masks


def columns_of(masks):
    return masks[..., None].repeat(3, -1).reshape(len(masks), -1)


def test_every_row_with_its_own_hole_is_filled_with_the_others(density, images, masks):
    X, holes = images[100:].reshape(12, -1).astype(float), columns_of(masks)
    filled = density.inpaint(np.where(holes, np.nan, X), masks, n_steps=2)
    np.testing.assert_array_equal(filled[~holes], X[~holes])
    np.testing.assert_array_equal(filled, filled.astype(np.uint8))
    # What the holes held has no say, and neither have other rows.
    np.testing.assert_array_equal(filled, density.inpaint(X, masks, n_steps=2))
    alone = density.inpaint(X[7:8], holes[7], n_steps=2)
    np.testing.assert_allclose(alone[0], filled[7], atol=1)
    mean = density.inpaint(X, masks, statistic="mean", n_steps=2, n_langevin_steps=6)
    np.testing.assert_array_equal(mean[~holes], X[~holes])
    centre = images[:100].reshape(100, -1).mean(0)
    error, by_mean, by_centre = (
        ((guess - X)[holes] ** 2).mean() for guess in (filled, mean, np.where(holes, centre, X))
    )
    assert error < 0.5 * by_centre
    assert by_mean < 0.5 * by_centre


def test_scales_of_a_lifting_fill_holes_too(images, masks):
    """Behind the lifting come Laplace columns, and topics."""
    density = RGFlowDensity(
        SHAPE, layout="lifting", top_prior="topic", n_topics=2, hidden_units=4, max_epochs=1,
        random_state=0,
    ).fit(images[:100])  # fmt: skip
    X, holes = images[100:102].reshape(2, -1).astype(float), columns_of(masks[:2])
    filled = density.inpaint(np.where(holes, np.nan, X), masks[:2], n_steps=2)
    np.testing.assert_array_equal(filled[~holes], X[~holes])
    centre = images[:100].reshape(100, -1).mean(0)
    assert ((filled - X)[holes] ** 2).mean() < ((centre - X)[holes] ** 2).mean()
    assert density.inpaint(X, masks[:2], n_samples=2, **BRIEF).shape == (2, 2, 90)


def test_rows_without_a_hole_stay(density, images, masks):
    X, holes = images[100:103], masks[:3].copy()
    holes[1] = False
    filled = density.inpaint(X, holes, n_steps=1)
    np.testing.assert_array_equal(filled[1], X[1].ravel())
    assert (filled[0] != X[0].ravel()).any()
    np.testing.assert_array_equal(density.inpaint(X, holes & False), X.reshape(3, -1))


@pytest.mark.parametrize("kind", ["draws", "mean"])
def test_draws_and_means_repeat_with_their_seed(density, images, masks, kind):
    options = {"n_samples": 2} if kind == "draws" else {"statistic": "mean", "n_chains": 2}
    X, masks = images[100:102], masks[:2]
    filled = density.inpaint(X, masks, **options, **BRIEF)
    holes = columns_of(masks)
    assert filled.shape == ((2, 2, 90) if kind == "draws" else (2, 90))
    np.testing.assert_array_equal(filled, filled.astype(np.uint8))
    np.testing.assert_array_equal(filled, density.inpaint(X, masks, **options, **BRIEF))
    other = density.inpaint(X, masks, **options, **BRIEF, random_state=1)
    assert (other != filled).any()
    if kind == "draws":
        assert (filled.std(0)[holes] > 0).mean() > 0.5
        assert (filled.std(0)[~holes] == 0).all()


def test_inpainting_leaves_the_density_as_it_is():
    images = pictures(60, (4, 4))
    model = FractalFlowDensity(
        fractal="lifting", image_shape=(4, 4), prior="normal", warm_start=True, **TINY
    ).fit(images)
    before = model.score_samples(images[:5])
    model.inpaint(images[:2], np.eye(4, dtype=bool), n_steps=1)
    np.testing.assert_array_equal(model.score_samples(images[:5]), before)
    assert all(parameter.requires_grad for parameter in model.module_.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "median"}, "statistic must be 'mode' or 'mean', got 'median'"),
        ({"statistic": "mean", "n_samples": 2}, "n_samples=2 .* give n_chains instead"),
        ({"n_chains": 0}, "n_chains must be an int of at least 1, got 0"),
        ({"n_steps": 0}, "n_steps must be an int of at least 1, got 0"),
        ({"n_langevin_steps": 1.5}, "n_langevin_steps must be an int of at least 1, got 1.5"),
    ],
)
def test_what_cannot_be_meant_is_refused(density, images, masks, options, message):
    with pytest.raises(InvalidDataError, match=message):
        density.inpaint(images[:1], masks[0], **options)


def test_maps_without_cones_are_refused():
    X = np.random.default_rng(0).normal(size=(60, 4))
    density = FractalFlowDensity(n_blocks=1, **TINY).fit(X)
    with pytest.raises(InvalidParameterError, match="set fractal='lifting' and image_shape"):
        density.inpaint(X, np.arange(4) < 1)


@pytest.mark.parametrize("statistic", ["mode", "mean"])
def test_rows_too_far_away_are_told(density, images, masks, statistic):
    far = images[:2].astype(float) * 1e30
    with pytest.raises(InvalidDataError, match="too far away from all training rows"):
        density.inpaint(far, masks[:2], statistic=statistic, n_langevin_steps=2)


@pytest.mark.parametrize("statistic", ["mode", "mean"])
def test_holes_too_large_for_a_matrix_are_told(density, images, masks, statistic, monkeypatch):
    monkeypatch.setattr("flowkit.modules.holes._MAX_SIZE", 2)
    with pytest.raises(InvalidDataError, match="of which there may be at most 2"):
        density.inpaint(images[:1], masks[0], statistic=statistic)


def test_the_mode_on_blocks_needs_no_matrix(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 16))
    blocks = RGFlowDensity((4, 4), layout="blocks", n_layers=1, hidden_units=4, max_epochs=1).fit(X)
    monkeypatch.setattr("flowkit.modules.holes._MAX_SIZE", 2)
    whole = np.ones(16, dtype=bool)
    assert np.isfinite(blocks.inpaint(X[:1], whole, n_steps=2)).all()
    with pytest.raises(InvalidDataError, match="of which there may be at most 2"):
        blocks.inpaint(X[:1], whole, statistic="mean", n_steps=2)
