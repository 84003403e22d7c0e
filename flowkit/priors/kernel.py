"""Kernel estimate: a Gaussian on each of many centres."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, ShapeError
from ._base import Prior
from ._given_columns import comparable
from ._kernel_sums import half_squares, log_sums, log_sums_of_others
from .column_law import NormalMixtureLaw
from .known_rows import KnownRows


class Kernel(Prior):
    """Gaussians of one trained bandwidth on centres that are given.

    The bandwidth is ``width * n_centres ** (-1 / (n_features + 4))``, Scott's rule with a trained
    width, so that what was learned on the few rows of a batch holds for all centres.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_centres : int
        Number of Gaussians.
    width : float, default=0.5
        Initial width.
    bandwidth_factor : float, default=1.0
        Factor on the trained bandwidth in `log_prob` and `sample`; below one the density follows
        single centres more closely than the likeliest does.

    Notes
    -----
    `log_prob` of a row that is a centre leaves its own kernel out. This changes the density only
    at the centres, so it still integrates to one. `log_prob_marginal` leaves no kernel out.

    Centres are not part of ``state_dict``: call `start` again after loading one.

    References
    ----------
    Scott, "Multivariate Density Estimation", Wiley 1992.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import Kernel
    >>> prior = Kernel(1, 2)
    >>> prior.start(torch.tensor([[-1.0], [1.0]]))
    >>> [round(score, 2) for score in prior.log_prob(torch.tensor([[1.0], [0.0]])).tolist()]
    [-10.64, -2.73]
    """

    # Bandwidths within exp(+-5) of the initial one, so that none can vanish.
    _MAX_LOG_RATIO = 5.0
    # Kernels that are held at once: few enough for the cache.
    _MAX_KERNELS = 2**17

    def __init__(
        self, n_features: int, n_centres: int, width: float = 0.5, bandwidth_factor: float = 1.0
    ):
        super().__init__(n_features)
        if n_centres < 2:
            raise InvalidParameterError(f"n_centres must be at least 2, got {n_centres}.")
        for name, value in {"width": width, "bandwidth_factor": bandwidth_factor}.items():
            if not 0 < value < math.inf:
                raise InvalidParameterError(f"{name} must be positive and finite, got {value}.")
        self.width = float(width)
        self.bandwidth_factor = float(bandwidth_factor)
        self.log_ratio = nn.Parameter(torch.zeros(()))
        self.register_buffer("weights", torch.ones(n_centres))
        # Follows from rows and map, so that it need not be stored.
        self.register_buffer("centres", torch.zeros(n_centres, n_features), persistent=False)

    @torch.no_grad()
    def start(self, centres: Tensor, weights: Tensor | None = None) -> None:
        """Put the kernels on centres.

        Parameters
        ----------
        centres : Tensor of shape (n_centres, n_features)
            Latent rows.
        weights : Tensor of shape (n_centres,), default=None
            Positive weights of the kernels; None leaves them as they are, equal at first.

        Raises
        ------
        ShapeError
            If the shape is another.
        """
        if centres.shape != self.centres.shape:
            raise ShapeError(
                f"expected centres of shape {tuple(self.centres.shape)}, got "
                f"{tuple(centres.shape)}."
            )
        self.centres.copy_(centres)
        if weights is not None:
            self.weights.copy_(weights)

    def log_bandwidth(self, n_centres: int) -> Tensor:
        """Logarithm of the trained bandwidth of kernels on so many centres."""
        ratio = self.log_ratio.clamp(-self._MAX_LOG_RATIO, self._MAX_LOG_RATIO)
        return ratio + math.log(self.width) - math.log(n_centres) / (self.n_features + 4)

    def leave_one_out(self, z: Tensor) -> Tensor:
        """Log density of each row under kernels on all others.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows, at least two.

        Returns
        -------
        Tensor of shape (n,)
            Nats.
        """
        n = len(z) - 1
        if n < 1:
            raise ShapeError(
                "expected at least two rows, each scored by kernels on the others, got 1."
            )
        log_bandwidth = self.log_bandwidth(n)
        log_sums = log_sums_of_others(z * (-log_bandwidth).exp())
        return log_sums - _log_norm(log_bandwidth, self.n_features) - math.log(n)

    def log_prob_without(self, z: Tensor, *left_out: Tensor) -> Tensor:
        """Log density of each row without some of the kernels.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.
        *left_out : Tensor of int of shape (n,)
            Index of one kernel to leave out of the score of each row, -1 for none. Where two are
            the same, it is left out once.

        Returns
        -------
        Tensor of shape (n,)
            Nats.
        """
        without = torch.stack(left_out, 1).sort(1).values
        repeated = without[:, 1:] == without[:, :-1]
        without[:, 1:].masked_fill_(repeated, -1)
        narrow = (-self._scored_log_bandwidth()).exp()
        shares = self.weights / self.weights.sum()
        scaled, centres = z * narrow, self.centres * narrow
        kernels = centres.t(), shares.log() - half_squares(centres)
        sums = [self._log_sums_without(*part, *kernels) for part in self._parts(scaled, without)]
        share = torch.where(without >= 0, shares[without], 0.0).sum(1)
        log_norm = _log_norm(self._scored_log_bandwidth(), self.n_features)
        return torch.cat(sums) - half_squares(scaled) - log_norm - torch.log1p(-share)

    def _parts(self, *tensors):
        size = max(1, self._MAX_KERNELS // len(self.centres))
        return zip(*(tensor.split(size) for tensor in tensors), strict=True)

    @staticmethod
    def _log_sums_without(z, without, centres, log_heights):
        # Up to -|z|^2 / 2, which is the same for all kernels.
        logs = torch.addmm(log_heights, z, centres)
        row, which = torch.nonzero(without >= 0, as_tuple=True)
        logs[row, without[row, which]] = -math.inf
        return log_sums(logs)

    def _log_prob(self, z):
        known = KnownRows(len(self.centres)).to(self.centres.device)
        known.remember(self.centres)
        return self.log_prob_without(z, known.find(z))

    def _gaussians(self):
        narrow = (-self._scored_log_bandwidth()).exp()
        factors = narrow * torch.eye(self.n_features).to(self.centres)
        return (self.weights / self.weights.sum()).log(), self.centres, factors[None]

    def _log_prob_marginal(self, z, known):
        parts = self._parts(z, known)
        return torch.cat([log_sums(self.component_log_prob_marginal(*part)) for part in parts])

    def _law_given(self, z, known, column):
        joint = self.component_log_prob_marginal(z, known)
        weights = comparable(joint, (self.weights / self.weights.sum()).log())
        means = self.centres[:, column].expand_as(joint)
        return NormalMixtureLaw(weights, means, self._scored_log_bandwidth().exp().expand_as(joint))

    def component_log_prob_marginal(self, z: Tensor, known: Tensor) -> Tensor:
        """Log of weight times density of what is known, of every kernel.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows, zeros where values are unknown.
        known : Tensor of bool of shape (n, n_features)
            Which values are known.

        Returns
        -------
        Tensor of shape (n, n_centres)
            Nats.
        """
        observed = known.to(z)
        # Unknown values are zeros, so that products with the centres are of known columns alone.
        squares = z.square().sum(1)[:, None] + observed @ self.centres.square().t()
        distances = (squares - 2 * z @ self.centres.t()).clamp_min(0)
        log_bandwidth = self._scored_log_bandwidth()
        logs = -0.5 * (-2 * log_bandwidth).exp() * distances
        log_norm = _log_norm(log_bandwidth, observed.sum(1))
        return logs + (self.weights / self.weights.sum()).log() - log_norm[:, None]

    def _scored_log_bandwidth(self) -> Tensor:
        return self.log_bandwidth(len(self.centres)) + math.log(self.bandwidth_factor)

    def _sample(self, n, generator, temperature):
        index = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = self.centres.new_empty(n, self.n_features).normal_(generator=generator)
        return self.centres[index] + temperature * self._scored_log_bandwidth().exp() * noise


def _log_norm(log_bandwidth: Tensor, n_features: int | Tensor) -> Tensor:
    """Minus the log density at the centre of a kernel on so many columns."""
    return n_features * (log_bandwidth + 0.5 * math.log(2 * math.pi))
