"""The contract of every prior: a normalised density of the latent."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, ShapeError


class Prior(nn.Module):
    """A normalised density of rows.

    Subclasses implement ``_log_prob(z)`` and ``_sample(n, generator)``.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.
    """

    def __init__(self, n_features: int):
        super().__init__()
        if n_features < 1:
            raise InvalidParameterError(f"n_features must be at least 1, got {n_features}.")
        self.n_features = n_features

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density of each row.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n,)
            Log density in nats.

        Raises
        ------
        ShapeError
            If `z` has another shape.
        """
        if z.ndim != 2 or z.shape[1] != self.n_features:
            raise ShapeError(
                f"{type(self).__name__} expects rows of shape (n, {self.n_features}), "
                f"got {tuple(z.shape)}."
            )
        return self._log_prob(z)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw rows.

        Parameters
        ----------
        n : int
            Number of rows.
        generator : torch.Generator, optional
            Source of randomness; torch's global one by default.

        Returns
        -------
        Tensor of shape (n, n_features)
            The draws.
        """
        with torch.no_grad():
            return self._sample(n, generator)

    def _log_prob(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        raise NotImplementedError


class LocationScale(Prior):
    """Independent columns ``location + exp(log_scale) * standard``.

    Subclasses give the standard density by ``_standard_log_prob(u)``, elementwise, and
    ``_standard_sample(like, generator)``.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Scale of every column at the start.
    learnable : bool, default=False
        Whether location and scale are trained.
    """

    # Scales within exp(+-7) of the start, so that none can vanish or explode.
    _MAX_LOG_RATIO = 7.0

    def __init__(self, n_features: int, scale: float = 1.0, learnable: bool = False):
        super().__init__(n_features)
        if not 0 < scale < float("inf"):
            raise InvalidParameterError(f"scale must be a positive finite number, got {scale}.")
        self.scale = float(scale)
        location, log_ratio = torch.zeros(n_features), torch.zeros(n_features)
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

    def marginal(self, columns: Tensor) -> LocationScale:
        """Copy of the prior that is left of some of the columns.

        Parameters
        ----------
        columns : Tensor of int of shape (k,)
            Which.

        Returns
        -------
        LocationScale
            Prior of `k` columns.
        """
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

    def _sample(self, n: int, generator: torch.Generator | None) -> Tensor:
        like = self.location.new_empty(n, self.n_features)
        return self.location + self._scales() * self._standard_sample(like, generator)

    def _standard_log_prob(self, u: Tensor) -> Tensor:
        raise NotImplementedError

    def _standard_sample(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        raise NotImplementedError
