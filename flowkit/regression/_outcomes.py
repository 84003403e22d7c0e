"""Distributions of single targets given features: their quantiles, moments and normal scores.

A normal score is what a value becomes when its distribution is made standard normal: the quantile
function of the normal distribution at its cumulative probability, precise in both tails.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import norm, qmc

from ..modules import Evaluator

# Standard normal quadrature: equal steps, exact to rounding for smooth functions.
_N_NODES, _REACH = 65, 8.0
# Draws of several targets, and how many neighbours in rank make one knot.
_N_DRAWS, _KNOT_DRAWS = 512, 16


class Outcomes:
    """Each target given features.

    Contexts are location, log scale and features, and targets are standardised.

    Parameters
    ----------
    evaluator : Evaluator
        Of a `flowkit.modules.ResidualFlow`, onto independent standard normal columns.
    """

    def __init__(self, evaluator: Evaluator):
        self.evaluator, self.module = evaluator, evaluator.module

    @property
    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Latents (k, n_targets), the same for all rows, and their weights (k,) in means."""
        raise NotImplementedError

    def normal_scores(self, rows: np.ndarray) -> np.ndarray:
        """Normal score of each target of rows (n, n_targets + n_context), shape (n, n_targets)."""
        raise NotImplementedError

    def values(self, contexts: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Targets at normal scores (k, n_targets), shape (n, k, n_targets)."""
        raise NotImplementedError

    def moments(
        self, contexts: np.ndarray, unstandardise: Callable
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each target, in its units, both (n, n_targets).

        Not finite where they overflow.
        """
        latents, weights = self.nodes
        with np.errstate(over="ignore", invalid="ignore"):
            y = unstandardise(self.decoded(contexts, latents))
            mean = np.einsum("k,nkj->nj", weights, y)
            apart = y - mean[:, None]
            # Squares of numbers of any size are numbers after division by the largest.
            unit = np.maximum(np.abs(apart).max(1), np.finfo(float).tiny)
            square = np.einsum("k,nkj->nj", weights, (apart / unit[:, None]) ** 2)
        return mean, unit * np.sqrt(square)

    def decoded(self, contexts: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Targets of the same latents (k, d) for each context, shape (n, k, d)."""
        z = torch.from_numpy(latents).to(self.evaluator.device)
        return self.evaluator.map(lambda context: self._decoded(context, z), contexts)

    def _decoded(self, context, z):
        n, k = len(context), len(z)
        y = self.module.decode(z.repeat(n, 1), context.repeat_interleave(k, 0))
        return y.view(n, k, -1)


class OneOutcome(Outcomes):
    """A single target: its latent is its normal score, so that all is exact."""

    @property
    def nodes(self):
        latents = np.linspace(-_REACH, _REACH, _N_NODES)
        weights = norm.pdf(latents)
        return latents[:, None], weights / weights.sum()

    def normal_scores(self, rows):
        return self.evaluator.map(self.module.encode, rows)

    def values(self, contexts, scores):
        return self.decoded(contexts, scores)


class SeveralOutcomes(Outcomes):
    """Several targets, each by the same draws of the latents for all rows.

    Their ranks are joined by straight lines between normal scores, which go on beyond the draws.
    """

    @property
    def nodes(self):
        d = self.module.n_targets
        # Without scrambling the points are multiples of their share, which is moved off zero.
        latents = norm.ppf(qmc.Sobol(d, scramble=False).random(_N_DRAWS) + 0.5 / _N_DRAWS)
        # With the mean and covariance of the prior, the start has its own ones exactly.
        latents -= latents.mean(0)
        root = np.linalg.cholesky(np.cov(latents, rowvar=False, bias=True).reshape(d, d))
        latents = np.linalg.solve(root, latents.T).T
        return latents, np.full(_N_DRAWS, 1 / _N_DRAWS)

    def normal_scores(self, rows):
        d = self.module.n_targets
        knots, scores = self._knots(rows[:, d:])
        return _interpolated(knots, scores, rows[:, None, :d])[:, 0]

    def values(self, contexts, scores):
        knots, known = self._knots(contexts)
        return _interpolated(known, knots, scores[None])

    def _knots(self, contexts):
        """Values (n, n_knots, d) and normal scores (1, n_knots, 1) of draws in order."""
        y = np.sort(self.decoded(contexts, self.nodes[0]), axis=1)
        scores = norm.ppf((np.arange(_N_DRAWS) + 0.5) / _N_DRAWS)
        y = y.reshape(len(y), -1, _KNOT_DRAWS, y.shape[2]).mean(2)
        return y, scores.reshape(-1, _KNOT_DRAWS).mean(1)[None, :, None]


def _interpolated(x, y, at):
    """Straight lines through knots (n, n_knots, d), at (n, k, d), going on beyond the last ones."""
    n, d = max(len(x), len(y), len(at)), max(a.shape[2] for a in (x, y, at))
    x, y = (np.broadcast_to(a, (n, a.shape[1], d)) for a in (x, y))
    at = np.broadcast_to(at, (n, at.shape[1], d))
    below = (at[:, :, None] >= x[:, None]).sum(2).clip(1, x.shape[1] - 1) - 1
    x0, x1, y0, y1 = (np.take_along_axis(a, below + i, 1) for a in (x, y) for i in (0, 1))
    # Knots that rounding joins make a step, and what is far beyond the last ones is infinite.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        rise = (at - x0) / (x1 - x0) * (y1 - y0)
    return y0 + np.where(at == x0, 0.0, rise)
