"""Data sets: labels that describe the pictures, factors with the promised distributions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import stats

from flowkit.datasets import make_msds
from flowkit.exceptions import InvalidParameterError, MissingDependencyError

KINDS = [1, 2]
N = 300


@pytest.fixture(scope="module")
def shared_colour():
    return make_msds(1, N, random_state=0)


@pytest.fixture(scope="module")
def shared_angle():
    return make_msds(2, N, random_state=0)


@pytest.fixture(params=["shared_colour", "shared_angle"])
def msds(request):
    return request.getfixturevalue(request.param)


def painted(ellipses):
    """One image by the letter of the recipe."""
    canvas = Image.new("RGB", (32, 32), (0, 0, 0))
    for i in range(4):
        for j in range(4):
            x, y, angle, *colour = ellipses[i, j].tolist()
            tile = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
            ImageDraw.Draw(tile).ellipse((1, 3, 7, 5), (*map(int, colour), 255))
            tile = tile.rotate(angle, resample=Image.Resampling.BICUBIC)
            canvas.paste(tile, (int(x), int(y)), mask=tile)
    return np.asarray(canvas)


def lonely(msds):
    """Tiles (m, 8, 8, 3) that no other tile and no border cuts, their ellipses, and brightness."""
    ellipses = msds.ellipses.reshape(N, 16, 6)
    corners = ellipses[..., :2].astype(int)
    apart = abs(corners[:, :, None] - corners[:, None]).max(-1) >= 8
    alone = (apart | np.eye(16, dtype=bool)).all(2) & ((corners >= 0) & (corners <= 24)).all(2)
    # Coarse steps of dark colours say little.
    image, cell = np.nonzero(alone & (ellipses[..., 3:].max(2) >= 128))
    x, y = corners[image, cell].T[:, :, None, None]
    rows, columns = np.indices((8, 8))
    tiles = msds.images[image[:, None, None], y + rows, x + columns].astype(float)
    assert len(tiles) > 50
    return tiles, ellipses[image, cell], tiles.sum(3)


def centred(weights):
    """Mean x and y of brightness in each tile, and of each pixel the offsets from these."""
    weights = weights / weights.sum((1, 2), keepdims=True)
    y, x = np.indices((8, 8))
    mean_x, mean_y = (weights * x).sum((1, 2)), (weights * y).sum((1, 2))
    return weights, mean_x, mean_y, x - mean_x[:, None, None], y - mean_y[:, None, None]


def uniform(values, low, high):
    return stats.kstest(values.ravel(), stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_shapes_and_types(msds):
    n_factors = len(msds.target_names)
    assert msds.images.shape == (N, 32, 32, 3)
    assert msds.images.dtype == msds.data.dtype == np.uint8
    assert msds.target.shape == (N, n_factors)
    assert msds.ellipses.shape == (N, 4, 4, 6)
    assert msds.target.dtype == msds.ellipses.dtype == np.float64
    assert msds.ellipse_names == ["x", "y", "angle", "red", "green", "blue"]
    assert set(msds.target_names) <= set(msds.ellipse_names)
    assert msds.DESCR.startswith("MSDS")


def test_data_is_a_view_of_the_images(msds):
    np.testing.assert_array_equal(msds.data.reshape(msds.images.shape), msds.images)
    assert np.shares_memory(msds.data, msds.images)


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_one_result(kind):
    first, second = (make_msds(kind, 5, random_state=7) for _ in range(2))
    rng = make_msds(kind, 5, random_state=np.random.RandomState(7))
    other = make_msds(kind, 5, random_state=8)
    for name in ("images", "target", "ellipses"):
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first[name], rng[name])
        assert (first[name] != other[name]).any()


def test_global_state_is_left_alone():
    before = np.random.get_state()[1:3]  # noqa: NPY002
    make_msds(random_state=0, n_samples=2)
    np.testing.assert_equal(np.random.get_state()[1:3], before)  # noqa: NPY002


def test_images_are_those_of_the_recipe(msds):
    for image, ellipses in zip(msds.images[:30], msds.ellipses[:30], strict=True):
        np.testing.assert_array_equal(image, painted(ellipses))


def test_colour_labels_are_those_of_lit_pixels(msds):
    tiles, ellipses, brightness = lonely(msds)
    lit = brightness > brightness.max((1, 2), keepdims=True) / 2
    mean = (tiles * lit[..., None]).sum((1, 2)) / lit.sum((1, 2))[:, None]
    np.testing.assert_allclose(mean, ellipses[:, 3:], rtol=0.15, atol=2)


def test_angle_labels_are_counter_clockwise_as_seen(msds):
    _, ellipses, brightness = lonely(msds)
    weights, _, _, dx, dy = centred(brightness)
    # Rows count downwards, angles upwards.
    product, difference = weights * dx * -dy, weights * (dx**2 - dy**2)
    doubled = np.arctan2(2 * product.sum((1, 2)), difference.sum((1, 2)))
    error = (np.rad2deg(doubled) / 2 - ellipses[:, 2] + 90) % 180 - 90
    assert abs(error).max() < 2


def test_positions_are_those_of_tiles(msds):
    _, ellipses, brightness = lonely(msds)
    _, x, y, _, _ = centred(brightness)
    # The middle of an ellipse is half a pixel right of and below its tile's, and turns with it.
    cos, sin = np.cos(np.deg2rad(ellipses[:, 2])), np.sin(np.deg2rad(ellipses[:, 2]))
    np.testing.assert_allclose(x, 3.5 + (cos + sin) / 2, atol=0.25)
    np.testing.assert_allclose(y, 3.5 + (cos - sin) / 2, atol=0.25)


def test_ellipses_move_by_a_pixel_around_their_cells(msds):
    jitter = msds.ellipses[..., :2] - 8 * np.stack(np.indices((4, 4)), -1)
    values, counts = np.unique(jitter, return_counts=True)
    np.testing.assert_array_equal(values, [-1, 0, 1])
    assert stats.chisquare(counts).pvalue > 1e-3
    assert abs(np.corrcoef(jitter[..., 0].ravel(), jitter[..., 1].ravel())[0, 1]) < 0.06


def test_a_shared_colour(shared_colour):
    target, ellipses = shared_colour.target, shared_colour.ellipses
    assert shared_colour.target_names == ["red", "green", "blue"]
    assert (target == target.round()).all()
    assert target.min() == 32
    assert target.max() == 223
    assert uniform(target + 0.5, 32, 224)
    residual = ellipses[..., 3:] - target[:, None, None]
    values, counts = np.unique(residual, return_counts=True)
    np.testing.assert_array_equal(values, np.arange(-32, 33))
    assert stats.chisquare(counts).pvalue > 1e-3
    assert uniform(ellipses[..., 2], 0, 180)


def test_a_shared_angle(shared_angle):
    target, ellipses = shared_angle.target, shared_angle.ellipses
    assert shared_angle.target_names == ["angle"]
    assert uniform(target, 0, 180)
    residual = ellipses[..., 2] - target[:, :, None]
    assert uniform(residual, 0, 45)
    values, counts = np.unique(ellipses[..., 3:], return_counts=True)
    np.testing.assert_array_equal(values, np.arange(256))
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("name", ["colour", "angle"])
def test_only_the_shared_factor_agrees_within_an_image(name, shared_colour, shared_angle):
    data = {"colour": shared_colour, "angle": shared_angle}
    for shared, msds in data.items():
        # The doubled angle, as half a turn changes nothing.
        red, angle = msds.ellipses[..., 3], np.cos(np.deg2rad(2 * msds.ellipses[..., 2]))
        values = red if name == "colour" else angle
        correlation = np.corrcoef(values[:, 0, 0], values[:, 3, 2])[0, 1]
        assert (correlation > 0.5) == (shared == name)


def test_numpy_numbers_are_welcome():
    assert make_msds(np.int64(2), np.int64(3), random_state=0).images.shape == (3, 32, 32, 3)


@pytest.mark.parametrize("kind", [0, 3, 1.5, "1", None, [1], np.array([1, 2])])
def test_other_kinds_are_refused(kind):
    with pytest.raises(InvalidParameterError, match=r"kind must be 1 .* or 2 .*, got"):
        make_msds(kind)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "3", None])
def test_too_few_samples_are_refused(n_samples):
    with pytest.raises(InvalidParameterError, match=f"n_samples must be .*, got {n_samples!r}"):
        make_msds(n_samples=n_samples)


def test_pillow_that_is_missing_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "flowkit-density\[plot\]"'):
        make_msds(n_samples=1)
