"""Bijections and priors of the user's own, and compiled modules."""

from __future__ import annotations

import copy
import functools
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from flowkit import FlowDensity, _compiled
from flowkit import bijections as b
from flowkit import priors as p
from flowkit.bijections import _rational_quadratic

from .examples import SMALL


@pytest.mark.parametrize(
    "transforms",
    [
        b.SplineCoupling(3, hidden_units=8),
        [b.ActNorm(3), b.SinhArcsinh(3), b.LULinear(3), b.AffineCoupling(3, hidden_units=8)],
        (b.ElementwiseSpline(3), b.Permutation(3), b.AffineAutoregressive(3, hidden_units=8)),
    ],
    ids=["one", "list", "tuple"],
)
def test_own_bijections_are_used_and_left_unchanged(transforms, X):
    before = copy.deepcopy(transforms)
    density = FlowDensity(transforms, prior="normal", max_epochs=3, random_state=0).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    modules = transforms if isinstance(transforms, list | tuple) else [transforms]
    originals = before if isinstance(before, list | tuple) else [before]
    for module, original in zip(modules, originals, strict=True):
        for name, value in module.state_dict().items():
            assert torch.equal(value, original.state_dict()[name])
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(density)).score_samples(X), density.score_samples(X)
    )
    assert clone(density).fit(X).score(X) == pytest.approx(density.score(X))


def test_a_mixture_that_was_not_started_is_started_from_data():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(m, 0.3, (200, 2)) for m in (-5, 0, 5)])
    density = FlowDensity(**{**SMALL, "prior": p.GaussianMixture(2, 3, "diag")}).fit(X)
    assert density.module_.prior.n_components == 3
    assert torch.pdist(density.module_.prior.means).min() > 0.3
    started = p.GaussianMixture(2, 1)
    started.start(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])
    kept = FlowDensity(**{**SMALL, "prior": started, "learning_rate": 1e-12}).fit(X)
    torch.testing.assert_close(kept.module_.prior.means.float(), started.means, rtol=0, atol=1e-6)


def test_frozen_parameters_of_given_bijections_stay_frozen(X):
    affine = b.ElementwiseAffine(3).requires_grad_(False)
    density = FlowDensity([affine, b.LULinear(3)], prior="normal", max_epochs=3, random_state=0)
    density.fit(X)
    kept, trained = density.module_.bijection.bijections
    assert not kept.raw.requires_grad
    assert torch.equal(kept.raw, torch.zeros_like(kept.raw))
    assert trained.bias.abs().sum() > 0


def test_own_prior_is_used(X):
    density = FlowDensity(**{**SMALL, "prior": p.StudentT(3, learnable=True)}).fit(X)
    assert isinstance(density.module_.prior, p.StudentT)
    assert np.isfinite(density.score(X))


# What torch traces is checked; that machine code is made of it takes long, and is torch's matter.
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compile_gives_the_same_scores(backend, fitted, X, monkeypatch):
    asked = []
    # As on a GPU, where numba's kernels cannot run.
    monkeypatch.setattr(_compiled, "_is_installed", lambda: False)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    kernels = functools.cache(_rational_quadratic._kernels.__wrapped__)
    monkeypatch.setattr(
        _rational_quadratic, "_kernels", lambda compile: asked.append(compile) or kernels(compile)
    )
    fused = FlowDensity(**SMALL, compile=True).fit(X)
    assert asked.count(True) > 10
    assert fused.score(X) == pytest.approx(fitted.score(X), abs=1e-2)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fused)).score_samples(X), fused.score_samples(X)
    )
