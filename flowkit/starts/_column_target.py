"""One column of a prior, asked for as a distribution of scipy.stats is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..priors import LocationScale


class ColumnTarget:
    """What a column of the latent is to follow: arrays in, arrays out.

    Parameters
    ----------
    prior : LocationScale
        Prior of one column, in double precision, with its initial parameters.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import Laplace
    >>> from flowkit.starts._column_target import ColumnTarget
    >>> ColumnTarget(Laplace(1, dtype=torch.float64)).ppf([0.75, 0.95]).round(4)
    array([0.6931, 2.3026])
    """

    def __init__(self, prior: LocationScale):
        self.prior = prior

    def logpdf(self, x) -> np.ndarray:
        """Log density of each value, in nats."""
        return self._map(self.prior.log_prob_by_column, x)

    def cdf(self, x) -> np.ndarray:
        """Cumulative distribution at each value."""
        return self._map(self.prior.cdf, x)

    def ppf(self, p) -> np.ndarray:
        """Quantile of each probability."""
        return self._map(self.prior.quantile, p)

    @staticmethod
    def _map(function: Callable[[torch.Tensor], torch.Tensor], x) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        with torch.no_grad():
            mapped = function(torch.from_numpy(np.ascontiguousarray(x)).reshape(-1, 1))
        return mapped.numpy().reshape(x.shape)
