"""Topics of counts: rows of words whose topics and whose own habits are integrated out."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from ._base import DensityModule
from ._count_entries import CountEntries
from ._lengths import draw_lengths, length_log_prob

# Up to this count, ratios of gamma functions are products.
_MAX_FACTORS = 16
# Numbers that a chunk of drawn rows may hold.
_CHUNK = 2**22
# Counts by which words of a topic are drawn to those of all rows.
_WORD_PRIOR = 100.0
# Share of an average node by which each is drawn to the mean of all.
_NODE_PRIOR = 0.02
_LEAST_WEIGHT = 1e-2
_TINY = 1e-290


@dataclass
class CountStatistics:
    """What expectation maximisation needs of rows; sums over them, float64.

    Parameters
    ----------
    words : Tensor of shape (n_features, n_topics)
        Occurrences of each word that topics account for, repeats in a row counting less and less.
    nodes : Tensor of shape (n_nodes, n_topics)
        The same by node.
    exposure : Tensor of shape (n_nodes,)
        What intensities are counted per.
    rows : Tensor of shape (n_nodes,)
        Number of rows.
    log_prob : Tensor of shape ()
        Log probability of the rows.
    """

    words: Tensor
    nodes: Tensor
    exposure: Tensor
    rows: Tensor
    log_prob: Tensor

    def __add__(self, other: CountStatistics) -> CountStatistics:
        return CountStatistics(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    def scaled(self, factor: float) -> CountStatistics:
        """The same of rows of other weights."""
        return CountStatistics(*(getattr(self, f.name) * factor for f in fields(self)))


class CountTopics(DensityModule):
    """Rows of whole counts that share topics: a Dirichlet-multinomial with a mixed profile.

    A row draws its length from a mixture of log-normals cut into whole numbers, topic proportions
    from S nodes on the simplex, and word probabilities of its own from a Dirichlet distribution
    around the profile of these proportions. That last step is why words come in bursts. All but
    the length is integrated out in closed form::

        log P(x) = log P(L) + log L! / prod_v x_v!
                   + log sum_s w_s Gamma(A_s) / Gamma(A_s + L)
                     prod_v Gamma(a_sv + x_v) / Gamma(a_sv),   a_sv = sum_k h_sk b_kv

    with b the words of the topics, h the intensities of the nodes, whose proportions are
    ``h_s / A_s``, and ``A_s = sum_k h_sk``, the smaller, the burstier. Given their length, these
    are negative binomial counts of sizes a_sv. Probabilities sum to one whatever the nodes; nodes
    and weights are learned, so that they stand for any distribution of the proportions.

    Parameters
    ----------
    n_features : int
        Number V of words.
    n_topics : int
        Number K of topics.
    n_nodes : int
        Number S of nodes.
    n_lengths : int, default=1
        Number of components of the law of the lengths.
    one_hot : bool, default=False
        Whether a row has a single topic: then node k is topic k.

    References
    ----------
    Madsen, Kauchak, Elkan, "Modeling word burstiness using the Dirichlet distribution", ICML
    (2005).

    Doyle, Elkan, "Accounting for burstiness in topic models", ICML (2009).

    Examples
    --------
    >>> import torch
    >>> from flowkit.modules import CountTopics
    >>> module = CountTopics(3, n_topics=2, n_nodes=4)
    >>> module.log_prob(torch.tensor([[0.0, 2.0, 1.0]])).shape
    torch.Size([1])
    """

    def __init__(
        self,
        n_features: int,
        n_topics: int,
        n_nodes: int,
        n_lengths: int = 1,
        one_hot: bool = False,
    ):
        super().__init__(n_features)
        self.n_topics, self.n_nodes, self.one_hot = n_topics, n_nodes, one_hot
        start = {
            "words": torch.full((n_topics, n_features), 1 / n_features),
            "background": torch.full((n_features,), 1 / n_features),
            "intensities": torch.eye(n_topics) if one_hot else torch.ones(n_nodes, n_topics),
            "node_weights": torch.full((n_nodes,), 1 / n_nodes),
            "length_weights": torch.full((n_lengths,), 1 / n_lengths),
            "length_means": torch.zeros(n_lengths),
            "length_deviations": torch.ones(n_lengths),
        }
        for name, value in start.items():
            # Maximised in closed form, never by gradients.
            setattr(self, name, nn.Parameter(value, requires_grad=False))

    @property
    def n_latent(self) -> int:
        return self.n_topics

    @property
    def concentrations(self) -> Tensor:
        """How close rows keep to the profile of each node, shape (n_nodes,)."""
        # Words sum to one up to rounding alone, and probabilities shall sum to one exactly.
        return self.intensities.double() @ self.words.sum(1, dtype=torch.float64)

    @property
    def theta(self) -> Tensor:
        """Proportions of each node, shape (n_nodes, n_topics)."""
        return self.intensities / self.intensities.sum(1, keepdim=True)

    # ------------------------------------------------------------------ probabilities

    def log_prob(self, x, context=None):
        return self.log_prob_of(CountEntries.of(x))

    def log_prob_of(self, entries: CountEntries) -> Tensor:
        """Log probability of rows, shape (n_rows,)."""
        return self.log_prob_of_words(entries) + self._log_prob_of_rest(entries)

    def _log_prob_of_rest(self, entries):
        """Log probability of the lengths, and of the number of orders of the words."""
        lengths = entries.lengths()
        repeats = entries.sum_by_row(torch.lgamma(entries.count.double() + 1))
        return torch.lgamma(lengths + 1) - repeats + self.log_prob_of_lengths(lengths)

    def log_prob_of_lengths(self, lengths: Tensor) -> Tensor:
        """Log probability of lengths of rows, shape (n_rows,)."""
        weights = self.length_weights.double()
        parts = self.length_means.double(), self.length_deviations.double()
        return length_log_prob(lengths.double(), weights / weights.sum(), *parts)

    def log_prob_of_words(self, entries: CountEntries) -> Tensor:
        """Log probability of the words of rows in one order, given lengths; shape (n_rows,)."""
        return self.node_log_prob(entries).logsumexp(1)

    def node_log_prob(self, entries: CountEntries) -> Tensor:
        """`log_prob_of_words`, jointly with each node; shape (n_rows, n_nodes), float64."""
        return self._joint(entries.heaviest_first())[0]

    def _joint(self, entries):
        """`node_log_prob`, words of the entries by topic, and their sizes by node."""
        words = self.words.t()[entries.column]
        sizes = words @ self.intensities.t()
        total = self.concentrations
        # Large and nearly equal, so in double precision.
        rest = torch.lgamma(entries.lengths()[:, None] + total) - torch.lgamma(total)
        joint = entries.sum_by_row(_log_rising(entries.count, sizes)).double() - rest
        weights = self.node_weights.double()
        return joint + (weights / weights.sum()).log(), words, sizes

    def proportions(self, entries: CountEntries) -> Tensor:
        """Expected share of the words of each row that follow each topic.

        Parameters
        ----------
        entries : CountEntries
            The rows.

        Returns
        -------
        Tensor of shape (n_rows, n_topics)
            Rows sum to one; without words, what the nodes say.
        """
        entries = entries.heaviest_first()
        joint, words, sizes = self._joint(entries)
        posterior = joint.softmax(1).to(sizes)
        by_topic = ((posterior[entries.row] / sizes) @ self.intensities) * words
        lengths = entries.lengths()[:, None].to(sizes)
        share = entries.sum_by_row(by_topic * entries.count[:, None]) / lengths
        return torch.where(lengths > 0, share, posterior @ self.theta)

    def profiles(self, proportions: Tensor) -> Tensor:
        """Expected share of each word under topic proportions, shape (n, n_features)."""
        return proportions @ self.words

    def encode(self, x, context=None):
        return self.proportions(CountEntries.of(x))

    # ------------------------------------------------------------------ expectation maximisation

    def statistics(self, entries: CountEntries, weight: Tensor | None = None) -> CountStatistics:
        """What `maximise` needs of rows, under the parameters as they are.

        Parameters
        ----------
        entries : CountEntries
            The rows.
        weight : Tensor of shape (n_rows,), default=None
            Their weights.

        Returns
        -------
        CountStatistics
            Sums over the rows.
        """
        entries = entries.heaviest_first()
        joint, words, sizes = self._joint(entries)
        log_prob = joint.logsumexp(1)
        posterior = (joint - log_prob[:, None]).exp()
        lengths, total = entries.lengths(), self.concentrations
        exposure = torch.digamma(lengths[:, None] + total) - torch.digamma(total)
        log_prob = log_prob + self._log_prob_of_rest(entries)
        if weight is not None:
            posterior = posterior * weight[:, None]
            log_prob = log_prob * weight
        shares = _rising_slope(entries.count, sizes) * posterior.to(sizes)[entries.row]
        by_word = (shares @ self.intensities) * words
        zeros = torch.zeros(self.n_features, self.n_topics, dtype=torch.float64)
        zeros = zeros.to(by_word.device)
        return CountStatistics(
            zeros.index_add_(0, entries.column, by_word.double()),
            ((shares.t() @ words) * self.intensities).double(),
            (posterior * exposure).sum(0),
            posterior.sum(0),
            log_prob.sum(),
        )

    @torch.no_grad()
    def maximise(self, statistics: CountStatistics) -> None:
        """Parameters that raise the probability of the rows that the statistics are of.

        Words are drawn to those of all rows, and nodes to their mean, so that no word is
        impossible; each step raises a lower bound of the log probability that touches it (Minka,
        "Estimating a Dirichlet distribution", 2000).
        """
        words = statistics.words.t() + _WORD_PRIOR * self.background
        self.words.copy_(words / words.sum(1, keepdim=True))
        nodes, exposure = statistics.nodes, statistics.exposure
        amount = _NODE_PRIOR * nodes.sum() / self.n_nodes
        mean = torch.eye(self.n_topics) if self.one_hot else nodes.sum(0) / nodes.sum()
        if nodes.sum() > 0:
            intensities = nodes + amount * mean.to(nodes)
            exposure = exposure + _NODE_PRIOR * exposure.mean()
            self.intensities.copy_(intensities / exposure[:, None])
        weights = statistics.rows + _LEAST_WEIGHT
        self.node_weights.copy_(weights / weights.sum())

    # ------------------------------------------------------------------ draws

    def sample(self, n, generator=None, context=None, temperature=1.0):
        node = torch.multinomial(self.node_weights, n, replacement=True, generator=generator)
        return self._draw(self.theta[node], self.concentrations[node], generator, temperature)

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
            Non-negative, rows sum to one.
        generator : torch.Generator, optional
            Source of randomness; torch's global one by default.
        temperature : float or Tensor of shape (), default=1.0
            What deviations of the probabilities of the words of a row from the profile of its
            topics are multiplied by.

        Returns
        -------
        Tensor of shape (n, n_features)
            The draws.
        """
        # Topics are as bursty as the nodes that hold them.
        share = self.node_weights[:, None] * self.theta
        total = self.concentrations.to(share)
        by_topic = (share * total[:, None]).sum(0) / share.sum(0).clamp_min(_TINY)
        by_topic = torch.where(share.sum(0) > 0, by_topic, total.mean())
        return self._draw(proportions, proportions @ by_topic, generator, temperature)

    @torch.no_grad()
    def _draw(self, proportions, concentration, generator, temperature):
        n = len(proportions)
        parts = self.length_weights, self.length_means, self.length_deviations
        lengths = draw_lengths(n, *parts, generator)
        rows, size = [], max(1, _CHUNK // self.n_features)
        for i in range(0, n, size):
            chunk = slice(i, i + size)
            profile = self.profiles(proportions[chunk])
            if float(temperature) > 0:
                shape = profile * (concentration[chunk, None] / temperature**2)
                drawn = torch._standard_gamma(shape, generator=generator)
                # Of small shapes, all draws of a row may round to zero.
                profile = drawn + _TINY * profile
            rows.append(_multinomial(profile, lengths[chunk], generator))
        return torch.cat(rows)


def _multinomial(weights: Tensor, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    """Counts of words drawn by weights (n, V), as many as lengths (n,) say."""
    counts, longest = torch.zeros_like(weights), int(lengths.max())
    if longest > weights.shape[1]:
        return _multinomial_by_word(weights, lengths, generator)
    if not longest:
        return counts
    drawn = torch.multinomial(weights, longest, replacement=True, generator=generator)
    kept = torch.arange(longest, device=drawn.device) < lengths[:, None]
    return counts.scatter_add_(1, drawn, kept.to(counts))


def _multinomial_by_word(weights, lengths, generator):
    """`_multinomial`, in as many steps as there are words, however long rows are."""
    # What is left, this word included, summed from the end so that nothing cancels.
    rest = weights.flip(1).cumsum(1).flip(1)
    share = (weights / rest.clamp_min(_TINY)).clamp(0, 1)
    share[:, -1] = 1.0
    left, counts = lengths.to(weights), torch.empty_like(weights)
    for v in range(weights.shape[1]):
        counts[:, v] = torch.binomial(left, share[:, v], generator=generator)
        left = left - counts[:, v]
    return counts


def _log_rising(count: Tensor, a: Tensor) -> Tensor:
    """``log Gamma(a + count) / Gamma(a)`` of counts (n,), largest first, and a (n, S)."""
    total = a.log()
    for j in range(1, _MAX_FACTORS):
        n = int((count > j).sum())
        if not n:
            return total
        total[:n] += (a[:n] + j).log()
    n = int((count > _MAX_FACTORS).sum())
    # Differences of large numbers, so in double precision.
    many, high = count[:n, None].double(), a[:n].double()
    rest = torch.lgamma(high + many) - torch.lgamma(high + _MAX_FACTORS)
    total[:n] += rest.to(total)
    return total


def _rising_slope(count: Tensor, a: Tensor) -> Tensor:
    """Derivative of `_log_rising` by a."""
    total = 1 / a
    for j in range(1, _MAX_FACTORS):
        n = int((count > j).sum())
        if not n:
            return total
        total[:n] += 1 / (a[:n] + j)
    n = int((count > _MAX_FACTORS).sum())
    many, high = count[:n, None].double(), a[:n].double()
    rest = torch.digamma(high + many) - torch.digamma(high + _MAX_FACTORS)
    total[:n] += rest.to(total)
    return total
