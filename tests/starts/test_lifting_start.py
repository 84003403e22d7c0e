"""Lifting that begins at linear prediction, and whether it is worth it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowkit.bijections import Lifting
from flowkit.columns import GreyLevels, StandardisedColumns
from flowkit.starts import (
    Boxes,
    boxes_of,
    coarse_latents,
    coarse_level,
    common_levels,
    lifted,
    lifting_is_likelier,
    word_groups,
)
from flowkit.starts._lifting_start import start_lifting

from ..estimators.examples import pictures

SHAPE = (7, 6)
NO_BOXES = Boxes(np.empty(0), 1.0)


def field(shape, reach=2.0):
    """Covariance of a smooth field with a little noise, the same everywhere."""
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    return 0.04 * (np.exp(-distance / reach) + 0.02 * np.eye(len(places)))


def quick(Z, weight=None, shape=SHAPE, boxes=NO_BOXES):
    return lifted(Z, weight, shape, boxes, np.random.RandomState(0), effort=0.3)


def draws(covariance, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, len(covariance))) @ np.linalg.cholesky(covariance).T


def normal_log_density(lifting, rows):
    with torch.no_grad():
        z, log_det = lifting(torch.from_numpy(rows).float())
    return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)


@pytest.fixture(scope="module")
def start():
    return quick(draws(field(SHAPE), 1000))


def test_a_gaussian_field_is_nearly_as_likely_as_under_its_own_density(start):
    covariance = field(SHAPE)
    new = draws(covariance, 1000, seed=1)
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, new.T).T
    truth = -0.5 * (white**2 + math.log(2 * math.pi)).sum(1) - np.log(factor.diagonal()).sum()
    gap = truth.mean() - normal_log_density(start, new).mean().item()
    assert 0 < gap < 0.05 * len(covariance)


def test_latents_of_new_rows_are_about_standard_normal(start):
    with torch.no_grad():
        z = start(torch.from_numpy(draws(field(SHAPE), 1000, seed=1)).float())[0]
    assert z.mean(0).abs().max() < 0.2
    assert (z.std(0) - 1).abs().max() < 0.15
    correlation = torch.corrcoef(z.t()) - torch.eye(z.shape[1])
    assert correlation.abs().max() < 0.25


def test_the_last_pixel_is_predicted_by_its_mean():
    rows = 3.0 + draws(field(SHAPE), 500)
    root = quick(rows).phases[-1]
    assert root.kind == "root"
    assert root.bias.item() == pytest.approx(rows[:, 0].mean(), abs=1e-3)
    assert root.usual.exp().item() == pytest.approx(rows[:, 0].std(), rel=1e-3)


def test_a_prediction_reads_what_is_known_alone(start):
    for phase in start.phases:
        assert (phase.weight[~phase.mask] == 0).all()
        assert torch.isfinite(phase.steer).all()


def test_scales_follow_the_local_activity():
    rng = np.random.default_rng(0)
    # Every image is calm or wild.
    size = rng.choice([0.01, 0.1], size=(800, 1))
    lifting = quick(size * rng.normal(size=(800, 36)), shape=(6, 6))
    calm, wild = (
        normal_log_density(lifting, s * rng.normal(size=(200, 36))).mean().item()
        for s in (0.01, 0.1)
    )
    entropy = 36 * 0.5 * math.log(2 * math.pi * math.e)
    # One scale for both would lose 0.8 nats a value.
    assert calm == pytest.approx(-entropy - 36 * math.log(0.01), abs=9)
    assert wild == pytest.approx(-entropy - 36 * math.log(0.1), abs=9)


def test_rows_count_by_their_weights():
    first, second = draws(field(SHAPE), 300), draws(field(SHAPE, reach=0.3), 300, seed=2)
    both, weight = np.concatenate([first, second]), np.repeat([1.0, 1e-9], 300)
    weighted, alone = quick(both, weight), quick(first)
    new = draws(field(SHAPE), 300, seed=3)
    difference = normal_log_density(weighted, new) - normal_log_density(alone, new)
    assert difference.mean().abs() < 2
    gain = normal_log_density(weighted, new) - normal_log_density(quick(both), new)
    assert gain.mean() > 1


def test_the_same_seed_gives_the_same_start(start):
    again = quick(draws(field(SHAPE), 1000))
    state = start.state_dict()
    for name, _ in again.named_buffers():
        if name in state:
            assert torch.equal(again.state_dict()[name], state[name]), name


def test_few_rows_and_constant_pixels_are_no_obstacle():
    rng = np.random.default_rng(0)
    for n in (2, 3, 10):
        Z = rng.normal(size=(n, 9))
        Z[:, 4] = 0.5
        lifting = quick(Z, shape=(3, 3))
        assert torch.isfinite(normal_log_density(lifting, Z)).all()


def test_levels_that_stand_out_are_common():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(200, 100))
    assert len(common_levels(X)) == 0
    X[:, :40] = 0
    X[:, 40:50] = 200
    assert common_levels(X).tolist() == [0, 200]


def test_boxes_are_those_of_grey_levels_with_noise():
    X = np.zeros((20, 9))
    boxes = boxes_of(X, GreyLevels.of(9, "auto"))
    columns = GreyLevels.of(9, "auto")
    np.testing.assert_allclose(boxes.centres * columns.scale[0] + columns.location[0], [0.0])
    assert boxes.width == pytest.approx(1 / columns.scale[0])
    assert len(boxes_of(X, GreyLevels.of(9, None)).centres) == 0
    rows = np.random.default_rng(0).normal(size=(20, 9))
    numbers = StandardisedColumns.of(
        rows, None, None, dequantize="auto", standardize=True, warns_of_heavy_values=False
    )
    assert len(boxes_of(rows, numbers).centres) == 0


def test_a_box_holds_the_mass_of_its_level():
    rng = np.random.default_rng(0)
    columns = GreyLevels.of(16, "auto")
    X = np.where(rng.uniform(size=(600, 16)) < 0.7, 0, rng.integers(0, 256, size=(600, 16)))
    Z = columns.standardise(X) + rng.uniform(-0.5, 0.5, X.shape) / columns.scale
    boxes = boxes_of(X, columns)
    lifting = quick(Z, shape=(4, 4), boxes=boxes)
    bits = -(normal_log_density(lifting, Z).mean().item() / 16 - math.log(columns.scale[0]))
    share = 0.7 + 0.3 / 256
    entropy = -share * math.log(share) - (1 - share) * math.log(0.3 / 256)
    assert bits == pytest.approx(entropy, rel=0.06)


def test_coarse_latents_are_those_of_the_whole_map(start):
    Z = draws(field(SHAPE), 70, seed=4)
    with torch.no_grad():
        whole = start(torch.from_numpy(Z).float())[0].numpy()
    for level in range(start.phases[-1].level + 1):
        columns, latents = coarse_latents(start, Z, level)
        grid = np.arange(42).reshape(SHAPE)[:: 2**level, :: 2**level]
        assert columns.tolist() == grid.ravel().tolist()
        np.testing.assert_allclose(latents, whole[:, columns], atol=1e-5)


def test_every_word_group_has_a_coarse_pixel():
    lifting = quick(draws(field((16, 16)), 12), shape=(16, 16))
    assert coarse_level(lifting, word_groups(256, (16, 16), 1)) == 1
    assert coarse_level(lifting, word_groups(256, (16, 16), 256)) == 0


def test_lifting_is_chosen_for_fields_and_not_for_few_factors():
    rng = np.random.default_rng(0)
    # Of contrasts that a Gaussian does not know.
    smooth = rng.lognormal(sigma=0.7, size=(400, 1)) * draws(field((8, 8)), 400)
    factors = 0.3 * rng.normal(size=(400, 3)) @ rng.normal(size=(3, 64))
    aligned = factors + 0.01 * rng.normal(size=(400, 64))
    for rows, expected in ((smooth, True), (aligned, False)):
        likelier = lifting_is_likelier(
            rows, None, (8, 8), NO_BOXES, False, np.random.RandomState(0)
        )
        assert likelier is expected


def test_coarse_values_without_mixtures_are_centred_and_scaled():
    """Two kinds of rows, told apart by their brightness, stay two."""
    kind = np.random.default_rng(1).integers(0, 2, 600)
    Z = 3.0 + draws(field(SHAPE), 600) + 2 * kind[:, None]
    lifting = lifted(Z, None, SHAPE, NO_BOXES, np.random.RandomState(0), effort=0.3, affine_from=2)
    columns, latents = coarse_latents(lifting, Z, 2)
    assert columns.tolist() == np.flatnonzero(lifting.levels >= 2).tolist() == [0, 4, 24, 28]
    coarse = Z[:, columns]
    pairs = zip(coarse.T, latents.T, strict=True)
    correlation = [np.corrcoef(one, other)[0, 1] for one, other in pairs]
    np.testing.assert_allclose(correlation, 1, atol=1e-5)
    np.testing.assert_allclose(latents.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(latents.std(0), 1, atol=0.1)


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e-3, 1e40, 1e300])
def test_only_ratios_of_weights_count(scale):
    rows, weight = pictures(60, (4, 4)).reshape(60, -1) / 99.0, np.linspace(1, 2, 60)
    starts = []
    for factor in (1.0, scale):
        lifting = Lifting(16, (4, 4), hidden_units=1, generator=torch.Generator())
        start_lifting(lifting, rows, factor * weight, np.random.RandomState(0), 0.1)
        starts.append(torch.cat([b.flatten() for b in lifting.buffers()]))
    torch.testing.assert_close(*starts, rtol=1e-3, atol=1e-3)
