"""Gaussian mixture with full or diagonal covariances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, ShapeError
from ._base import Prior
from ._gaussians import full_log_prob, known_diagonal_log_prob, known_log_prob
from ._given_columns import comparable, given_columns
from .column_law import NormalMixtureLaw

# As good as no least standard deviation.
_NO_DEVIATION = 1e-300


class GaussianMixture(Prior):
    """Mixture of Gaussians whose weights, means and covariances are trained.

    Until `start` is called, all components are standard normal and would be trained alike;
    estimators initialise them from a mixture fitted to the data.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_components : int
        Number of Gaussians.
    covariance : {'full', 'diag'}, default='full'
        Form of the covariance matrices.
    min_deviation : float, default=1e-3
        Least standard deviation: training makes no component narrower in any direction.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import GaussianMixture
    >>> prior = GaussianMixture(1, 2)
    >>> prior.start(torch.tensor([0.5, 0.5]), torch.tensor([[-3.0], [3.0]]), torch.ones(2, 1, 1))
    >>> prior.log_prob(torch.tensor([[3.0]]))
    tensor([-1.6121], grad_fn=<LogsumexpBackward0>)
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        covariance: str = "full",
        *,
        min_deviation: float = 1e-3,
    ):
        super().__init__(n_features)
        if n_components < 1:
            raise InvalidParameterError(f"n_components must be at least 1, got {n_components}.")
        if covariance not in ("full", "diag"):
            raise InvalidParameterError(f"covariance must be 'full' or 'diag', got {covariance!r}.")
        if not 0 < min_deviation < math.inf:
            raise InvalidParameterError(
                f"min_deviation must be positive and finite, got {min_deviation}."
            )
        self.min_deviation = float(min_deviation)
        self.n_components = n_components
        self.covariance = covariance
        self.logits = nn.Parameter(torch.zeros(n_components))
        self.means = nn.Parameter(torch.zeros(n_components, n_features))
        # The precision is P P^T with P upper triangular, its diagonal kept as logarithms.
        self.log_diagonal = nn.Parameter(torch.zeros(n_components, n_features))
        if covariance == "full":
            self.off_diagonal = nn.Parameter(torch.zeros(n_components, n_features, n_features))
        self.register_buffer("started", torch.tensor(False))

    @classmethod
    @torch.no_grad()
    def of(cls, log_weights: Tensor, means: Tensor, factors: Tensor) -> GaussianMixture:
        """The mixture of given Gaussians.

        Parameters
        ----------
        log_weights : Tensor of shape (k,)
            Log weights, up to a constant.
        means : Tensor of shape (k, n_features)
            Means.
        factors : Tensor of shape (k, n_features, n_features) or (1, n_features, n_features)
            Upper triangular factors P of the precision matrices ``P P^T``, of positive diagonal.

        Returns
        -------
        GaussianMixture
            Of the dtype of the means.
        """
        k, d = means.shape
        mixture = cls(d, k, min_deviation=_NO_DEVIATION).to(means)
        mixture.logits.copy_(log_weights)
        mixture.means.copy_(means)
        mixture.log_diagonal.copy_(factors.diagonal(dim1=1, dim2=2).log())
        mixture.off_diagonal.copy_(factors.triu(1))
        mixture.started.fill_(True)
        return mixture

    @torch.no_grad()
    def start(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        """Set the parameters to those of a fitted mixture.

        Parameters
        ----------
        weights : Tensor of shape (n_components,)
            Positive weights.
        means : Tensor of shape (n_components, n_features)
            Means.
        covariances : Tensor of shape (n_components, n_features, n_features) or \
                (n_components, n_features)
            Covariance matrices, or variances where ``covariance='diag'``.

        Raises
        ------
        ShapeError
            If a shape differs from the one stated.
        """
        wanted = (self.n_components, self.n_features) + (
            (self.n_features,) if self.covariance == "full" else ()
        )
        if means.shape != self.means.shape or covariances.shape != wanted:
            raise ShapeError(
                f"expected means of shape {tuple(self.means.shape)} and covariances of shape "
                f"{wanted}, got {tuple(means.shape)} and {tuple(covariances.shape)}."
            )
        self.logits.copy_(weights.log())
        self.means.copy_(means)
        if self.covariance == "full":
            lower = torch.linalg.cholesky(covariances)
            identity = torch.eye(self.n_features, dtype=lower.dtype, device=lower.device)
            inverse = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False)
            factor = inverse.transpose(1, 2)
            self.log_diagonal.copy_(factor.diagonal(dim1=1, dim2=2).log())
            self.off_diagonal.copy_(factor.triu(1))
        else:
            self.log_diagonal.copy_(-0.5 * covariances.log())
        self.started.fill_(True)

    def _bounded_log_diagonal(self) -> Tensor:
        return self.log_diagonal.clamp(max=-math.log(self.min_deviation))

    def precision_factors(self) -> Tensor:
        """Upper triangular factors P of the precision matrices ``P P^T`` of the components.

        Returns
        -------
        Tensor of shape (n_components, n_features, n_features)
            The factors; diagonal with ``covariance='diag'``.
        """
        factors = torch.diag_embed(self._bounded_log_diagonal().exp())
        return factors if self.covariance == "diag" else self.off_diagonal.triu(1) + factors

    def component_log_prob(self, z: Tensor) -> Tensor:
        """Log of weight times density of every component.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_components)
            Joint log densities in nats; their log-sum-exp is `log_prob`.
        """
        log_diagonal, log_weights = self._bounded_log_diagonal(), self.logits.log_softmax(0)
        if self.covariance == "full":
            given = z, self.means, log_diagonal, self.off_diagonal
            return log_weights + full_log_prob(*(tensor[None] for tensor in given))[0]
        white = (z[:, None] - self.means) * log_diagonal.exp()
        log_norm = log_diagonal.sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)
        return log_weights + log_norm - 0.5 * white.square().sum(2)

    def _log_prob(self, z):
        return self.component_log_prob(z).logsumexp(1)

    def _gaussians(self):
        return self.logits.log_softmax(0), self.means, self.precision_factors()

    def _log_prob_marginal(self, z, known):
        return self.component_log_prob_marginal(z, known).logsumexp(1)

    def component_log_prob_marginal(self, z: Tensor, known: Tensor) -> Tensor:
        """Log of weight times density of what is known, of every component.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows, zeros where values are unknown.
        known : Tensor of bool of shape (n, n_features)
            Which values are known.

        Returns
        -------
        Tensor of shape (n, n_components)
            Nats.
        """
        if self.covariance == "diag":
            log_diagonal = self._bounded_log_diagonal()
            by_component = known_diagonal_log_prob(z, known, self.means, log_diagonal)
        else:
            by_component = known_log_prob(z, known, self.means, self.precision_factors())
        return self.logits.log_softmax(0) + by_component

    def _law_given(self, z, known, column):
        joint = self.component_log_prob_marginal(z, known)
        mean, deviation = given_columns(z, known, column, self.means, self.precision_factors())
        return NormalMixtureLaw(comparable(joint, self.logits.log_softmax(0)), mean, deviation)

    def _sample(self, n, generator, temperature):
        component = torch.multinomial(
            self.logits.softmax(0), n, replacement=True, generator=generator
        )
        z = self.means.new_empty(n, self.n_features).normal_(generator=generator)
        diagonal = self._bounded_log_diagonal().exp()
        for k in component.unique():
            rows = component == k
            if self.covariance == "diag":
                z[rows] /= diagonal[k]
            else:
                # With precision P P^T, P^-T times white noise has the wanted covariance.
                factor = self.off_diagonal[k].triu(1) + torch.diag(diagonal[k])
                z[rows] = torch.linalg.solve_triangular(factor, z[rows], upper=True, left=False)
            z[rows] = self.means[k] + temperature * z[rows]
        return z
