"""Latent Dirichlet allocation over groups of latent columns, as an exact density."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, ShapeError
from ._base import Prior
from ._gaussians import full_log_prob, known_diagonal_log_prob, known_log_prob
from ._given_columns import given_columns
from ._topic_start import ALPHA_RANGE, annealed_start
from .column_law import NormalMixtureLaw

# Exponents that spread the nodes: flat proportions at the low end, nearly one topic at the high.
_SPREADS = (0.3, 1.0, 3.0, 8.0)
# Smallest log proportion: its exponential is a normal float32.
_MIN_LOG_THETA = -60.0
# Smallest proportion whose logarithm is taken.
_MIN_PROPORTION = 1e-6
# Sum of alpha where each row has one topic.
_ONE_HOT_ALPHA = 50.0


class Topic(Prior):
    """Every row has topic proportions, and each group of its columns follows one of the topics.

    A row is a document: its groups of columns ("word groups") draw their topics from the row's
    own proportions ``theta ~ Dirichlet(alpha)``, and topic k gives group n a Gaussian. The
    integral over theta is carried by S fixed low-discrepancy nodes whose weights follow from
    alpha::

        log p(z) = logsumexp_s [ log w_s(alpha) + sum_n log sum_k theta_sk N(z_n | mu_nk, C_nk) ]

    This is normalised for any number of nodes and tends to latent Dirichlet allocation with many.
    Until `start` is called, all topics are standard normal and would be trained alike.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_topics : int
        Number K of topics.
    groups : sequence of sequences of int, default=None
        Columns of each word group, every column in one of them; None makes every column a group.
    nodes : int or 'one_hot', default=128
        Number S of nodes. With 'one_hot' every row has one topic, a Gaussian mixture with weights
        ``alpha / alpha.sum()``.
    covariance : {'diag', 'full'}, default='diag'
        Form of the covariance matrices within a group.
    min_deviation : float, default=1e-3
        Least standard deviation: training makes no topic narrower in any direction.

    References
    ----------
    Blei, Ng, Jordan, "Latent Dirichlet Allocation", JMLR 3 (2003) 993-1022.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import Topic
    >>> prior = Topic(4, n_topics=2, groups=[[0, 1], [2, 3]])
    >>> prior.log_prob(torch.zeros(1, 4)).shape
    torch.Size([1])
    >>> prior.proportions(torch.zeros(1, 4)).shape
    torch.Size([1, 2])
    """

    def __init__(
        self,
        n_features: int,
        n_topics: int,
        groups: Sequence[Sequence[int]] | None = None,
        *,
        nodes: int | str = 128,
        covariance: str = "diag",
        min_deviation: float = 1e-3,
    ):
        super().__init__(n_features)
        if n_topics < 1:
            raise InvalidParameterError(f"n_topics must be at least 1, got {n_topics}.")
        if covariance not in ("full", "diag"):
            raise InvalidParameterError(f"covariance must be 'full' or 'diag', got {covariance!r}.")
        groups = [[j] for j in range(n_features)] if groups is None else [list(g) for g in groups]
        if sorted(j for g in groups for j in g) != list(range(n_features)) or not all(groups):
            raise InvalidParameterError(
                f"groups must hold each of the columns 0 to {n_features - 1} once and no empty "
                f"group, got {groups}."
            )
        if not 0 < min_deviation < math.inf:
            raise InvalidParameterError(
                f"min_deviation must be positive and finite, got {min_deviation}."
            )
        self.min_deviation = float(min_deviation)
        self.n_topics = n_topics
        self.covariance = covariance
        self.groups = groups
        self._set_nodes(nodes)
        width = max(map(len, groups))
        index = torch.tensor([[*g, *[0] * (width - len(g))] for g in groups])
        present = torch.tensor([[1.0] * len(g) + [0.0] * (width - len(g)) for g in groups])
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("present", present, persistent=False)
        self.ragged = not bool(present.all())
        self.log_alpha = nn.Parameter(torch.zeros(n_topics))
        self.means = nn.Parameter(torch.zeros(len(groups), n_topics, width))
        # The precision is P P^T with P upper triangular, its diagonal kept as logarithms.
        self.log_diagonal = nn.Parameter(torch.zeros(len(groups), n_topics, width))
        if covariance == "full":
            self.off_diagonal = nn.Parameter(torch.zeros(len(groups), n_topics, width, width))
        self.register_buffer("started", torch.tensor(False))

    def _set_nodes(self, nodes: int | str) -> None:
        k = self.n_topics
        if nodes != "one_hot" and not (isinstance(nodes, int) and nodes >= 1):
            raise InvalidParameterError(
                f"nodes must be an int of at least 1 or 'one_hot', got {nodes!r}."
            )
        self.one_hot = nodes == "one_hot" or k == 1
        if self.one_hot:
            self.register_buffer("theta", torch.eye(k), persistent=False)
            return
        log_theta, log_proposal = _dirichlet_nodes(nodes, k)
        # Single precision throughout, so that training in it changes no node.
        self.register_buffer("log_theta", log_theta.float(), persistent=False)
        self.register_buffer("log_proposal", log_proposal.float(), persistent=False)
        theta = log_theta.clamp_min(_MIN_LOG_THETA).exp().float()
        self.register_buffer("theta", theta, persistent=False)

    @property
    def alpha(self) -> Tensor:
        """Concentration of the Dirichlet distribution of the proportions, shape (n_topics,)."""
        low, high = map(math.log, ALPHA_RANGE)
        return self.log_alpha.clamp(low, high).exp()

    @torch.no_grad()
    def start(self, alpha: Tensor, means: Tensor, covariances: Tensor) -> None:
        """Set the parameters to those of known topics.

        Parameters
        ----------
        alpha : Tensor of shape (n_topics,)
            Concentration, positive.
        means : Tensor of shape (n_topics, n_features)
            Means.
        covariances : Tensor of shape (n_topics, n_features, n_features) or (n_topics, n_features)
            Covariance matrices, of which those within groups are read, or variances where
            ``covariance='diag'``.

        Raises
        ------
        ShapeError
            If a shape differs from the one stated.
        """
        wanted = (self.n_topics, self.n_features)
        wanted_covariances = wanted + ((self.n_features,) if self.covariance == "full" else ())
        if means.shape != wanted or covariances.shape != wanted_covariances:
            raise ShapeError(
                f"expected means of shape {wanted} and covariances of shape {wanted_covariances}, "
                f"got {tuple(means.shape)} and {tuple(covariances.shape)}."
            )
        if self.covariance == "full":
            rows, columns = self.index[:, :, None], self.index[:, None, :]
            covariances = covariances[:, rows, columns].transpose(0, 1)
        else:
            covariances = covariances[:, self.index].transpose(0, 1)
        self._take(alpha, means[:, self.index].transpose(0, 1), covariances)

    def start_from(
        self,
        z: Tensor,
        responsibilities: Tensor,
        alpha: Tensor,
        weight: Tensor | None = None,
        n_iterations: int = 20,
        regularisation: float = 1.0,
        keeps: bool = False,
    ) -> None:
        """Initialise from rows and a guess of their topics, by annealed expectation maximisation.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows, of about unit scale.
        responsibilities : Tensor of shape (n, n_groups, n_topics)
            Topics of each word group of each row, summing to one.
        alpha : Tensor of shape (n_topics,)
            Initial concentration.
        weight : Tensor of shape (n,), default=None
            Weights of the rows.
        n_iterations : int, default=20
            Number of iterations; 0 keeps the moments under the guess.
        regularisation : float, default=1.0
            How strongly covariances are drawn to those of all rows, as a factor on one row for
            each column and on a variance of 1e-4.
        keeps : bool, default=False
            Whether rows keep the given topics, so that iterations change alpha alone.
        """
        annealed_start(
            self, z, responsibilities, alpha, weight, n_iterations, regularisation, keeps
        )

    def _take(self, alpha: Tensor, means: Tensor, covariances: Tensor) -> None:
        """`start`, of parameters laid out by group."""
        if self.one_hot:
            # Only ratios count, and these keep rare topics within the range of alpha.
            alpha = _ONE_HOT_ALPHA * alpha / alpha.sum()
        self.log_alpha.copy_(alpha.log())
        present = self.present[:, None]
        self.means.copy_(means * present)
        if self.covariance == "full":
            both = present[..., None] * present[..., None, :]
            covariances = covariances * both + torch.diag_embed(1 - present.to(covariances))
            factor = _inverse_transposed(torch.linalg.cholesky(covariances))
            self.log_diagonal.copy_(factor.diagonal(dim1=2, dim2=3).log())
            self.off_diagonal.copy_(factor.triu(1))
        else:
            self.log_diagonal.copy_(-0.5 * torch.where(present > 0, covariances, 1.0).log())
        self.started.fill_(True)

    @torch.no_grad()
    def moments(self) -> tuple[list[Tensor], list[Tensor]]:
        """Means and covariances of the topics.

        Returns
        -------
        means : list of Tensor of shape (n_topics, width)
            Of each word group.
        covariances : list of Tensor of shape (n_topics, width, width)
            Of each word group.
        """
        factors = torch.diag_embed(self._bounded_log_diagonal().exp())
        if self.covariance == "full":
            factors = factors + self.off_diagonal.triu(1)
        widths = list(map(len, self.groups))
        parts = zip(self.means.detach().cpu(), widths, strict=True)
        means = [mean[:, :width] for mean, width in parts]
        own = [f[:, :width, :width] for f, width in zip(factors, widths, strict=True)]
        covariances = [torch.linalg.inv(f @ f.transpose(1, 2)).cpu() for f in own]
        return means, covariances

    def _bounded_log_diagonal(self) -> Tensor:
        return self.log_diagonal.clamp(max=-math.log(self.min_deviation))

    def _log_weights(self) -> Tensor:
        if self.one_hot:
            return self.alpha.log().log_softmax(0)
        # Dirichlet over proposal, both as densities of log ratios, which no corner makes infinite.
        return (self.log_theta @ self.alpha - self.log_proposal).log_softmax(0)

    def topic_log_prob(self, z: Tensor) -> Tensor:
        """Log density of each word group under each topic.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_groups, n_topics)
            Log densities in nats.
        """
        log_diagonal = self._bounded_log_diagonal() * self.present[:, None]
        if self.covariance == "full":
            words, means, off_diagonal = z.t()[self.index], self.means, self.off_diagonal
            present = self.present
            if self.ragged:
                # Columns that a group lacks have the density of a standard normal at its mean.
                words, means = words * present[..., None], means * present[:, None]
                off_diagonal = off_diagonal * (present[:, None, :, None] * present[:, None, None])
            log_prob = full_log_prob(words.transpose(1, 2), means, log_diagonal, off_diagonal)
            if self.ragged:
                lacking = present.shape[1] - present.sum(1)
                log_prob = log_prob + 0.5 * math.log(2 * math.pi) * lacking[:, None, None]
            return log_prob.transpose(0, 1)
        white = (z[:, self.index][:, :, None] - self.means) * log_diagonal.exp()
        white = white * self.present[:, None]
        log_norm = log_diagonal.sum(2) - 0.5 * math.log(2 * math.pi) * self.present.sum(1)[:, None]
        return log_norm - 0.5 * white.square().sum(3)

    def _node_log_prob(self, log_topic: Tensor) -> Tensor:
        """Log of weight times density of each node, shape (n, n_nodes)."""
        if self.one_hot:
            return log_topic.sum(1) + self._log_weights()
        return self._mixtures(log_topic)[0]

    def _mixtures(self, log_topic: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Joint log density of nodes; densities over the largest of each group; their mixtures."""
        # Far off, where squares overflow, differences of infinities would be NaN.
        lowest = torch.finfo(log_topic.dtype).min
        peak = log_topic.detach().amax(2, keepdim=True).clamp_min(lowest)
        scaled = (log_topic - peak).exp()
        mixed = scaled @ self.theta.t()
        return mixed.log().sum(1) + peak.sum(1) + self._log_weights(), scaled, mixed

    def _posteriors(self, log_topic: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior of the nodes, and of the topics of each group."""
        if self.one_hot:
            posterior = self._node_log_prob(log_topic).softmax(1)
            return posterior, posterior[:, None].expand_as(log_topic)
        joint, scaled, mixed = self._mixtures(log_topic)
        posterior = joint.softmax(1)
        return posterior, scaled * ((posterior[:, None] / mixed) @ self.theta)

    def _log_prob(self, z):
        return self._node_log_prob(self.topic_log_prob(z)).logsumexp(1)

    def _log_prob_marginal(self, z, known):
        return self._node_log_prob(self._known_topic_log_prob(z, known)).logsumexp(1)

    def _known_topic_log_prob(self, z, known):
        """Log density of what is known of each word group under each topic."""
        if self.covariance == "diag":
            words, observed = z[:, self.index], known[:, self.index] & (self.present > 0)
            return known_diagonal_log_prob(
                words, observed, self.means, self._bounded_log_diagonal()
            )
        groups = enumerate(self.groups)
        return torch.stack(
            [known_log_prob(z[:, g], known[:, g], *self._gaussians_of(n)) for n, g in groups], 1
        )

    def _gaussians_of(self, n):
        """Means and precision factors of the topics of a word group."""
        width = len(self.groups[n])
        factors = torch.diag_embed(self._bounded_log_diagonal()[n].exp())
        if self.covariance == "full":
            factors = factors + self.off_diagonal[n].triu(1)
        return self.means[n, :, :width], factors[:, :width, :width]

    def _law_given(self, z, known, column):
        n, group = next((n, g) for n, g in enumerate(self.groups) if column in g)
        shares = self._shares(self._known_topic_log_prob(z, known))[:, n]
        place = group.index(column)
        gaussians = self._gaussians_of(n)
        mean, deviation = given_columns(z[:, group], known[:, group], place, *gaussians)
        return NormalMixtureLaw(shares.log(), mean, deviation)

    def log_prob_and_proportions(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Log density, and the logarithm of the expected topic proportions of the row, in one pass.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        log_prob : Tensor of shape (n,)
            Log density in nats.
        log_proportions : Tensor of shape (n, n_topics)
            Of the mean a posteriori of theta, at least of a millionth.
        """
        joint = self._node_log_prob(self.topic_log_prob(z))
        if self.one_hot:
            return joint.logsumexp(1), joint.log_softmax(1)
        proportions = joint.softmax(1) @ self.theta
        return joint.logsumexp(1), proportions.clamp_min(_MIN_PROPORTION).log()

    def proportions(self, z: Tensor) -> Tensor:
        """Share of the word groups of each row that follow each topic, expected a posteriori.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_topics)
            Rows sum to one.
        """
        return self.responsibilities(z).mean(1)

    def responsibilities(self, z: Tensor) -> Tensor:
        """Posterior probability of each topic for each word group of each row.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_groups, n_topics)
            Sums to one over the topics.
        """
        return self._shares(self.topic_log_prob(z))

    def _shares(self, log_topic):
        """Posterior of the topics of each group, from log densities under each topic."""
        posterior = self._posteriors(log_topic)[1]
        # Where no density is left to compare, the row says nothing.
        return torch.where(posterior.isnan(), self._log_weights().exp() @ self.theta, posterior)

    def move(self, z: Tensor, origin: Tensor, target: Tensor) -> Tensor:
        """Rows whose word groups change topics and keep their location relative to the topic.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.
        origin, target : Tensor of int of shape (n, n_groups)
            Topic of each group before and after.

        Returns
        -------
        Tensor of shape (n, n_features)
            Rows with the same distance, in standard deviations, from the mean of the new topic.
        """
        group = torch.arange(len(self.groups), device=z.device)
        words = z[:, self.index] - self.means[group, origin]
        diagonal = (self._bounded_log_diagonal() * self.present[:, None]).exp()
        if self.covariance == "full":
            factor = self.off_diagonal.triu(1) + torch.diag_embed(diagonal)
            change = factor[group, origin] @ torch.linalg.inv(factor)[group, target]
            words = (words[..., None, :] @ change)[..., 0, :]
        else:
            words = words * (diagonal[group, origin] / diagonal[group, target])
        return self._ungroup(words + self.means[group, target])

    def _ungroup(self, words: Tensor) -> Tensor:
        """``(n, n_groups, width)`` to ``(n, n_features)``."""
        z = words.new_empty(len(words), self.n_features)
        kept = self.present > 0
        z[:, self.index[kept]] = words[:, kept]
        return z

    def _sample(self, n, generator, temperature):
        weights = self._log_weights().exp()
        node = torch.multinomial(weights, n, replacement=True, generator=generator)
        return self.sample_given(self.theta[node], generator, temperature)

    @torch.no_grad()
    def sample_given(
        self,
        proportions: Tensor,
        generator: torch.Generator | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        """Draw one row for each row of topic proportions.

        Parameters
        ----------
        proportions : Tensor of shape (n, n_topics)
            Non-negative, rows of positive sum.
        generator : torch.Generator, optional
            Source of randomness; torch's global one by default.
        temperature : float or Tensor of shape (n_features,), default=1.0
            What deviations from the means of the topics are multiplied by.

        Returns
        -------
        Tensor of shape (n, n_features)
            The draws.
        """
        n, (n_groups, _, width) = len(proportions), self.means.shape
        topic = torch.multinomial(proportions, n_groups, replacement=True, generator=generator)
        group = torch.arange(n_groups, device=topic.device).expand_as(topic)
        noise = self.means.new_empty(n, n_groups, width).normal_(generator=generator)
        diagonal = (self._bounded_log_diagonal() * self.present[:, None]).exp()
        if self.covariance == "full":
            factor = self.off_diagonal.triu(1) + torch.diag_embed(diagonal)
            # With precision P P^T, P^-T times white noise has the wanted covariance.
            spread = _inverse_transposed(factor)[group, topic]
            words = (spread @ noise[..., None])[..., 0]
        else:
            words = noise / diagonal[group, topic]
        return temperature * self._ungroup(words) + self._ungroup(self.means[group, topic])


def _inverse_transposed(triangular: Tensor) -> Tensor:
    """Inverse of the transpose of triangular matrices of either kind."""
    return torch.linalg.inv(triangular).transpose(-1, -2)


def _dirichlet_nodes(n: int, k: int) -> tuple[Tensor, Tensor]:
    """Log proportions (n, k) spread over the simplex, and their log proposal density (n,).

    Powers of uniform points on the simplex: ``theta ~ phi ** t`` for several t, so that corners,
    edges and centre all have nodes. Densities are those of the log ratios.
    """
    engine = torch.quasirandom.SobolEngine(k, scramble=True, seed=0)
    uniform = engine.draw(n, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
    log_phi = torch.log(-torch.log(uniform)).log_softmax(1)
    spread = torch.tensor(_SPREADS, dtype=torch.float64)
    # Consecutive points of the sequence are spread evenly, every fourth one is not.
    part = torch.arange(n) * len(spread) // n
    log_theta = (spread[part, None] * log_phi).log_softmax(1)
    # The centre carries the limit of many and equal counts.
    log_theta[0] = -math.log(k)
    unpowered = (log_theta / spread[:, None, None]).log_softmax(2).sum(2)
    proposal = unpowered - (k - 1) * spread.log()[:, None]
    return log_theta, proposal.logsumexp(0) - math.log(len(spread))
