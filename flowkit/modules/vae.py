"""Variational autoencoder whose encoders see polynomials of the data, one order each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from ..bijections import Bijection
from ..exceptions import InvalidParameterError
from ..nets import Polynomials, StandardNormal
from ..nets._layers import GroupedLinear, Linear
from ..priors import HierarchicalNormal
from .flow import Flow
from .likelihoods import Likelihood

# Posterior log-deviations within +-7.
_MAX_LOG_DEVIATION = 7.0
# Variance of the posterior means of the higher orders at the start, of one in all.
START_SIGNAL = 0.5
# Draws of the bound that the hold-out is judged by.
_N_HOLDOUT_SAMPLES = 8
# How much wider than the posterior defensive draws are.
_WIDTH = 2.0
# Rows, and values of rows, that go through the decoder at once.
_MAX_DECODED, _MAX_VALUES = 4096, 2**20


class PolynomialVAE(nn.Module):
    """A shared decoder, and an encoder for each order of the polynomials of a row.

    The posterior of order i has mean and deviation from encoder i; the latent is ``z = m + A (s *
    e)`` with standard normal e and a unit lower triangular A whose blocks on the diagonal are
    identities. Where there is a posterior flow, z goes through it; where there is a prior flow, it
    leads from z to the hierarchical prior. Linear maps of the row beside the encoders, and of the
    latent beside the decoder, start the model as a factor analysis.

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
        What training holds against the posterior: the Kullback-Leibler divergence of each order
        given the one below; a polynomial of the moments of ``log q(z) - log p(z)``; 'kl' is the
        first one, meant for a prior that stays standard normal but for its flow.
    weights : sequence of float, optional
        Weights of the orders or moments in training; with flows the same for all orders. Ones by
        default, for 'log_ratio' ``n_latent ** (1 - i) / i``.
    free_bits : float, default=0.0
        Nats of each order, with flows of all orders together, that training does not hold against
        the posterior; not for 'log_ratio'.
    linear_path : {'all', 'first'}, default='all'
        Orders whose posterior mean has a linear map of the row, as it is, beside its polynomials.
    posterior_flow, prior_flow : Bijection, optional
        The former may take a context, which the encoders then give.

    Attributes
    ----------
    warmth : float
        Factor of the divergence in training, 1 once it is warm.
    monitored : dict of str to Tensor
        Means over the last training batch: ``reconstruction_log_density`` and ``divergence_1``
        and so on, in nats, with flows ``divergence_flow`` too: then only the sum of these is a
        divergence.

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
    ):
        super().__init__()
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
        self.warmth = 1.0
        self.monitored: dict[str, Tensor] = {}

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
        """Take a factor analysis, whose posterior the first columns of the latent then have.

        Parameters
        ----------
        loadings : Tensor of shape (n_features, n_factors)
            At most as many factors as have a linear path, rotated so that they are independent
            given a row.
        mean, deviation : Tensor of shape (n_features,)
            Mean of the columns, and their deviation from what the factors say.
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
        """Take a linear map of an order's polynomials as the start of its posterior mean.

        Parameters
        ----------
        first : int
            Column of the latent that the map begins at.
        weight : Tensor of shape (n_started, n_features)
            Maps to columns of variance `START_SIGNAL`, all of one order.
        bias : Tensor of shape (n_started,)
            Added to the product.
        below : Tensor of shape (n_components, n_components)
            What the order below tells of the order's mean, for a prior that is trained.
        """
        order, row = divmod(first, self.base.n_components)
        self.order_map.weight[order, row : row + len(weight)] = weight
        self.order_map.bias[order, row : row + len(weight)] = bias
        self.log_deviation[first : first + len(weight)] = _raw_log_deviation(
            torch.full_like(bias, 0.5 * math.log(1 - START_SIGNAL))
        )
        if isinstance(self.base.maps, nn.Parameter):
            self.base.maps[order - 1] = below

    def forward(self, x: Tensor) -> Tensor:
        """What training maximises, or, in evaluation, what judges it; shape (n,).

        The judge is the importance-weighted bound, or the objective itself where that has weights
        of its own, which the bound knows nothing of.
        """
        if self.training:
            posterior = self.posterior(x)
            return self._objective(x, posterior, self.noise(posterior.mean))
        noise = self.fixed_noise(_N_HOLDOUT_SAMPLES)
        if not self.weighted:
            return self.log_prob(x, noise)
        posterior = self.posterior(x)
        draws = [self._objective(x, posterior, row.expand(len(x), -1)) for row in noise]
        return torch.stack(draws).mean(0)

    def _objective(self, x: Tensor, posterior: Posterior, noise: Tensor) -> Tensor:
        """One draw of the reconstruction less the weighted divergences of each row, shape (n,)."""
        z, _, log_det = self._draw(posterior, noise)
        reconstruction = self.likelihood.log_prob(x, self.outputs(z))
        terms = self._divergences(posterior, z, noise, log_det)
        if not self.training:
            return reconstruction - self._penalty(terms)
        self.monitored = {"reconstruction_log_density": reconstruction.detach().mean()}
        names = [*range(1, self.base.degree + 1), "flow"]
        for name, term in zip(names, terms.detach().mean(0), strict=False):
            self.monitored[f"divergence_{name}"] = term
        return reconstruction - self.warmth * self._penalty(terms)

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

    def log_prob(self, x: Tensor, noise: Tensor) -> Tensor:
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
        return torch.logsumexp(self.log_weights(x, noise), 1) - math.log(len(noise))

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
        posterior = self.posterior(x)
        n_other = len(noise) // 4 if defensive else 0
        own, wide, prior = noise.split((len(noise) - 2 * n_other, n_other, n_other))
        shares = [len(part) / len(noise) for part in (own, wide, prior)] if defensive else None
        n_rows = min(_MAX_DECODED, _MAX_VALUES // x.shape[1])
        size = max(1, n_rows // max(1, len(x)))
        # Wide draws follow the posterior's own formula, from noise of twice the size.
        blocks = [
            self._log_weights(x, posterior, self._draw, part, shares)
            for part in torch.cat((own, _WIDTH * wide)).split(size)
        ]
        if n_other:
            blocks += [
                self._log_weights(x, posterior, self._noise_of, part, shares)
                for part in self._from_prior(prior).split(size)
            ]
        return torch.cat(blocks, 1)

    def _log_weights(self, x, posterior, map_draws, draws, shares) -> Tensor:
        """Log weights of each row with each draw, given as noise or as latent."""
        repeated = posterior.repeated(len(draws))
        z, noise, log_det = map_draws(repeated, draws.repeat(len(x), 1))
        rows = x.repeat_interleave(len(draws), 0)
        log_prior = self.prior.log_prob(z)
        volume = repeated.log_deviation.sum(1) + log_det
        log_draw = _standard_normal(noise).sum(1) - volume
        if shares is not None:
            shift = volume + noise.shape[1] * math.log(_WIDTH)
            log_wide = _standard_normal(noise / _WIDTH).sum(1) - shift
            mixture = torch.stack((log_draw, log_wide, log_prior), 1)
            log_draw = torch.logsumexp(mixture + mixture.new_tensor(shares).log(), 1)
        log_joint = self.likelihood.log_prob(rows, self.outputs(z)) + log_prior
        return (log_joint - log_draw).view(len(x), -1)

    def estimate(self, x: Tensor, noise: Tensor) -> Tensor:
        """Log density of each row by defensive draws, and its standard error to first order.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        noise : Tensor of shape (n_samples, n_latent)
            Standard normal draws, shared by all rows.

        Returns
        -------
        Tensor of shape (n, 2)
            Nats; the error of a single draw is infinite.
        """
        log_weights = self.log_weights(x, noise, defensive=True)
        n = log_weights.shape[1]
        log_density = torch.logsumexp(log_weights, 1) - math.log(n)
        # Outside the support all weights are zero, without doubt.
        share = torch.softmax(log_weights, 1).nan_to_num(1 / n)
        error = share.std(1) * math.sqrt(n) if n > 1 else torch.full_like(log_density, math.inf)
        return torch.stack((log_density, error), 1)

    def elbo(self, x: Tensor, noise: Tensor) -> Tensor:
        """Mean of the log weights: the evidence lower bound of each row, shape (n,)."""
        return self.log_weights(x, noise).mean(1)

    def fixed_noise(self, n_samples: int, seed: int = 0) -> Tensor:
        """The same standard normal draws at every call, evenly spread, (n_samples, n_latent)."""
        engine = SobolEngine(self.base.n_features, scramble=True, seed=seed)
        uniform = engine.draw(n_samples, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
        return torch.special.ndtri(uniform).to(self.mixing)

    def encode(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Posterior mean of each row, over draws of the noise where there is a posterior flow."""
        posterior = self.posterior(x)
        if self.posterior_flow is None:
            return posterior.mean
        total = torch.zeros_like(posterior.mean)
        for draw in noise:
            total += self._draw(posterior, draw.expand_as(total))[0]
        return total / len(noise)

    def decode(self, z: Tensor) -> Tensor:
        """Expected row of each latent."""
        return self.likelihood.mean(self.outputs(z))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents, order by order, and a row of each."""
        with torch.no_grad():
            outputs = self.outputs(self.prior.sample(n, generator))
            return self.likelihood.sample(outputs, generator)

    def outputs(self, z: Tensor) -> Tensor:
        """What the decoder says of each latent, shape (n, n_outputs * n_features)."""
        outputs, linear = self.decoder(z), self.decoder_map(z)
        place, *others = outputs.split(self.likelihood.n_features, 1)
        return torch.cat((place + linear, *others), 1)

    def posterior(self, x: Tensor) -> Posterior:
        """Mean and deviation of the latent given each row, before mixing and flow."""
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
        return Posterior(mean, log_deviation, context)

    def _mixing(self) -> Tensor:
        eye = torch.eye(len(self.mixing), dtype=self.mixing.dtype, device=self.mixing.device)
        return eye + self.mixing * self.below

    def _draw(self, posterior: Posterior, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, the noise that they come from, and the flow's log-determinant."""
        z = posterior.mean + (posterior.log_deviation.exp() * noise) @ self._mixing().t()
        if self.posterior_flow is None:
            return z, noise, z.new_zeros(len(z))
        z, log_det = self.posterior_flow(z, posterior.context)
        return z, noise, log_det

    def _noise_of(self, posterior: Posterior, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `_draw` gives for the noise that would lead to given latents."""
        inner, log_det = z, z.new_zeros(len(z))
        if self.posterior_flow is not None:
            inner, log_det = self.posterior_flow.inverse(z, posterior.context)
        columns = (inner - posterior.mean).t()
        mixed = torch.linalg.solve_triangular(
            self._mixing(), columns, upper=False, unitriangular=True
        )
        return z, mixed.t() * torch.exp(-posterior.log_deviation), -log_det

    def _from_prior(self, noise: Tensor) -> Tensor:
        """Draws of the prior, made of standard normal noise."""
        z = self.base.from_noise(noise)
        return z if self.prior_flow is None else self.prior_flow.inverse(z)[0]

    def _divergences(self, posterior, z, noise, log_det) -> Tensor:
        """Divergences of the orders, and of the flows if any, or moments of the log-ratio."""
        if not self.has_flow:
            if self.divergence == "log_ratio":
                return self.log_ratio_moments(posterior)
            return self.divergence_by_order(posterior)
        if self.prior_flow is not None:
            z, change = self.prior_flow(z)
            log_det = log_det + change
        by_column = _standard_normal(noise) - posterior.log_deviation
        by_order = by_column.unflatten(1, (self.base.degree, -1)).sum(2)
        log_ratio = by_order - self.base.log_prob_by_order(z)
        terms = torch.cat((log_ratio, -log_det[:, None]), 1)
        if self.divergence != "log_ratio":
            return terms
        total = terms.sum(1)
        return torch.stack([total**i for i in range(1, self.base.degree + 1)], 1)

    def divergence_by_order(self, posterior: Posterior) -> Tensor:
        """Kullback-Leibler divergence of each order given those below, without flows.

        Parameters
        ----------
        posterior : Posterior
            Of n rows.

        Returns
        -------
        Tensor of shape (n, degree)
            Nats; rows sum to the divergence of posterior from prior.
        """
        whitening = self.base.whitening()
        spread = (whitening @ self._mixing()).square()
        squares = (posterior.mean @ whitening.t()).square()
        squares = squares + (2 * posterior.log_deviation).exp() @ spread.t()
        by_column = 0.5 * (squares - 1) + self.base.log_scales() - posterior.log_deviation
        return by_column.unflatten(1, (self.base.degree, -1)).sum(2)

    def log_ratio_moments(self, posterior: Posterior) -> Tensor:
        """Moments of the log-ratio of posterior and prior under the posterior, without flows.

        Parameters
        ----------
        posterior : Posterior
            Of n rows.

        Returns
        -------
        Tensor of shape (n, degree)
            Moments 1 to `degree`.
        """
        # The log-ratio is c + b'e + e'Ce of the noise e: its cumulants are known in closed form.
        whitening = self.base.whitening()
        centre = posterior.mean @ whitening.t()
        root = (whitening @ self._mixing()) * posterior.log_deviation.exp()[:, None, :]
        eye = torch.eye(root.shape[1], dtype=root.dtype, device=root.device)
        square = 0.5 * (root.mT @ root - eye)
        linear = (root.mT @ centre[:, :, None])[:, :, 0]
        constant = (self.base.log_scales() - posterior.log_deviation).sum(1)
        constant = constant + 0.5 * centre.square().sum(1)
        power, image = square, linear
        cumulants = [constant + _trace(square)]
        for m in range(2, self.base.degree + 1):
            power = power @ square
            mixed = _trace(power) + m / 4 * (linear * image).sum(1)
            cumulants.append(2 ** (m - 1) * math.factorial(m - 1) * mixed)
            image = (square @ image[:, :, None])[:, :, 0]
        moments = [torch.ones_like(constant)]
        for m in range(1, self.base.degree + 1):
            moments.append(
                sum(math.comb(m - 1, i) * cumulants[i] * moments[m - 1 - i] for i in range(m))
            )
        return torch.stack(moments[1:], 1)


@dataclass(frozen=True)
class Posterior:
    """Mean and log-deviation of the latent of n rows, each (n, n_latent), and the flow's context.

    Parameters
    ----------
    mean, log_deviation : Tensor of shape (n, n_latent)
        Of normal columns, before mixing and flow.
    context : Tensor of shape (n, n_context)
        What the flow is conditioned on.
    """

    mean: Tensor
    log_deviation: Tensor
    context: Tensor

    def repeated(self, n: int) -> Posterior:
        """Each row `n` times."""
        parts = (self.mean, self.log_deviation, self.context)
        return Posterior(*(part.repeat_interleave(n, 0) for part in parts))


def _standard_normal(noise: Tensor) -> Tensor:
    return -0.5 * (noise.square() + math.log(2 * math.pi))


def _raw_log_deviation(log_deviation: Tensor) -> Tensor:
    share = (log_deviation / _MAX_LOG_DEVIATION).clamp(-0.99, 0.99)
    return _MAX_LOG_DEVIATION * torch.atanh(share)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)
