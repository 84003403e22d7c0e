"""The parts that sections are made of."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from flowkit.datasets import make_orders
from flowkit.demo import densities, pixels, strange_rows, topics
from flowkit.demo._other_detectors import scores_of_others
from flowkit.demo._report import aligned, paragraph, with_remarks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_measurements_are_positive_and_hardly_repeat():
    for name, X in densities.tables().items():
        assert (X > 0).all(), name
        assert len(np.unique(X, axis=0)) > 0.99 * len(X), name


def test_the_gain_is_that_over_the_best_of_the_others(rng):
    scores = {name: rng.normal(size=200) for name in ("one", "other", "own")}
    scores["other"] += 3
    *means, gain = densities.summary(scores)
    assert means == [f"{values.mean():.2f}" for values in scores.values()]
    difference = scores["own"] - scores["other"]
    error = difference.std(ddof=1) / np.sqrt(200)
    assert gain == f"{difference.mean():+.2f} ± {error:.2f}"


def test_the_mixture_has_as_many_components_as_the_rows(rng):
    X = np.concatenate([rng.normal(center, 0.1, (100, 2)) for center in (-2, 0, 2)])
    assert densities.best_mixture(X).n_components == 3


def test_one_pixel_of_each_image_is_wrong_and_not_at_the_border(rng):
    test = rng.integers(0, 17, (60, 64)).astype(float)
    given = test.copy()
    images, wrong = pixels.with_wrong_pixels(test, 20)
    assert len(images) == len(wrong) == 20
    np.testing.assert_array_equal(test, given)
    for image, pixel in zip(images, wrong, strict=True):
        row = test[(test != image).sum(axis=1).argmin()]
        assert np.flatnonzero(row != image) == [pixel]
        assert abs(image[pixel] - row[pixel]) >= 8
        assert {pixel // 8, pixel % 8} <= set(range(1, 7))


def test_others_find_a_pixel_that_stands_out(rng):
    train = rng.normal(8, 1, (500, 64))
    images = rng.normal(8, 1, (10, 64))
    wrong = rng.integers(0, 64, 10)
    images[np.arange(10), wrong] += 40
    for name, effects in pixels.effects_of_others(train, images).items():
        np.testing.assert_array_equal(effects.argmax(axis=1), wrong, err_msg=name)


def test_the_effect_of_a_gaussian_is_what_its_log_density_gains(rng):
    train = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    images = train[:5] + rng.normal(size=(5, 4))
    effects = pixels.effects_of_others(train, images, n_components=2)["a Gaussian of all pixels"]
    normal = multivariate_normal(train.mean(axis=0), np.cov(train.T) + np.eye(4))
    precision = np.linalg.inv(normal.cov_object.covariance)
    for j in range(4):
        best = images.copy()
        best[:, j] -= (images - normal.mean) @ precision[j] / precision[j, j]
        gain = normal.logpdf(best) - normal.logpdf(images)
        np.testing.assert_allclose(effects[:, j], 2 * gain, rtol=1e-9, atol=1e-9)


def test_groups_agree_with_classes_whatever_their_numbers(rng):
    classes = rng.integers(0, 3, 100)
    groups = np.array([2, 0, 1])[classes]
    assert topics.n_agreeing(groups, classes) == 100
    groups[:7] = (groups[:7] + 1) % 3
    assert topics.n_agreeing(groups, classes) == 93


def test_first_of_each_keeps_the_order():
    names = np.array(["b", "a", "b", "c", "a"], dtype=object)
    assert strange_rows.first_of_each(names).tolist() == [0, 1, 3]


def test_other_detectors_find_what_is_far_off():
    orders = make_orders(300, random_state=0).data
    new = make_orders(50, random_state=1).data
    new.loc[7, ["price", "weight", "total"]] = 1e6
    for name, scores in scores_of_others(orders, new).items():
        assert scores.argmin() == 7, name


def test_other_detectors_do_not_see_identifiers():
    orders = make_orders(300, random_state=0).data
    other = orders.assign(order=0, note="the same")
    for name, scores in scores_of_others(orders, orders).items():
        np.testing.assert_array_equal(scores, scores_of_others(other, other)[name], err_msg=name)


def test_cells_of_a_table_end_where_those_above_do():
    lines = aligned([["", "long heading"], ["a name", "1"]]).splitlines()
    assert len(lines[0]) == len(lines[1])
    assert lines[1].startswith("  a name")


def test_paragraphs_keep_their_words():
    text = "many words " * 50
    assert paragraph(text).split() == text.split()
    assert max(map(len, paragraph(text).splitlines())) <= 100


def test_remarks_are_what_is_warned_of_once():
    def function(x):
        for _ in range(2):
            warnings.warn(f"mind {x}", stacklevel=1)
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_remarks(function, 1) == (1, ["mind 1"])
