"""One spline flow in flowkit and its peers, behind one face.

Six rational-quadratic spline couplings on 16 features: halves swap roles from layer to layer, the
conditioner is a ReLU network with two hidden layers of 128, 8 bins, linear tails outside [-3, 3],
a standard normal base, float32. Every library is initialised at the exact identity. Conditioners
have equal matrix products; flowkit's adds one residual sum, the others are plain; normflows' own
residual network is replaced by the plain one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

N_FEATURES = 16
N_LAYERS = 6
HIDDEN = 128
N_BINS = 8
BOUND = 3.0
BATCH = 512
# Its process has numba switched off.
WITHOUT_KERNELS = "flowkit without numba"
# softplus of it plus nflows' and normflows' minimum slope of 1e-3 is a slope of one.
UNIT_SLOPE = math.log(math.expm1(1.0 - 1e-3))


@dataclass
class Model:
    """What is timed, behind one face for every library."""

    module: Any
    log_prob: Callable
    sample: Callable[[int], Any]


def conditioner(n_in: int, n_out: int):
    """The conditioner of the libraries that take one ready-made, with a last layer of zeros."""
    import torch

    class Conditioner(torch.nn.Sequential):
        def forward(self, inputs, context=None):
            return super().forward(inputs)

    last = torch.nn.Linear(HIDDEN, n_out)
    slopes = torch.zeros(n_out // (3 * N_BINS - 1), 3 * N_BINS - 1)
    slopes[:, 2 * N_BINS :] = UNIT_SLOPE
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(slopes.flatten())
    return Conditioner(
        torch.nn.Linear(n_in, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, HIDDEN),
        torch.nn.ReLU(),
        last,
    )


def is_transformed(layer: int) -> list[int]:
    """One for each feature that a layer changes: second half first, then in turns."""
    half = N_FEATURES // 2
    return [0] * half + [1] * half if layer % 2 == 0 else [1] * half + [0] * half


def build_flowkit(compile: bool = False) -> Model:
    from flowkit.bijections import Compose, SplineCoupling
    from flowkit.modules import Flow
    from flowkit.priors import Normal

    layers = [
        SplineCoupling(
            N_FEATURES,
            hidden_units=HIDDEN,
            n_hidden_layers=2,
            n_bins=N_BINS,
            tail_bound=BOUND,
            dropout=0.0,
            reverse=bool(i % 2),
            compile=compile,
        )
        for i in range(N_LAYERS)
    ]
    flow = Flow(Compose(layers), Normal(N_FEATURES))
    return Model(flow, flow.log_prob, flow.sample)


def build_zuko() -> Model:
    import torch
    from zuko.distributions import DiagNormal
    from zuko.flows import Flow, UnconditionalDistribution
    from zuko.flows.coupling import GeneralCouplingTransform
    from zuko.transforms import MonotonicRQSTransform

    layers = [
        GeneralCouplingTransform(
            N_FEATURES,
            mask=[not changed for changed in is_transformed(i)],
            univariate=partial(MonotonicRQSTransform, bound=BOUND),
            shapes=[(N_BINS,), (N_BINS,), (N_BINS - 1,)],
            hidden_features=(HIDDEN, HIDDEN),
        )
        for i in range(N_LAYERS)
    ]
    for layer in layers:
        torch.nn.init.zeros_(layer.hyper[-1].weight)
        torch.nn.init.zeros_(layer.hyper[-1].bias)
    base = UnconditionalDistribution(
        DiagNormal, torch.zeros(N_FEATURES), torch.ones(N_FEATURES), buffer=True
    )
    flow = Flow(layers, base)
    return Model(flow, lambda x: flow().log_prob(x), lambda n: flow().sample((n,)))


def build_nflows() -> Model:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import (
        CompositeTransform,
        PiecewiseRationalQuadraticCouplingTransform,
    )

    layers = [
        PiecewiseRationalQuadraticCouplingTransform(
            is_transformed(i), conditioner, num_bins=N_BINS, tails="linear", tail_bound=BOUND
        )
        for i in range(N_LAYERS)
    ]
    flow = Flow(CompositeTransform(layers), StandardNormal([N_FEATURES]))
    return Model(flow, flow.log_prob, flow.sample)


def build_normflows() -> Model:
    import normflows
    import torch
    from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling

    layers = []
    for i in range(N_LAYERS):
        layer = normflows.flows.CoupledRationalQuadraticSpline(N_FEATURES, 1, HIDDEN)
        # The public layer has a residual conditioner and an extra unconditional spline: its inner
        # coupling is replaced by one of the common architecture.
        layer.prqct = PiecewiseRationalQuadraticCoupling(
            torch.tensor(is_transformed(i)),
            conditioner,
            num_bins=N_BINS,
            tails="linear",
            tail_bound=BOUND,
        )
        layers.append(layer)
    base = normflows.distributions.DiagGaussian(N_FEATURES, trainable=False)
    flow = normflows.NormalizingFlow(base, layers)
    return Model(flow, flow.log_prob, lambda n: flow.sample(n)[0])


BUILDERS: dict[str, Callable[[], Model]] = {
    "flowkit": build_flowkit,
    WITHOUT_KERNELS: build_flowkit,
    "zuko": build_zuko,
    "nflows": build_nflows,
    "normflows": build_normflows,
}
# Module that a peer needs.
NEEDED = {name: name for name in ("zuko", "nflows", "normflows")}


def check_identity(model: Model) -> None:
    """Stop unless log_prob is that of the base, as the identity must give."""
    import torch

    x = torch.randn(BATCH, N_FEATURES)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1)
    with torch.inference_mode():
        error = (model.log_prob(x) - expected).abs().max().item()
        draws = model.sample(BATCH)
    if not error < 1e-2:
        raise RuntimeError(f"log_prob of the identity is off the standard normal's by {error:.3g}")
    if draws.shape != (BATCH, N_FEATURES) or not draws.isfinite().all():
        raise RuntimeError("sample of the identity is not a finite (n, d) batch")
