"""Images whose scales are those of a lifting, within a renormalization-group density."""

from __future__ import annotations

import inspect

import numpy as np
import torch

from ..bijections import Compose, Lifting
from ..bijections.lattice_layout import n_levels_of
from ..bijections.registry import QUANTILES
from ..exceptions import InvalidParameterError
from ..modules import Flow
from ..priors import Product, Topic
from ..priors.registry import FACTORISED
from ..starts import (
    LastPriorStart,
    LiftedScalesStart,
    boxes_of,
    buffers_of,
    coarse_latents,
    draw_rows,
    lifted,
    lifting_is_likelier,
)
from ..topics import kmeans_topics
from ._base import usual_dropout
from ._lifted import lifted_batch_size

# What blocks alone know of; who sets it wants blocks.
_OF_BLOCKS = (
    "kernel_size",
    "n_layers",
    "n_res_blocks",
    "boundary",
    "coupling",
    "share_levels",
    "gradient_checkpointing",
)
# What liftings are built from.
_LIFTING = (
    "image_shape",
    "n_boxes",
    "hidden_units",
    "n_hidden_layers",
    "dropout",
    "affine_from",
)
# Topics are those of the finest grid of at most so many pixels along each edge.
_TOPIC_EDGE = 4


class LiftedScales:
    """The part of `RGFlowDensity` that knows of lifting; goes before its base class."""

    def _is_lifted(self) -> bool:
        return self._config["layout"] == "lifting"

    def _batch_size(self, n):
        if self.batch_size == "auto" and self._is_lifted():
            return lifted_batch_size(n)
        return super()._batch_size(n)

    def _choose_layout(self, X, Z, weight, rng) -> str:
        """'blocks' or 'lifting', where 'auto' leaves it open."""
        if self.layout == "lifting":
            self._check_prior()
        if self.layout != "auto":
            return self.layout
        signature = inspect.signature(type(self)).parameters
        wants_blocks = any(getattr(self, name) != signature[name].default for name in _OF_BLOCKS)
        if self.image_shape is None or wants_blocks or self.prior not in QUANTILES:
            return "blocks"
        shape, columns = tuple(self.image_shape), self._columns
        boxes = boxes_of(X, columns, weight)
        likelier = lifting_is_likelier(Z, weight, shape, boxes, columns.grey, rng)
        return "lifting" if likelier else "blocks"

    def _check_prior(self):
        if self.prior not in QUANTILES:
            raise InvalidParameterError(
                f"layout='lifting' maps onto standard normal latents, which only priors of a fixed "
                f"form can stand for exactly: prior must be one of "
                f"{', '.join(map(repr, QUANTILES))}, got {self.prior!r}. Take one of these, or "
                "layout='blocks'."
            )

    def _initialize_lifting(self, X, Z, weight, rng) -> tuple[dict, LiftedScalesStart]:
        shape = None if self.image_shape is None else tuple(self.image_shape)
        boxes, topics, level = boxes_of(X, self._columns, weight), None, None
        if self.top_prior is not None:
            level = n_levels_of((Z.shape[1],) if shape is None else shape[:2], _TOPIC_EDGE) - 1
        lifting = lifted(Z, weight, shape, boxes, rng, affine_from=level)
        if level is not None:
            drawn = Z[draw_rows(len(Z), weight, rng)]
            top = coarse_latents(lifting, drawn, level)[1]
            topics = LastPriorStart(top, *kmeans_topics(top, self.n_topics, rng))
        start = LiftedScalesStart(buffers_of(lifting), len(boxes.centres), topics)
        # Each value of an image is a row to the networks.
        own = {"dropout": usual_dropout(Z.size), "affine_from": level}
        return own | start.config, start


def lifted_flow(config: dict, generator: torch.Generator) -> Flow:
    """An untrained flow of a lifting onto a factorised prior, with topics or without."""
    d = config["n_features"]
    steps = [Lifting(d, generator=generator, **{name: config[name] for name in _LIFTING})]
    level = config["affine_from"]
    coarse = steps[0].levels >= (np.inf if level is None else level)
    top, fine = np.flatnonzero(coarse).tolist(), np.flatnonzero(~coarse).tolist()
    priors, blocks = [], []
    if fine:
        prior = FACTORISED[config["prior"]](len(fine))
        priors, blocks = [prior], [fine]
        quantile = QUANTILES[config["prior"]]
        steps += [quantile(d, prior.scale, fine)] if quantile else []
    if top:
        groups = [range(len(top))]
        priors += [Topic(len(top), config["n_topics"], groups, nodes="one_hot")]
        blocks += [top]
    return Flow(Compose(steps), Product(priors, blocks))
