"""Images that begin at linear prediction, within a fractal flow."""

from __future__ import annotations

import numpy as np

from ..starts import (
    FlowStart,
    LiftedStart,
    as_topics,
    boxes_of,
    buffers_of,
    coarse_latents,
    coarse_level,
    lifted,
    lifting_is_likelier,
    mixture_start,
)

# Images hold many values, so few of them make a step.
_ROWS_A_BATCH, _MIN_BATCH, _MAX_BATCH = 100, 16, 32


def lifted_batch_size(n: int) -> int:
    """Rows in a batch of n training images that are lifted."""
    return int(np.clip(n // _ROWS_A_BATCH, _MIN_BATCH, _MAX_BATCH))


class LiftedImages:
    """The part of `FractalFlowDensity` that knows of lifting; goes before its base class."""

    def _batch_size(self, n):
        if self.batch_size == "auto" and self._config["fractal"] == "lifting":
            return lifted_batch_size(n)
        return super()._batch_size(n)

    def _grid(self):
        # What was fitted counts, whatever the parameter has become since.
        return tuple(self._config["image_shape"][:2])

    def _choose_kind(self, X, Z, weight, rng):
        """Kind of recursion, where 'auto' leaves it open."""
        if self.fractal != "auto":
            return self.fractal
        if self.image_shape is None:
            return "coupling"
        shape, columns = tuple(self.image_shape), self._columns
        if shape[0] % 2 or shape[1] % 2:
            return "lifting"
        boxes = boxes_of(X, columns, weight)
        likelier = lifting_is_likelier(Z, weight, shape, boxes, columns.grey, rng)
        return "lifting" if likelier else "coupling"

    def _lifted_start(self, X, Z, weight, groupings, rng):
        boxes = boxes_of(X, self._columns, weight)
        lifting = lifted(Z, weight, tuple(self.image_shape), boxes, rng)
        level = coarse_level(lifting, groupings)
        columns, latents = coarse_latents(lifting, Z, level)
        flow, groups = self._coarse_start(X, Z, latents, weight, columns, groupings, rng)
        return LiftedStart(buffers_of(lifting), len(boxes.centres), columns.tolist(), groups, flow)

    def _coarse_start(self, X, Z, latents, weight, columns, groupings, rng):
        """What the prior of coarse latents is initialised from, and word groups of all columns."""
        d = sum(map(len, groupings[0]))
        if self.prior == "normal":
            return FlowStart(), None
        if self.prior == "gaussian_mixture":
            mixture = mixture_start(latents, weight, self.n_topics, None, rng)
            return as_topics(mixture), [list(range(d))]
        place = np.full(d, -1)
        place[columns] = np.arange(len(columns))
        parts = [[place[group][place[group] >= 0] for group in groups] for groups in groupings]
        options = {"keep_columns": True, "bends": False, "margins": False}
        found = self._find_topics(X, Z, weight, groupings, rng, latents.shape[1])
        start = self._choose_topics(latents, parts, groupings, found, rng, **options)
        n_groups = len(start.prior.groups)
        (groups,) = (groups for groups in groupings if len(groups) == n_groups)
        return start, [group.tolist() for group in groups]
