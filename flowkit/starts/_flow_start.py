"""What a flow is initialised from: maps of columns, a linear map, and its prior."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..bijections import Compose
from ._margins import Margins
from ._start import Start

if TYPE_CHECKING:
    from ..topics import Documents

# Standard deviations of priors stay above this share of the narrowest that they start with.
_NARROWEST_SHARE, _MIN_DEVIATION = 0.5, 1e-3
# Bound of the log-scales of linear maps, which training may reach.
_LINEAR_BOUND = 8.0


@dataclass(frozen=True)
class FlowStart:
    """The classical model that a flow begins as.

    Parameters
    ----------
    margins : Margins
        Maps of single columns.
    linear : tuple of ndarray or None
        Matrix and bias of the last linear map, None for the identity.
    prior : Start or None
        What the prior is initialised from, None for one that needs nothing.
    pixels : Compose or None
        Logit, scale and shift of grey levels, initialised; None for other rows.
    documents : Documents or None
        Rows as documents, where topics were found in them.
    """

    margins: Margins = field(default_factory=Margins)
    linear: tuple[np.ndarray, np.ndarray] | None = None
    prior: Start | None = None
    pixels: Compose | None = None
    documents: Documents | None = None

    @property
    def config(self) -> dict:
        """Plain values that the shape of the flow depends on."""
        largest = 0.0 if self.linear is None else np.log(np.linalg.eigvalsh(self.linear[0])[-1])
        bound = _LINEAR_BOUND if largest < _LINEAR_BOUND - 1 else float(largest) + 2
        prior = {"min_deviation": _MIN_DEVIATION} if self.prior is None else self.prior.config
        return {"margins": self.margins.form, "linear_bound": bound, **prior}

    @torch.no_grad()
    def apply(self, Z: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows behind the margins and the linear map, and their log-determinants."""
        latent, log_det = map(torch.from_numpy, self.margins.apply(Z))
        if self.linear is not None:
            matrix, bias = map(torch.from_numpy, self.linear)
            latent = latent @ matrix.t() + bias
            log_det = log_det + torch.linalg.slogdet(matrix)[1]
        return latent, log_det

    def initialise(self, module: nn.Module) -> None:
        """Put the start into a flow whose first steps are the maps of columns, in place."""
        steps = list(getattr(module.bijection, "bijections", [module.bijection]))
        if self.pixels is not None:
            steps.pop(0).load_state_dict(self.pixels.state_dict())
        self.margins.start(steps)
        if self.linear is not None:
            # Factors of narrow covariances need the digits; parameters take those that they hold.
            steps[-1].start(*map(torch.from_numpy, self.linear))
        if self.prior is not None:
            self.prior.initialise(module)


@dataclass(frozen=True)
class MixtureStart:
    """A Gaussian mixture as the prior of a flow.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        Weights of the components.
    means : ndarray of shape (k, d)
        Means.
    covariances : ndarray of shape (k, d, d) or (k, d)
        Covariance matrices or variances.
    covariance : {'full', 'diag'}
        Which of the two.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    covariance: str

    @property
    def min_deviation(self) -> float:
        """Standard deviation below which none of the prior may fall in training."""
        narrowest = narrowest_variance(self.covariances, self.covariance) ** 0.5
        return min(_MIN_DEVIATION, _NARROWEST_SHARE * narrowest)

    @property
    def config(self) -> dict:
        """Number and form of the components."""
        return {
            "n_components": len(self.weights),
            "covariance": self.covariance,
            "min_deviation": self.min_deviation,
        }

    def initialise(self, module: nn.Module) -> None:
        """Initialise the prior of a flow."""
        module.prior.start(*self.tensors())

    def tensors(self) -> list[torch.Tensor]:
        """Weights, means and covariances as tensors."""
        return [torch.from_numpy(a) for a in (self.weights, self.means, self.covariances)]


@dataclass(frozen=True)
class KernelStart:
    """Kernels on the latents of rows.

    Parameters
    ----------
    rows : ndarray of shape (n_centres, d)
        The rows, standardised and without noise, so that a row scored later is known again.
    weights : ndarray of shape (n_centres,)
        Weights of the kernels.
    """

    rows: np.ndarray
    weights: np.ndarray

    @property
    def config(self) -> dict:
        """Number of the kernels."""
        return {"centres": len(self.rows)}

    def initialise(self, module: nn.Module) -> None:
        """Put the kernels into a kernel flow."""
        module.start(torch.from_numpy(self.rows), torch.from_numpy(self.weights))


def narrowest_variance(covariances: np.ndarray, form: str) -> float:
    """Least variance of any component along any direction."""
    return float((covariances if form == "diag" else np.linalg.eigvalsh(covariances)).min())
