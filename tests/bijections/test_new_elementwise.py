"""A new elementwise bijection: two methods are all it needs to be known everywhere."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from flowkit import FlowDensity
from flowkit import bijections as b

from ..tensors import perturbed, rows_in


class PowerTails(b.Elementwise):
    """``z = sign(x) ((1 + |x|)^p - 1) / p``: about linear near zero, a power of x far off.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    def __init__(self, n_features: int):
        super().__init__(n_features)
        self.raw = nn.Parameter(torch.zeros(n_features))

    def _power(self):
        return torch.exp(torch.tanh(self.raw))

    def _forward_by_column(self, x, context):
        p, size = self._power(), torch.log1p(x.abs())
        return x.sign() * torch.expm1(p * size) / p, (p - 1) * size

    def _inverse_by_column(self, z, context):
        p = self._power()
        size = torch.log1p(p * z.abs()) / p
        return z.sign() * torch.expm1(size), (1 - p) * size


BUILDS = {
    "alone": PowerTails,
    "inverse": lambda d: b.Inverse(PowerTails(d)),
    "composed": lambda d: b.Compose([b.ElementwiseAffine(d), PowerTails(d), b.SinhArcsinh(d)]),
    "nested": lambda d: b.Inverse(
        b.Compose([b.Inverse(PowerTails(d)), b.Compose([b.SinhArcsinh(d)])])
    ),
}
every_build = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)


@every_build
def test_it_has_inverse_log_det_and_slopes(build):
    bijection, x = perturbed(build(3)), rows_in("real", 20, 3, scale=0.3)
    assert bijection.is_elementwise
    z, log_det = bijection(x)
    back, back_log_det = bijection.inverse(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(back_log_det, -log_det)
    _, log_slope = bijection.forward_by_column(x)
    slopes = torch.autograd.functional.jacobian(lambda x: bijection(x)[0].sum(0), x)
    slopes = slopes.transpose(0, 1).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(log_slope, slopes.abs().log(), rtol=0, atol=1e-9)


@every_build
def test_every_column_is_a_leaf_of_the_tree(build):
    bijection, x = perturbed(build(3)), rows_in("real", 5, 3, scale=0.3)
    assert [(node.kind, node.columns) for node in bijection.nodes] == [
        ("leaf", (j,)) for j in range(3)
    ]
    assert torch.equal(bijection.log_det_tree(x), bijection.forward_by_column(x)[1])


@every_build
def test_it_is_pickled_and_copied(build):
    bijection, x = perturbed(build(2)), rows_in("real", 5, 2, scale=0.3)
    for other in (pickle.loads(pickle.dumps(bijection)), copy.deepcopy(bijection)):
        assert torch.equal(other.forward_by_column(x)[1], bijection.forward_by_column(x)[1])


def test_a_density_keeps_the_exact_marginal():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) @ np.triu(np.ones((3, 3)))
    density = FlowDensity(
        [b.Compose([PowerTails(3), b.Inverse(PowerTails(3))]), PowerTails(3)],
        prior="normal",
        max_epochs=1,
        random_state=0,
    ).fit(X)
    rows = X[:5].copy()
    rows[[0, 1, 2, 3, 4, 4], [0, 1, 2, 0, 0, 1]] = np.nan
    scores, error = density.score_marginal(rows)
    assert (error == 0).all()
    bijection = density.module_.bijection
    with torch.no_grad():
        Z = torch.from_numpy((X[:5] - density.location_) / density.scale_)
        z, log_slope = bijection.forward_by_column(Z)
    by_column = stats.norm.logpdf(z) + log_slope.numpy() - np.log(density.scale_)
    expected = np.where(np.isnan(rows), 0, by_column).sum(1)
    np.testing.assert_allclose(scores, expected, atol=1e-9)
