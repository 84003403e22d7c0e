"""Variational autoencoder whose encoders see polynomials of the data, one order each."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..bijections import Bijection
from ..exceptions import InvalidParameterError
from ..nets import Polynomials, StandardNormal
from ..nets.layers import GroupedLinear, Linear
from ..priors import HierarchicalNormal
from . import divergences, importance
from ._base import Batch, DensityModule, weighted_mean
from .flow import Flow
from .likelihoods import Likelihood
from .posterior import Posterior

# Logarithms of the posterior's standard deviations lie within +-7.
_MAX_LOG_DEVIATION = 7.0
# Initial variance of the posterior means of the higher orders, whose columns have variance one.
START_SIGNAL = 0.5
# Draws of the bound that rows held out are scored by, and what they are drawn from.
_N_VALIDATION_SAMPLES, _VALIDATION_SEED = 8, 0


class PolynomialVAE(DensityModule):
    """A shared decoder, and an encoder for each order of the polynomials of a row.

    Encoder i gives mean m and standard deviation s of the posterior of order i. The latent is
    ``z = m + A (s * e)`` with standard normal e and a unit lower triangular matrix A, whose blocks
    on the diagonal are identities. A posterior flow maps z further, and a prior flow maps z to the
    hierarchical prior, where there are such flows. Linear maps of the row beside the encoders, and
    of the latent beside the decoder, initialise the model as a factor analysis.

    The density of a row is an integral over the latent. `log_prob` estimates it by importance
    sampling with fixed draws; `loss` is the negated evidence lower bound at one random draw, with
    weights and free bits if these are set.

    Parameters
    ----------
    features : Polynomials
        What the encoders see.
    encoder : torch.nn.Module
        Maps ``(degree, n_features, n)`` to ``(degree, 2 * n_components + n_context, n)``.
    decoder : torch.nn.Module
        Maps ``(n, n_latent)`` to ``(n, n_outputs * n_features)``.
    likelihood : Likelihood
        Density of a row given the outputs of the decoder.
    prior : HierarchicalNormal
        Density of the latent, or of what the prior flow makes of it.
    divergence : {'hierarchical', 'log_ratio', 'kl'}, default='hierarchical'
        How training penalises the distance of the posterior q from the prior p. 'hierarchical':
        by the Kullback-Leibler divergence of each order given the one below. 'kl': by the same,
        meant for a prior that stays standard normal but for its flow. 'log_ratio': by a
        polynomial of the moments of ``log q(z) - log p(z)``.
    weights : sequence of float, optional
        Weights of the orders or moments in training; with flows the same for all orders. Ones by
        default, for 'log_ratio' ``n_latent ** (1 - i) / i``.
    free_bits : float, default=0.0
        Nats of divergence of each order, with flows of all orders together, that training does not
        penalise; without effect for 'log_ratio'.
    linear_path : {'all', 'first'}, default='all'
        Orders whose posterior mean has a linear map of the row, as it is, beside its polynomials.
    posterior_flow, prior_flow : Bijection, optional
        The former may take a context, which the encoders then give.
    n_importance_samples : int, default=64
        Number of draws of the latent that `log_prob`, `estimate`, `elbo` and `encode` use.
    seed : int, default=0
        Seed of these draws, which are the same for all rows.

    Raises
    ------
    InvalidParameterError
        If `divergence` or `linear_path` is unknown, or `weights` differ where there is a flow.

    Attributes
    ----------
    warmth : float
        Weight of the divergence in `loss`, 1 once it has warmed up.
    monitored : dict of str to Tensor
        Means over the rows of the last call of `loss`, in nats: ``reconstruction_log_density``,
        ``divergence_1`` and so on, and with flows ``divergence_flow``: then only the sum of the
        latter is a divergence.

    References
    ----------
    Chen, Li, "Polynomial Hierarchical VAE", arXiv 2502.02856: a reconstruction, as the paper leaves
    the divergence, the matrix A and all sizes open.
    """

    # `log_prob` is an estimate of the log density.
    is_exact = False

    def __init__(
        self,
        features: Polynomials,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        prior: HierarchicalNormal,
        *,
        divergence: str = "hierarchical",
        weights: list[float] | None = None,
        free_bits: float = 0.0,
        linear_path: str = "all",
        posterior_flow: Bijection | None = None,
        prior_flow: Bijection | None = None,
        n_importance_samples: int = 64,
        seed: int = 0,
    ):
        super().__init__(likelihood.n_features)
        if divergence not in ("hierarchical", "log_ratio", "kl"):
            raise InvalidParameterError(
                f"divergence must be 'hierarchical', 'log_ratio' or 'kl', got {divergence!r}."
            )
        if linear_path not in ("all", "first"):
            raise InvalidParameterError(
                f"linear_path must be 'all' or 'first', got {linear_path!r}."
            )
        self.has_flow = posterior_flow is not None or prior_flow is not None
        if self.has_flow and divergence != "log_ratio" and len(set(weights or [1.0])) > 1:
            raise InvalidParameterError(
                f"weights differ between orders, {weights}, but with a flow only the sum of their "
                "divergences means anything: give one weight, or no posterior and prior flow."
            )
        d, n_latent = likelihood.n_features, prior.n_features
        self.features, self.encoder, self.decoder = features, encoder, decoder
        self.likelihood = likelihood
        self.prior = prior if prior_flow is None else Flow(prior_flow, prior)
        self.posterior_flow = posterior_flow
        self.divergence, self.free_bits = divergence, free_bits
        degree = prior.degree
        self.weighted = weights is not None or divergence == "log_ratio"
        if weights is None:
            orders = range(1, degree + 1)
            moments = [n_latent ** (1 - i) / i for i in orders]
            weights = moments if divergence == "log_ratio" else [1.0] * degree
        self.weights = [float(weight) for weight in weights]
        self.mixing = nn.Parameter(torch.zeros(n_latent, n_latent))
        block = torch.arange(n_latent) // prior.n_components
        self.register_buffer("below", (block[:, None] > block).float(), persistent=False)
        n_linear = n_latent if linear_path == "all" else prior.n_components
        self.encoder_map = Linear(d, n_linear, zero=True)
        self.order_map = GroupedLinear(d, prior.n_components, degree, zero=True)
        self.decoder_map = Linear(n_latent, d, zero=True)
        self.log_deviation = nn.Parameter(torch.zeros(n_latent))
        self.noise = StandardNormal()
        self.n_importance_samples, self.seed = n_importance_samples, seed

    @property
    def n_latent(self) -> int:
        return self.base.n_features

    @property
    def base(self) -> HierarchicalNormal:
        """The hierarchical prior, behind the prior flow if there is one."""
        return self.prior.prior if isinstance(self.prior, Flow) else self.prior

    @property
    def prior_flow(self) -> Bijection | None:
        """The map from the latent to the hierarchical prior."""
        return self.prior.bijection if isinstance(self.prior, Flow) else None

    @torch.no_grad()
    def start(self, loadings: Tensor, mean: Tensor, deviation: Tensor) -> None:
        """Initialise the model as a factor analysis, by the first columns of the latent.

        Parameters
        ----------
        loadings : Tensor of shape (n_features, n_factors)
            At most as many factors as have a linear path, rotated so that they are independent
            given a row.
        mean, deviation : Tensor of shape (n_features,)
            Mean of the columns, and the standard deviation of what the factors leave of them.
        """
        k = loadings.shape[1]
        weighted = (loadings / deviation[:, None].square()).t()
        precision = 1 + (weighted * loadings.t()).sum(1)
        self.encoder_map.weight[:k] = weighted / precision[:, None]
        self.encoder_map.bias[:k] = -self.encoder_map.weight[:k] @ mean
        self.log_deviation[:k] = _raw_log_deviation(-0.5 * precision.log())
        bias, factor = self.likelihood.start(mean, deviation)
        self.decoder_map.weight[:, :k] = factor * loadings
        self.decoder_map.bias.copy_(bias)

    @torch.no_grad()
    def start_order(self, first: int, weight: Tensor, bias: Tensor, below: Tensor) -> None:
        """Initialise the posterior mean of an order by a linear map of its polynomials.

        Parameters
        ----------
        first : int
            First column of the latent that the map gives.
        weight : Tensor of shape (n_initialised, n_features)
            Maps to columns of variance `START_SIGNAL`, all of one order.
        bias : Tensor of shape (n_initialised,)
            Added to the product.
        below : Tensor of shape (n_components, n_components)
            Maps the order below to the mean of the order, for a prior that is trained.
        """
        order, row = divmod(first, self.base.n_components)
        self.order_map.weight[order, row : row + len(weight)] = weight
        self.order_map.bias[order, row : row + len(weight)] = bias
        self.log_deviation[first : first + len(weight)] = _raw_log_deviation(
            torch.full_like(bias, 0.5 * math.log(1 - START_SIGNAL))
        )
        if isinstance(self.base.maps, nn.Parameter):
            self.base.maps[order - 1] = below

    def loss(self, batch: Batch) -> Tensor:
        """Minus the mean of `objective`, in nats.

        Parameters
        ----------
        batch : tuple of (Tensor of shape (n, n_features), Tensor of shape (n,) or None)
            Rows, and their weights, which have mean one over all training rows.

        Returns
        -------
        Tensor of shape ()
            The loss; what it consists of is left in `monitored`.
        """
        x, weight = batch
        return -weighted_mean(self.objective(x), weight)

    def validation_loss(self, batch: Batch) -> Tensor:
        """Minus the mean of the importance-weighted bound of 8 draws, in nats.

        Where the divergences have weights, of which that bound knows nothing, minus the mean of
        `objective` over as many draws. The draws are the same at every call.

        Parameters
        ----------
        batch : tuple of (Tensor of shape (n, n_features), Tensor of shape (n,) or None)
            As in `loss`.

        Returns
        -------
        Tensor of shape ()
            The loss, with the divergence at its full weight.
        """
        x, weight = batch
        noise = self.fixed_noise(_N_VALIDATION_SAMPLES, _VALIDATION_SEED)
        if not self.weighted:
            return -weighted_mean(self.importance_bound(x, noise), weight)
        posterior = self.posterior(x)
        draws = [self._objective(x, posterior, row.expand(len(x), -1)) for row in noise]
        return -weighted_mean(torch.stack(draws).mean(0), weight)

    def objective(self, x: Tensor) -> Tensor:
        """What training maximises: one draw of the reconstruction, less weighted divergences.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.

        Returns
        -------
        Tensor of shape (n,)
            Nats; with weights of one and without free bits, on average over draws the evidence
            lower bound.
        """
        posterior = self.posterior(x)
        reconstruction, terms = self._terms(x, posterior, self.noise(posterior.mean))
        self.monitored = {"reconstruction_log_density": reconstruction.detach().mean()}
        names = [*range(1, self.base.degree + 1), "flow"]
        for name, term in zip(names, terms.detach().mean(0), strict=False):
            self.monitored[f"divergence_{name}"] = term
        return reconstruction - self.warmth * self._penalty(terms)

    def _objective(self, x: Tensor, posterior: Posterior, noise: Tensor) -> Tensor:
        """The objective of each row at given noise, with the divergence at its full weight."""
        reconstruction, terms = self._terms(x, posterior, noise)
        return reconstruction - self._penalty(terms)

    def _terms(self, x: Tensor, posterior: Posterior, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction (n,), and the divergences or moments that are weighted, (n, n_terms)."""
        z, log_det = posterior.draw(noise)
        reconstruction = self.likelihood.training_log_prob(x, self.outputs(z))
        if not self.has_flow:
            return reconstruction, self._closed_form(posterior)
        if self.prior_flow is not None:
            z, change = self.prior_flow(z)
            log_det = log_det + change
        terms = divergences.sampled_divergences(posterior, self.base, z, noise, log_det)
        if self.divergence == "log_ratio":
            total = terms.sum(1)
            terms = torch.stack([total**i for i in range(1, self.base.degree + 1)], 1)
        return reconstruction, terms

    def _closed_form(self, posterior: Posterior) -> Tensor:
        if self.divergence == "log_ratio":
            return self.log_ratio_moments(posterior)
        return self.divergence_by_order(posterior)

    def _penalty(self, terms: Tensor) -> Tensor:
        """Weighted sum of divergences, less what is free, shape (n,)."""
        weights, bits = self.weights, self.free_bits
        if self.divergence == "log_ratio":
            return terms @ terms.new_tensor(weights)
        if self.has_flow:
            # Flows leave the scale of the latent open, so only the sum means anything.
            terms, weights, bits = terms.sum(1, keepdim=True), weights[:1], bits * len(weights)
        if bits:
            terms = torch.where(terms.detach().mean(0) > bits, terms, bits)
        return terms @ terms.new_tensor(weights)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Importance-weighted estimate of the log density of each row.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        context : None
            Ignored: the model has no conditions.

        Returns
        -------
        Tensor of shape (n,)
            Nats, from `n_importance_samples` defensive draws; the same at every call.
        """
        return self.estimate(x)[:, 0]

    def estimate(self, x: Tensor) -> Tensor:
        """What `log_prob` gives, and its standard error to first order.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.

        Returns
        -------
        Tensor of shape (n, 2)
            Nats; the error of a single draw is infinite.
        """
        log_weights = self.log_weights(x, self._scoring_noise(), defensive=True)
        return importance.log_mean_and_error(log_weights)

    def elbo(self, x: Tensor) -> Tensor:
        """Evidence lower bound of each row.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.

        Returns
        -------
        Tensor of shape (n,)
            Nats; mean of the log weights of `n_importance_samples` draws of the posterior.
        """
        return self.log_weights(x, self._scoring_noise()).mean(1)

    def importance_bound(self, x: Tensor, noise: Tensor) -> Tensor:
        """Importance-weighted bound of the log density of each row, drawn from the posterior.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        noise : Tensor of shape (n_samples, n_latent)
            Standard normal draws, shared by all rows.

        Returns
        -------
        Tensor of shape (n,)
            Nats; on average over the noise below the log density, and the closer the more draws.
        """
        return importance.log_mean_of(self.log_weights(x, noise))

    def log_weights(self, x: Tensor, noise: Tensor, defensive: bool = False) -> Tensor:
        """Log density of rows and draws of the latent, less that of the draws.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        noise : Tensor of shape (n_samples, n_latent)
            Standard normal draws, shared by all rows.
        defensive : bool, default=False
            Whether half of the latents come from elsewhere: a quarter from the posterior at twice
            its width, a quarter from the prior. All are weighted by the density of that mixture,
            so that no latent of the row is missed only because its posterior is too narrow.

        Returns
        -------
        Tensor of shape (n, n_samples)
            Nats; their exponentials have the density of the row as mean.
        """
        return importance.log_weights(self, x, noise, defensive)

    def fixed_noise(self, n_samples: int, seed: int = 0) -> Tensor:
        """The same standard normal draws at every call, evenly spread, (n_samples, n_latent)."""
        return importance.even_noise(n_samples, self.n_latent, seed).to(self.mixing)

    def _scoring_noise(self) -> Tensor:
        return self.fixed_noise(self.n_importance_samples, self.seed)

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Posterior mean of each row.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        context : None
            Ignored: the model has no conditions.

        Returns
        -------
        Tensor of shape (n, n_latent)
            Latent rows; with a posterior flow the mean of `n_importance_samples` draws, the same
            at every call.
        """
        posterior = self.posterior(x)
        if self.posterior_flow is None:
            return posterior.mean
        noise, total = self._scoring_noise(), torch.zeros_like(posterior.mean)
        for draw in noise:
            total += posterior.draw(draw.expand_as(total))[0]
        return total / len(noise)

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Expected row of each latent (n, n_latent), shape (n, n_features)."""
        return self.likelihood.mean(self.outputs(z))

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        with torch.no_grad():
            outputs = self.outputs(self.prior.sample(n, generator, temperature=temperature))
            return self.likelihood.sample(outputs, generator)

    def outputs(self, z: Tensor) -> Tensor:
        """What the decoder says of each latent, shape (n, n_outputs * n_features)."""
        outputs, linear = self.decoder(z), self.decoder_map(z)
        location, *others = outputs.split(self.likelihood.n_features, 1)
        return torch.cat((location + linear, *others), 1)

    def posterior(self, x: Tensor) -> Posterior:
        """What the encoders say of the latent of each row."""
        k = self.base.n_components
        features = self.features(x)
        out = self.encoder(features)
        out = torch.cat((out[:, :k] + self.order_map(features), out[:, k:]), 1)
        mean, raw, context = (
            part.permute(2, 0, 1).flatten(1) for part in out.split((k, k, out.shape[1] - 2 * k), 1)
        )
        # The row is not clipped here, so that rows far off are far off in the latent too.
        linear = self.encoder_map(x)
        n_linear = linear.shape[1]
        mean = torch.cat((mean[:, :n_linear] + linear, mean[:, n_linear:]), 1)
        log_deviation = _MAX_LOG_DEVIATION * torch.tanh(
            (self.log_deviation + raw) / _MAX_LOG_DEVIATION
        )
        return Posterior(mean, log_deviation, context, self._mixing(), self.posterior_flow)

    def latents_of(self, noise: Tensor) -> Tensor:
        """Draws of the prior, shape (n, n_latent), made of standard normal noise of that shape."""
        z = self.base.from_noise(noise)
        return z if self.prior_flow is None else self.prior_flow.inverse(z)[0]

    def divergence_by_order(self, posterior: Posterior) -> Tensor:
        """`divergences.divergence_by_order` of the hierarchical prior, shape (n, degree)."""
        return divergences.divergence_by_order(posterior, self.base)

    def log_ratio_moments(self, posterior: Posterior) -> Tensor:
        """`divergences.log_ratio_moments` of the hierarchical prior, shape (n, degree)."""
        return divergences.log_ratio_moments(posterior, self.base)

    def _mixing(self) -> Tensor:
        eye = torch.eye(len(self.mixing), dtype=self.mixing.dtype, device=self.mixing.device)
        return eye + self.mixing * self.below


def _raw_log_deviation(log_deviation: Tensor) -> Tensor:
    """What the bounded logarithm of a standard deviation is computed from."""
    share = (log_deviation / _MAX_LOG_DEVIATION).clamp(-0.99, 0.99)
    return _MAX_LOG_DEVIATION * torch.atanh(share)
