"""Temperatures of draws: one changes nothing, zero gives modes of the latent."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit import PHVAE
from flowkit.exceptions import InvalidDataError

from ..table import ESTIMATORS, FLOWS

N = 40


def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 4)) @ rng.normal(size=(4, 4)) + 5


@pytest.fixture(scope="module", params=ESTIMATORS)
def density(request):
    return ESTIMATORS[request.param](max_epochs=1).fit(rows())


def drawn(density, **options):
    return density.sample(N, random_state=0, **options)


def test_one_draws_from_the_density_itself(density):
    np.testing.assert_array_equal(drawn(density), drawn(density, temperature=1.0))
    np.testing.assert_array_equal(drawn(density), drawn(density, temperature=np.int64(1)))


def test_latents_deviate_in_proportion(density):
    without = {"noise": False} if isinstance(density, PHVAE) else {}
    cold, half, plain = (drawn(density, temperature=t, **without) for t in (0.0, 0.5, 1.0))
    if without:
        # Rows are means, of which the latents themselves are not known again.
        np.testing.assert_allclose(cold, cold[:1].repeat(N, 0))
        assert (half.std(0) < plain.std(0)).all()
        return
    centre, latent, half = map(density.transform, (cold, plain, half))
    np.testing.assert_allclose(half, (centre + latent) / 2, atol=1e-5)
    # There are fewer modes than rows, but for a kernel on each.
    if not density.module_.has_kernels:
        assert len(np.unique(centre.round(4), axis=0)) < N


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf, "hot", None, [1, 1, 1, 1, 1]])
def test_impossible_temperatures_are_named(density, wrong):
    with pytest.raises(InvalidDataError, match="temperature must be a non-negative number"):
        density.sample(1, temperature=wrong)


def test_given_topics_have_a_temperature_too():
    density = FLOWS["fractal"](max_epochs=1).fit(rows())
    cold = drawn(density, topics=1, temperature=0.0)
    np.testing.assert_allclose(cold, cold[:1].repeat(N, 0))
    np.testing.assert_array_equal(
        drawn(density, topics=1), drawn(density, topics=1, temperature=1.0)
    )
    with pytest.raises(InvalidDataError, match="temperature"):
        density.sample(1, topics=0, temperature=-1)
