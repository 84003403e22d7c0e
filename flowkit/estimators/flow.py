"""Normalizing flows: any stack of bijections on any prior."""

from __future__ import annotations

import copy
import math
from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from ..bijections import (
    AffineAutoregressive,
    AffineCoupling,
    Bijection,
    Compose,
    LULinear,
    SplineAutoregressive,
    SplineCoupling,
)
from ..exceptions import InvalidParameterError
from ..modules import Flow
from ..priors import GaussianMixture, Laplace, Normal, Prior, StudentT
from ._base import BaseDensity
from ._starts import choose_start, marginal_spline

_STEPS = {
    "spline_coupling": SplineCoupling,
    "affine_coupling": AffineCoupling,
    "spline_autoregressive": SplineAutoregressive,
    "affine_autoregressive": AffineAutoregressive,
}
_PRIORS = ("normal", "laplace", "student_t", "gaussian_mixture")


class FlowDensity(BaseDensity):
    """Density estimation with a normalizing flow.

    TODO docstring
    """

    _parameter_constraints: dict = {
        **BaseDensity._parameter_constraints,
        "transforms": [StrOptions(set(_STEPS)), Bijection, list, tuple],
        "n_transforms": [Interval(Integral, 1, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_hidden_layers": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, 999, closed="both")],
        "tail_bound": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "prior": [StrOptions(set(_PRIORS)), Prior],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        transforms="spline_coupling",
        *,
        n_transforms=4,
        hidden_units=64,
        n_hidden_layers=2,
        n_bins=8,
        tail_bound=4.0,
        dropout=0.1,
        prior="gaussian_mixture",
        n_components=None,
        standardize=True,
        max_epochs=100,
        batch_size="auto",
        learning_rate=1e-3,
        weight_decay=1e-4,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-4,
        noise=None,
        dequantize="auto",
        warm_start=False,
        random_state=None,
        device="auto",
        dtype="float32",
        compile=False,
        callbacks=None,
        verbose=0,
    ):
        self.transforms = transforms
        self.n_transforms = n_transforms
        self.hidden_units = hidden_units
        self.n_hidden_layers = n_hidden_layers
        self.n_bins = n_bins
        self.tail_bound = tail_bound
        self.dropout = dropout
        self.prior = prior
        self.n_components = n_components
        self.standardize = standardize
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.noise = noise
        self.dequantize = dequantize
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.dtype = dtype
        self.compile = compile
        self.callbacks = callbacks
        self.verbose = verbose

    def _configure(self, Z, weight, rng):
        config = {
            name: copy.deepcopy(getattr(self, name))
            for name in (
                "transforms",
                "n_transforms",
                "hidden_units",
                "n_hidden_layers",
                "n_bins",
                "tail_bound",
                "dropout",
                "prior",
                "compile",
            )
        }
        config["n_features"] = Z.shape[1]
        if not isinstance(self.transforms, str):
            return config, None
        start = choose_start(Z, weight, self.prior == "gaussian_mixture", self.n_components, rng)
        config["marginals"] = start.marginals is not None
        config["covariance"] = start.covariance
        config["n_components"] = len(start.mixture[0]) if start.mixture else None
        return config, start

    def _build(self, config, generator):
        return Flow(_build_bijection(config, generator), _build_prior(config))

    def _start(self, module, start):
        if start is None:
            return
        steps = module.bijection.bijections
        if start.marginals is not None:
            steps[0].start(*_tensors(start.marginals))
        steps[-1].start(*_tensors(start.linear))
        if start.mixture is not None:
            module.prior.start(*_tensors(start.mixture))


def _tensors(arrays):
    return [torch.from_numpy(array).float() for array in arrays]


def _build_bijection(config, generator):
    transforms, d = config["transforms"], config["n_features"]
    if not isinstance(transforms, str):
        bijection = transforms if isinstance(transforms, Bijection) else _compose(transforms)
        _check_width("transforms", bijection, d)
        if bijection.n_context:
            raise InvalidParameterError(
                f"transforms expects a context of {bijection.n_context} columns, which an "
                "estimator does not have: build it with n_context=0."
            )
        return copy.deepcopy(bijection)
    options = {name: config[name] for name in ("hidden_units", "n_hidden_layers", "dropout")}
    if transforms.startswith("spline"):
        options |= {name: config[name] for name in ("n_bins", "tail_bound", "compile")}
    steps = [marginal_spline(d)] if config["marginals"] else []
    for i in range(config["n_transforms"]):
        if transforms.endswith("coupling"):
            options["reverse"] = bool(i % 2)
        steps += [LULinear(d), _STEPS[transforms](d, generator=generator, **options)]
    return Compose([*steps, LULinear(d)])


def _build_prior(config):
    prior, d = config["prior"], config["n_features"]
    if isinstance(prior, Prior):
        _check_width("prior", prior, d)
        return copy.deepcopy(prior)
    if prior == "gaussian_mixture":
        return GaussianMixture(d, config["n_components"], config["covariance"])
    if prior == "laplace":
        return Laplace(d, scale=math.sqrt(0.5))
    return {"normal": Normal, "student_t": StudentT}[prior](d)


def _compose(transforms):
    for step in transforms:
        if not isinstance(step, Bijection):
            raise InvalidParameterError(
                f"transforms holds {step!r}, which is not a Bijection: a list holds bijections "
                "alone, a name stands by itself."
            )
    return Compose(transforms)


def _check_width(name, module, n_features):
    if module.n_features != n_features:
        raise InvalidParameterError(
            f"{name} expects {module.n_features} features, X has {n_features}: build it with "
            f"n_features={n_features}."
        )
