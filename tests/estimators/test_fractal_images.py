"""FractalFlowDensity of images: shapes, grey levels, bits, topics."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from flowkit import FractalFlowDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import TINY


# Images
@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images * 15.9).astype(np.uint8), data.target


@pytest.fixture(scope="module")
def fitted_images(digits):
    options = {**TINY, "max_epochs": 4, "fractal": "coupling", "n_word_groups": 4}
    return FractalFlowDensity(10, image_shape=(8, 8), **options).fit(digits[0][:300])


def test_images_come_as_rows_or_as_arrays(digits, fitted_images):
    images = digits[0]
    scores = fitted_images.score_samples(images)
    np.testing.assert_array_equal(scores, fitted_images.score_samples(images.reshape(-1, 64)))
    np.testing.assert_array_equal(
        scores, fitted_images.score_samples(images.reshape(-1, 64).astype(float))
    )
    np.testing.assert_array_equal(scores, fitted_images.score_samples(images[..., None]))
    with pytest.raises(InvalidDataError, match=r"\(n, 8, 8\)"):
        fitted_images.score_samples(images[:, :4])
    with pytest.raises(InvalidDataError, match="64 values"):
        FractalFlowDensity(image_shape=(8, 8), **TINY).fit(images.reshape(-1, 64)[:, :32])


def test_grey_levels_are_spread_by_logit_with_its_jacobian(digits, fitted_images):
    """Finite where the logit reaches, none beyond, and it integrates to one."""
    assert (fitted_images.dequantization_ == 1).all()
    row = digits[0][:1].reshape(1, 64).astype(float)
    grid = np.linspace(-14, 269, 4001)
    rows = np.repeat(row, len(grid), axis=0)
    rows[:, 27] = grid
    density = fitted_images.score_samples(rows)
    # Outside of what logit reaches there is none.
    far = np.repeat(row, 2, axis=0)
    far[:, 27] = -20, 280
    assert (fitted_images.score_samples(far) == -np.inf).all()
    one = FractalFlowDensity(
        1,
        n_word_groups=1,
        n_levels=0,
        fractal="coupling",
        image_shape=(2, 2),
        learning_rate=1e-3,
        **TINY,
    )
    pixels = digits[0][:, 3:5, 3:5].reshape(-1, 4)
    one.fit(pixels)
    assert np.isfinite(density).all()
    samples = one.sample(4000, 0)
    assert ((samples > -15) & (samples < 271)).all()
    # Importance sampling over the support: a density in units of grey levels.
    rng = np.random.default_rng(0)
    spread = rng.beta(0.6, 0.6, size=(60_000, 4))
    low, high = 127.5 - 128 / 0.9, 127.5 + 128 / 0.9
    from scipy.stats import beta

    log_proposal = beta.logpdf(spread, 0.6, 0.6).sum(1) - 4 * math.log(high - low)
    ratio = np.exp(one.score_samples(low + (high - low) * spread) - log_proposal)
    error = ratio.std() / math.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 4 * error
    assert error < 0.1


def test_grey_levels_are_known_by_their_dtype(digits, fitted_images):
    images = digits[0][:100, 2:6, 2:6]
    frame = pd.DataFrame(images.reshape(-1, 16))
    options = {**TINY, "max_epochs": 1, "image_shape": (4, 4), "n_word_groups": 4}
    from_frame = FractalFlowDensity(2, **options).fit(frame)
    from_array = FractalFlowDensity(2, **{**options, "image_shape": [4, 4, 1]}).fit(images)
    np.testing.assert_array_equal(from_frame.score_samples(frame), from_array.score_samples(images))
    as_floats = FractalFlowDensity(2, **options).fit(frame.astype(float))
    assert not np.allclose(as_floats.scale_, from_frame.scale_)
    nested = digits[0][:10].tolist()
    np.testing.assert_array_equal(
        fitted_images.score_samples(nested), fitted_images.score_samples(digits[0][:10])
    )


@pytest.mark.parametrize("noise", ["scott", 0.1])
def test_noise_that_would_leave_the_grey_levels_is_refused(digits, noise):
    density = FractalFlowDensity(2, image_shape=(8, 8), noise=noise, **TINY)
    with pytest.raises(InvalidParameterError, match=r"noise=.*uint8"):
        density.fit(digits[0])
    assert not hasattr(density, "module_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"conditioner": "conv"}, "needs image_shape"),
        ({"image_shape": (8, 8), "conditioner": "conv", "fractal": "autoregressive"}, "coupling"),
        ({"image_shape": (64, 1), "fractal": "coupling"}, "even height and width"),
        ({"fractal": "lifting"}, "needs image_shape"),
        ({"image_shape": ("a", 8)}, "image_shape must be"),
        ({"image_shape": ()}, "image_shape must be"),
    ],
)
def test_shapes_that_cannot_be_are_refused_before_topics_are_sought(
    digits, parameters, message, monkeypatch
):
    def sought(*args):
        raise AssertionError

    monkeypatch.setattr("flowkit.estimators._found_topics.fit_lda", sought)
    with pytest.raises(InvalidParameterError, match=message):
        FractalFlowDensity(2, **TINY, **parameters).fit(digits[0].reshape(-1, 64))


def test_bits_per_dim_are_those_of_noisy_grey_levels(digits, fitted_images):
    images = digits[0][:100]
    noise = np.random.RandomState(0).uniform(-0.5, 0.5, (100, 64))
    nats = fitted_images.score_samples(images.reshape(-1, 64) + noise).mean()
    bits = fitted_images.bits_per_dim(images)
    assert bits == pytest.approx(-nats / 64 / math.log(2))
    assert 0 < bits < 8
    assert bits == fitted_images.bits_per_dim(images)
    # Better than independent normal pixels.
    rows = images.reshape(-1, 64) + noise
    normal = np.log2(rows.std(0) * math.sqrt(2 * math.pi * math.e)).mean()
    assert bits < normal


@pytest.mark.parametrize(("lda_backend", "seed"), [("sklearn", 0), (None, 1)])
def test_all_topics_stay_in_use_on_digits(digits, lda_backend, seed):
    X = digits[0][:250].reshape(-1, 64)
    density = FractalFlowDensity(
        10,
        n_word_groups=64,
        image_shape=(8, 8),
        **{**TINY, "lda_backend": lda_backend, "max_epochs": 3, "random_state": seed},
    ).fit(X)
    share = np.bincount(density.predict(X), minlength=10) / len(X)
    assert (share > 0.005).all()
    assert density.predict_proba(X).mean(0).min() > 0.01


def test_images_survive_pickling_and_sampling(digits, fitted_images):
    images = digits[0][:50]
    copied = pickle.loads(pickle.dumps(fitted_images))
    np.testing.assert_array_equal(copied.score_samples(images), fitted_images.score_samples(images))
    samples = fitted_images.sample(20, 0, topics=3)
    assert samples.shape == (20, 64)
    changed = fitted_images.swap_topics(images, images[::-1])
    path = fitted_images.interpolate(images, images[::-1], 3)
    np.testing.assert_array_equal(path[0], images.reshape(50, 64))
    for rows in (samples, changed, path):
        np.testing.assert_array_equal(rows, rows.astype(np.uint8))
    assert np.isfinite(fitted_images.score_samples(samples)).all()
    tree = fitted_images.log_det_tree(images)
    assert tree.shares.shape == (50, 1 + 1 + 2 + 4 + 8 + 16 + 32 + 64)
    assert np.isfinite(tree.shares).all()
