"""Independent columns, each a standard density moved and stretched."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ._base import Prior
from ._bisection import solve
from .column_law import IndependentLaw


class LocationScale(Prior):
    """Independent columns ``location + exp(log_scale) * standard``.

    Subclasses give the standard density by ``_standard_log_prob(u)`` and its cumulative
    distribution by ``_standard_cdf(u)``, both element by element with one column of `u` for each
    column, and draw from it by ``_standard_sample(like, generator)``.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Initial scale of every column.
    learnable : bool, default=False
        Whether location and scale are trained.
    dtype : torch.dtype, optional
        Precision of the parameters; torch's default one by default.
    """

    # Scales within exp(+-7) of the initial one, so that none can vanish or explode.
    _MAX_LOG_RATIO = 7.0

    def __init__(
        self,
        n_features: int,
        scale: float = 1.0,
        learnable: bool = False,
        *,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(n_features)
        if not 0 < scale < float("inf"):
            raise InvalidParameterError(f"scale must be a positive finite number, got {scale}.")
        self.scale = float(scale)
        location, log_ratio = (torch.zeros(n_features, dtype=dtype) for _ in range(2))
        if learnable:
            self.location, self.log_ratio = nn.Parameter(location), nn.Parameter(log_ratio)
        else:
            self.register_buffer("location", location)
            self.register_buffer("log_ratio", log_ratio)

    def _scales(self) -> Tensor:
        ratio = self.log_ratio.clamp(-self._MAX_LOG_RATIO, self._MAX_LOG_RATIO).exp()
        return self.scale * ratio

    def log_prob_by_column(self, z: Tensor) -> Tensor:
        """Log density of each column.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_features)
            Nats; rows sum to `log_prob`.
        """
        scale = self._scales()
        return self._standard_log_prob((z - self.location) / scale) - scale.log()

    def cdf(self, z: Tensor) -> Tensor:
        """Cumulative distribution of each column.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_features)
            Probability that a draw of the column is at most that value.

        Raises
        ------
        ShapeError
            If `z` has another shape.
        """
        self._check(z)
        return self._standard_cdf((z - self.location) / self._scales())

    @torch.no_grad()
    def quantile(self, p: Tensor) -> Tensor:
        """Quantiles of each column: where `cdf` has these values.

        Parameters
        ----------
        p : Tensor of shape (n, n_features)
            Probabilities between 0 and 1, both excluded.

        Returns
        -------
        Tensor of shape (n, n_features)
            Quantiles, to the precision of `cdf`.

        Raises
        ------
        InvalidParameterError
            If a probability is not between 0 and 1.
        ShapeError
            If `p` has another shape.
        """
        self._check(p)
        if not ((p > 0) & (p < 1)).all():
            raise InvalidParameterError("p must lie between 0 and 1, both excluded.")
        return self.location + self._scales() * solve(self._standard_cdf, p)

    def marginal(self, columns: Tensor) -> LocationScale:
        part = copy.deepcopy(self)
        part.n_features = len(columns)
        # Whatever such a prior holds, it holds one of for each column.
        for name, parameter in part.named_parameters():
            part.register_parameter(name, nn.Parameter(parameter.detach()[columns]))
        for name, buffer in part.named_buffers():
            part.register_buffer(name, buffer[columns])
        return part

    def _log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_by_column(z).sum(1)

    def _log_prob_marginal(self, z: Tensor, known: Tensor) -> Tensor:
        return torch.where(known, self.log_prob_by_column(z), 0.0).sum(1)

    def _law_given(self, z, known, column):
        return IndependentLaw(self.marginal(torch.tensor([column], device=z.device)), len(z))

    def _sample(self, n, generator, temperature):
        like = self.location.new_empty(n, self.n_features)
        scales = temperature * self._scales()
        return self.location + scales * self._standard_sample(like, generator)

    def _standard_log_prob(self, u: Tensor) -> Tensor:
        raise NotImplementedError

    def _standard_cdf(self, u: Tensor) -> Tensor:
        raise NotImplementedError

    def _standard_sample(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        raise NotImplementedError
