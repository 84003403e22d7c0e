"""The module of `PHVAE`, built from plain values."""

from __future__ import annotations

import numpy as np
import torch

from ..bijections import Compose
from ..bijections.registry import POSTERIOR_FLOWS, PRIOR_FLOWS, build_steps
from ..exceptions import InvalidParameterError
from ..modules import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    LocationScaleLikelihood,
    NeighbourLikelihood,
    PolynomialVAE,
)
from ..nets import ConvDecoder, ConvEncoder, GroupedMLP, Polynomials, ResidualMLP
from ..priors import HierarchicalNormal, Normal, StudentT

# Widest layers of the networks that steer flows.
_MAX_FLOW_UNITS = 64


def plain_weights(weights, degree: int) -> list[float] | None:
    """Weights of orders or moments as plain numbers, one for each.

    Raises
    ------
    InvalidParameterError
        If there is another number of them, or one is negative.
    """
    if weights is None:
        return None
    try:
        given = np.broadcast_to(np.asarray(weights, dtype=float), degree)
    except ValueError:
        given = np.array([np.nan])
    if not (np.isfinite(given) & (given >= 0)).all():
        raise InvalidParameterError(
            f"divergence_weights must be a number, or one for each of the {degree} orders or "
            f"moments, none of them negative, got {weights!r}."
        )
    return given.tolist()


def build_vae(config: dict, generator: torch.Generator) -> PolynomialVAE:
    """An untrained autoencoder.

    Parameters
    ----------
    config : dict
        What the estimator settled about its shape.
    generator : torch.Generator
        Source of the weights.

    Returns
    -------
    PolynomialVAE
        The module.
    """
    k, degree, d = config["n_components"], config["degree"], config["n_features"]
    n_latent = k * degree
    likelihood = _likelihood(config)
    n_context = k if config["posterior_flow"] else 0
    options = {name: config[name] for name in ("hidden_units", "n_hidden_layers", "dropout")}
    options["generator"] = generator
    shape, out = config["image_shape"], 2 * k + n_context
    if shape is None:
        encoder = GroupedMLP(d, out, degree, **options)
        decoder = ResidualMLP(n_latent, likelihood.n_outputs * d, **options)
    else:
        encoder = ConvEncoder(shape, out, degree, **options)
        decoder = ConvDecoder(n_latent, shape, likelihood.n_outputs, **options)
    return PolynomialVAE(
        Polynomials(degree, config["basis"], *config["interval"]),
        encoder,
        decoder,
        likelihood,
        HierarchicalNormal(k, degree, learnable=config["divergence"] != "kl"),
        divergence=config["divergence"],
        weights=config["divergence_weights"],
        free_bits=config["free_bits"],
        linear_path=config["linear_path"],
        posterior_flow=_flow(
            POSTERIOR_FLOWS, "posterior_flow", config, generator, n_context=n_context * degree
        ),
        prior_flow=_flow(PRIOR_FLOWS, "prior_flow", config, generator),
        seed=config["seed"],
    )


def _likelihood(config):
    shape, radius = config["image_shape"], config["residual_radius"]
    pixel = _pixel_likelihood(config)
    return NeighbourLikelihood(pixel, shape, radius) if shape and radius else pixel


def _pixel_likelihood(config):
    kind, d, scale = config["likelihood"], config["n_features"], config["decoder_scale"]
    if kind == "bernoulli":
        return BernoulliLikelihood(d)
    if kind == "discretized_logistic":
        return DiscretizedLogisticLikelihood(d, scale)
    return LocationScaleLikelihood(Normal(d) if kind == "normal" else StudentT(d), scale)


def _flow(kinds, name, config, generator, **options):
    """Flow of the kind that a parameter names, None for none."""
    kind, n_latent = config[name], config["n_components"] * config["degree"]
    if kind is None:
        return None
    options |= {"compile": config["compile"], "generator": generator}
    options["hidden_units"] = min(config["hidden_units"], _MAX_FLOW_UNITS)
    return Compose(build_steps(kinds[kind], config["n_flow_steps"], n_latent, **options))
