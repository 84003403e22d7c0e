"""Questions to any density: its own, exact ones of scikit-learn's, or by weighted draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from .. import priors
from ..bijections import ElementwiseAffine
from ..columns import Columns
from ..exceptions import InvalidParameterError
from ..missing import Completion
from ..modules import DensityModule, Evaluator, Flow
from ..nested import can_be_drawn_from, draw_from, log_density_of, log_density_without, stood_for
from ._questions import FlowQuestions, Questions

# Draws that tell where a density lies.
_N_DRAWS = 2_000
_SEED = 0


@singledispatch
def questions_of(density) -> Questions:
    """Questions to a fitted density.

    Parameters
    ----------
    density : estimator
        Of rows of numbers, with `score_samples`.

    Raises
    ------
    InvalidParameterError
        If it knows no conditionals and cannot be drawn from.
    """
    inside = stood_for(density)
    if inside is not density:
        return questions_of(inside)
    if hasattr(density, "_questions_of_numbers"):
        return density._questions_of_numbers()
    if getattr(density, "_completion", None) is not None:
        return FlowQuestions(density._columns, density._evaluator, density._completion)
    return questions_by_draws(density)


def exact_questions_of(density) -> Questions | None:
    """Questions to a fitted density that knows its conditionals, None to any other.

    Parameters
    ----------
    density : estimator
        Of rows of numbers, with `score_samples`. It is not drawn from.
    """
    inside = stood_for(density)
    is_mixture = type(inside) is GaussianMixture
    if not is_mixture and getattr(inside, "_completion", None) is None:
        return None
    questions = questions_of(inside)
    return questions if questions.is_exact else None


@questions_of.register
def _(density: GaussianMixture):
    if type(density) is not GaussianMixture:
        return questions_by_draws(density)
    k, d = density.means_.shape
    # Factors of scikit-learn's own, in their short forms.
    factors = density.precisions_cholesky_
    if density.covariance_type == "tied":
        factors = np.broadcast_to(factors, (k, d, d))
    elif density.covariance_type in ("diag", "spherical"):
        diagonal = np.broadcast_to(np.reshape(factors, (k, -1)), (k, d))
        factors = diagonal[:, :, None] * np.eye(d)
    parts = np.log(density.weights_), density.means_, factors
    tensors = (torch.tensor(np.array(part, dtype=np.float64)) for part in parts)
    return _of_prior(priors.GaussianMixture.of(*tensors))


@questions_of.register
def _(density: KernelDensity):
    rows = np.array(density.tree_.data, dtype=np.float64)
    plain = type(density) is KernelDensity and density.kernel == "gaussian"
    if not plain or density.metric != "euclidean" or len(rows) < 2:
        return questions_by_draws(density)
    n, d = rows.shape
    # As wide as the kernels are, whatever their number.
    prior = priors.Kernel(d, n, width=density.bandwidth_ * n ** (1 / (d + 4))).double()
    weights = density.tree_.sample_weight
    prior.start(torch.from_numpy(rows), None if weights is None else torch.tensor(weights))
    return _of_prior(prior)


def _of_prior(prior):
    """Questions to a prior whose conditionals are known, of rows as they are."""
    d = prior.n_features
    zeros, ones = np.zeros(d), np.ones(d)
    flow = Flow(ElementwiseAffine(d).double(), prior).requires_grad_(False).eval()
    columns = Columns(zeros, ones, zeros)
    completion = Completion(columns, -ones, ones, [np.empty(0)] * d)
    return FlowQuestions(columns, Evaluator(flow, torch.device("cpu")), completion)


def questions_by_draws(density) -> Questions:
    """Questions to any density that can be scored and drawn from, answered by weighted draws.

    Parameters
    ----------
    density : estimator
        Fitted, of rows of numbers.

    Raises
    ------
    InvalidParameterError
        If it cannot be drawn from.
    """
    if not can_be_drawn_from(density):
        raise InvalidParameterError(
            f"{type(density).__name__} knows no conditionals, and cannot be drawn from to estimate "
            "them: use a density that has `sample`, such as FlowDensity."
        )
    rows = draw_from(density, _N_DRAWS, _SEED)
    scale = rows.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    columns = Columns(rows.mean(0), scale, np.zeros_like(scale))
    return FlowQuestions(columns, _AnyEvaluator(density, columns), Completion.of(rows, columns))


@dataclass(frozen=True)
class _AnyEvaluator:
    """Any density as an evaluator of standardised rows.

    Parameters
    ----------
    density : estimator
        Fitted, can be drawn from.
    columns : Columns
        What rows are standardised by.
    """

    density: Any
    columns: Columns

    module = DensityModule(1)
    device = torch.device("cpu")

    def log_prob(self, Z, without=None):
        X = self.columns.unstandardise(Z)
        if without is None:
            log_density = log_density_of(self.density, X)
        else:
            log_density = log_density_without(self.density, X, without)
        return log_density + np.log(self.columns.scale).sum()

    def sample(self, n, random_state):
        return self.columns.standardise(draw_from(self.density, n, random_state))
