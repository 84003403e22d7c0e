"""Same row, same score; same seed, same fit: pickled, in threads, in any layout."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from flowkit import FlowDensity

from .examples import SMALL, every_density, every_wrapper


@every_density
def test_a_row_scores_the_same_alone_in_any_batch_and_in_any_order(density, X):
    together = density.score_samples(X)
    alone = np.concatenate([density.score_samples(X[i : i + 1]) for i in range(30)])
    np.testing.assert_allclose(alone, together[:30], rtol=1e-10, atol=1e-10)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(
        density.score_samples(X[order]), together[order], rtol=1e-12, atol=1e-12
    )
    many = np.tile(X, (40, 1))
    np.testing.assert_allclose(
        density.score_samples(many), np.tile(together, 40), rtol=1e-10, atol=1e-10
    )


@every_density
def test_scores_survive_pickle_joblib_and_copy_bit_for_bit(density, X, tmp_path):
    expected = density.score_samples(X)
    joblib.dump(density, tmp_path / "density.joblib")
    for other in (
        pickle.loads(pickle.dumps(density)),
        copy.deepcopy(density),
        joblib.load(tmp_path / "density.joblib"),
    ):
        np.testing.assert_array_equal(other.score_samples(X), expected)
        np.testing.assert_array_equal(
            other.sample(5, random_state=0), density.sample(5, random_state=0)
        )


@every_wrapper
def test_a_clone_with_the_same_seed_has_the_same_scores(build, X):
    density = build().fit(X)
    again = clone(density)
    assert not [name for name in vars(again) if name.endswith("_")]
    np.testing.assert_array_equal(again.fit(X).score_samples(X), density.score_samples(X))
    np.testing.assert_array_equal(
        again.sample(5, random_state=0), density.sample(5, random_state=0)
    )


def test_pickles_hold_arrays_and_survive_later_changes_of_parameters(X):
    density = FlowDensity(**SMALL).fit(X)
    expected = density.score_samples(X)
    density.set_params(hidden_units=99, n_bins=3, prior="laplace", transforms="affine_coupling")
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(again.score_samples(X), expected)
    state = density.__getstate__()
    assert not any(isinstance(v, torch.nn.Module | torch.Tensor) for v in state.values())


def test_scores_are_bit_identical_in_eight_threads_at_once(fitted, X):
    expected = fitted.score_samples(X)
    with ThreadPoolExecutor(8) as pool:
        for scores in pool.map(fitted.score_samples, [X] * 16):
            np.testing.assert_array_equal(scores, expected)


def test_fits_with_one_seed_are_bit_identical_also_in_threads(fitted, X):
    expected = fitted.score_samples(X)
    np.testing.assert_array_equal(FlowDensity(**SMALL).fit(X).score_samples(X), expected)
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(FlowDensity(**SMALL).fit, X) for _ in range(4)]
        for fit in fits:
            np.testing.assert_array_equal(fit.result().score_samples(X), expected)


def test_random_state_rules_fit_and_sample_and_the_global_generators_stay(X):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    density = FlowDensity(**SMALL).fit(X)
    draws = density.sample(4, random_state=1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    np.testing.assert_array_equal(density.sample(4, random_state=1), draws)
    assert (density.sample(4, random_state=2) != draws).any()
    generator = np.random.RandomState(1)
    assert (density.sample(4, generator) != density.sample(4, generator)).all()
    other = clone(density).set_params(random_state=1).fit(X)
    assert not np.allclose(other.transform(X), density.transform(X), rtol=1e-5)
    state = np.random.RandomState(5)
    one = FlowDensity(**{**SMALL, "random_state": state}).fit(X).transform(X)
    two = FlowDensity(**{**SMALL, "random_state": state}).fit(X).transform(X)
    assert not np.allclose(one, two, rtol=1e-5)


def test_without_a_random_state_one_seed_is_drawn_from_numpy(X):
    """As in scikit-learn: a global numpy seed makes such fits repeatable, but none is set."""
    results = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        results.append(FlowDensity(**{**SMALL, "random_state": None}).fit(X).score_samples(X))
    np.testing.assert_array_equal(*results)
    follower = np.random.RandomState(0)
    follower.randint(2**31 - 1)
    assert np.random.randint(1000) == follower.randint(1000)  # noqa: NPY002


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: X[::-1].copy()[::-1],
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X),
    ],
    ids=["fortran", "negative_strides", "list", "frame"],
)
def test_layout_of_x_does_not_matter(fitted, X, change):
    other = FlowDensity(**SMALL).fit(change(X))
    np.testing.assert_array_equal(other.score_samples(X), fitted.score_samples(X))
    np.testing.assert_allclose(fitted.score_samples(change(X)), fitted.score_samples(X), rtol=1e-12)


def test_memory_maps_are_read(fitted, X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(fitted.score_samples(mapped), fitted.score_samples(X))
    other = FlowDensity(**SMALL).fit(mapped)
    np.testing.assert_array_equal(other.score_samples(X), fitted.score_samples(X))


def test_float32_goes_in_and_out(fitted, X):
    single = X.astype(np.float32)
    assert fitted.transform(single).dtype == np.float32
    assert fitted.transform(X).dtype == np.float64
    assert fitted.score_samples(single).dtype == np.float64
    np.testing.assert_allclose(
        fitted.score_samples(single), fitted.score_samples(X), rtol=1e-3, atol=1e-3
    )
