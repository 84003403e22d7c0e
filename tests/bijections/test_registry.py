"""Bijections by name: each name builds, and estimators take exactly the names there are."""

from __future__ import annotations

import pytest
import torch

from flowkit import PHVAE, FlowDensity, FractalFlowDensity
from flowkit import bijections as b
from flowkit.bijections.registry import (
    FRACTALS,
    POSTERIOR_FLOWS,
    PRIOR_FLOWS,
    TRANSFORMS,
    build_steps,
)

from ..tensors import rows_in

OFFERED = {
    "hidden_units": 8,
    "n_hidden_layers": 1,
    "dropout": 0.1,
    "n_bins": 4,
    "tail_bound": 5.0,
    "compile": False,
}
TAKEN_BY = {
    "transforms": (FlowDensity, TRANSFORMS),
    "fractal": (FractalFlowDensity, FRACTALS),
    "posterior_flow": (PHVAE, POSTERIOR_FLOWS),
    "prior_flow": (PHVAE, PRIOR_FLOWS),
}
KINDS = [
    pytest.param(step, id=f"{parameter}-{name}")
    for parameter, (_, kinds) in TAKEN_BY.items()
    for name, step in kinds.items()
]


@pytest.mark.parametrize("step", KINDS)
def test_every_name_builds_steps_that_go_both_ways(step):
    generator = torch.Generator().manual_seed(0)
    steps = build_steps(step, 3, 4, generator=generator, **OFFERED)
    assert [type(bijection) for bijection in steps] == 3 * list(step)
    stack = b.Compose(steps).double().eval()
    x = rows_in("real", 5, 4)
    torch.testing.assert_close(stack.inverse(stack(x)[0])[0], x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("step", KINDS)
def test_options_reach_the_constructors_that_take_them(step):
    for i, bijection in enumerate(build_steps(step, 2, 4, **OFFERED)):
        if hasattr(bijection, "reverse"):
            assert bijection.reverse == bool(i // len(step))
        spline = getattr(bijection, "univariate", None)
        if hasattr(spline, "n_bins"):
            assert (spline.n_bins, spline.tail_bound) == (4, 5.0)
        net = getattr(bijection, "net", None)
        if net is not None:
            assert net.first.weight.shape[-2] == 8
            assert len(net.hidden) == 0


def test_the_same_generator_builds_the_same_steps():
    first, second = (
        build_steps(TRANSFORMS["spline_coupling"], 2, 4, generator=torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize("parameter", TAKEN_BY)
def test_estimators_name_what_there_is_where_a_name_is_wrong(parameter):
    estimator, kinds = TAKEN_BY[parameter]
    with pytest.raises(ValueError, match=parameter) as caught:
        estimator(**{parameter: "nonsense"}).fit(rows_in("real", 30, 2).numpy())
    assert all(repr(name) in str(caught.value) for name in kinds)


def test_a_new_name_is_taken_at_once(monkeypatch):
    """Options that no other bijection has stay at their defaults, those not taken are not given."""

    class Squeezed(b.SinhArcsinh):
        def __init__(self, n_features, *, strength=2.0, n_bins):
            super().__init__(n_features)
            self.seen = strength, n_bins

    monkeypatch.setitem(TRANSFORMS, "squeezed", (b.LULinear, Squeezed))
    _, squeezed = build_steps(TRANSFORMS["squeezed"], 1, 2, **OFFERED)
    assert squeezed.seen == (2.0, 4)
