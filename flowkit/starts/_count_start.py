"""Densities of counts initialised by latent Dirichlet allocation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import TruncatedSVD
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize
from torch import nn

from .._seeds import draw_seed
from ..modules import CountEntries, CountTopics
from ..topics import BagsOfWords, fit_lda, fold_in, k_means, kmeans_topics
from ._rows import draw_rows

# Nodes on the simplex of the proportions.
_N_NODES = 128
# Share of the words of all rows in the words of each topic, so that none is impossible.
_BACKGROUND = 0.01
_LEAST_SHARE = 1e-3
# Concentrations to choose from, by the probability of so many rows.
_CONCENTRATIONS = np.geomspace(10, 1e6, 16)
_MAX_SCORED_ROWS = 500
_MAX_COMPONENTS = 4
_LEAST_DEVIATION = 1e-3
# The law of lengths gets a component so much wider than all, of the weight of one row.
_WIDER = 3.0
# Components of rows that k-means sees.
_MAX_KMEANS_COLUMNS = 50


@dataclass(frozen=True)
class CountStart:
    """Latent Dirichlet allocation as a density of counts.

    Parameters
    ----------
    state : dict of ndarray
        Parameters of a `CountTopics`.
    """

    state: dict[str, np.ndarray]

    @property
    def config(self) -> dict:
        """Numbers of topics, nodes and components of the lengths."""
        return {
            "n_topics": self.state["words"].shape[0],
            "n_nodes": len(self.state["node_weights"]),
            "n_lengths": len(self.state["length_weights"]),
        }

    def numbered_as(self, words: np.ndarray, one_hot: bool) -> CountStart:
        """The same topics, each with the number of that one of others which it is most like.

        Parameters
        ----------
        words : ndarray of shape (n_topics, V)
            Probability of each word in each of the others.
        one_hot : bool
            Whether a row has a single topic.

        Returns
        -------
        CountStart
            The start, reordered.
        """
        # Affinities of Bhattacharyya.
        alike = np.sqrt(words) @ np.sqrt(self.state["words"]).T
        order = linear_sum_assignment(alike, maximize=True)[1]
        state = self.state | {"words": self.state["words"][order]}
        if one_hot:
            state |= {name: state[name][order] for name in ("intensities", "node_weights")}
        return CountStart(state | {"intensities": state["intensities"][:, order]})

    def initialise(self, module: nn.Module) -> None:
        """Initialise a `CountTopics`."""
        module.load_state_dict({k: torch.from_numpy(v) for k, v in self.state.items()})


def count_start(
    bags: BagsOfWords,
    weight: np.ndarray | None,
    n_topics: int,
    backend: str | None,
    one_hot: bool,
    rng: np.random.RandomState,
) -> CountStart:
    """Latent Dirichlet allocation of rows of counts, with nodes where their proportions are.

    Parameters
    ----------
    bags : BagsOfWords
        Training rows.
    weight : ndarray of shape (n,) or None
        Their weights.
    n_topics : int
        Number of topics.
    backend : {'sklearn', 'gensim'} or None
        What finds the topics; None for k-means.
    one_hot : bool
        Whether a row has a single topic.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    CountStart
        The start.
    """
    counts = bags.counts()
    if weight is not None:
        bags = bags.take(draw_rows(counts.shape[0], weight, rng, counts.shape[0]))
    table = bags.counts()
    frequency = np.asarray(table.sum(0)).ravel() + 0.5
    background = frequency / frequency.sum()
    words, proportions = _topics(bags, n_topics, backend, rng)
    state = {
        "words": (1 - _BACKGROUND) * words + _BACKGROUND * background,
        "background": background,
        **_lengths(np.asarray(table.sum(1)).ravel(), rng),
    }
    theta, node_weights = _nodes(proportions, one_hot, rng)
    state |= {"intensities": theta, "node_weights": node_weights}
    scored = table[draw_rows(table.shape[0], None, rng, _MAX_SCORED_ROWS)]
    state["intensities"] = theta * _concentration(CountStart(state), scored, one_hot)
    return CountStart(state)


def entries_of(counts: sparse.csr_matrix, device: torch.device | None = None) -> CountEntries:
    """Rows of counts for a module, float64.

    Parameters
    ----------
    counts : csr_matrix of shape (n, V)
        The rows, without stored zeros.
    device : torch.device or None, default=None
        Where the module is; None for the CPU.

    Returns
    -------
    CountEntries
        Their entries.
    """
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    arrays = row, counts.indices.astype(np.int64), counts.data.astype(np.float64)
    return CountEntries(*(torch.from_numpy(a).to(device) for a in arrays), counts.shape[0])


def _topics(bags, n_topics, backend, rng):
    """Words of each topic, and the proportions of each row."""
    counts = bags.counts()
    table = _telling(counts)
    if backend is not None:
        proportions = fit_lda(BagsOfWords(table, bags.words), n_topics, backend, rng).proportions
        return _words_of(proportions, counts), proportions
    words = _words_of(kmeans_topics(_reduced(table, rng), n_topics, rng)[1], counts)
    # Clusters are hard, rows of words are not.
    return words, fold_in(words, np.full(n_topics, 1 / n_topics), counts)


def _words_of(proportions, counts):
    """Words of topics that hold these shares of the rows."""
    words = proportions.T @ counts + 1 / counts.shape[1]
    return words / words.sum(1, keepdims=True)


def _telling(counts):
    """Counts weighted by how much words tell of a row, that add up to as much as before.

    Words of most rows, and repeats of a word in a row, would otherwise make up the topics.
    """
    n, table = counts.shape[0], counts.copy()
    telling = 1 + np.log((1 + n) / (1 + counts.getnnz(0)))
    table.data = (1 + np.log(counts.data)) * telling[counts.indices]
    table.data *= counts.sum() / max(table.sum(), 1.0)
    return table


def _reduced(table, rng):
    """Rows of unit length, of few columns."""
    rows = normalize(table)
    if rows.shape[1] <= _MAX_KMEANS_COLUMNS:
        return rows.toarray()
    return normalize(TruncatedSVD(_MAX_KMEANS_COLUMNS, random_state=rng).fit_transform(rows))


def _nodes(proportions, one_hot, rng):
    """Where the nodes are, and their weights."""
    k = proportions.shape[1]
    if one_hot:
        weights = proportions.mean(0)
        return np.eye(k), weights / weights.sum()
    rows = proportions[draw_rows(len(proportions), None, rng)]
    theta = np.maximum(k_means(rows, _N_NODES, rng), _LEAST_SHARE)
    return theta / theta.sum(1, keepdims=True), np.full(len(theta), 1 / len(theta))


def _concentration(start, counts, one_hot):
    """The concentration under which rows are likeliest."""
    module = CountTopics(counts.shape[1], **start.config, one_hot=one_hot).double()
    start.initialise(module)
    theta, entries = module.intensities.clone(), entries_of(counts)

    def score(concentration):
        module.intensities.copy_(theta * concentration)
        return module.log_prob_of_words(entries).sum().item()

    return max(_CONCENTRATIONS, key=score)


def _lengths(lengths, rng):
    """A mixture of log-normal distributions, of as many components as BIC asks for."""
    # Spread within their cells, as ties would reward spikes on them.
    logs = np.log(lengths + rng.uniform(0.5, 1.5, len(lengths)))[:, None]
    best, best_criterion = None, np.inf
    options = {"reg_covar": _LEAST_DEVIATION**2, "init_params": "k-means++"}
    for n in range(1, min(_MAX_COMPONENTS, len(logs)) + 1):
        mixture = GaussianMixture(n, **options, random_state=draw_seed(rng))
        criterion = mixture.fit(logs).bic(logs)
        if criterion < best_criterion:
            best, best_criterion = mixture, criterion
    rare = 1 / (len(logs) + 1)
    deviations = np.sqrt(best.covariances_.ravel())
    wide = _WIDER * max(float(logs.std()), 1.0)
    return {
        "length_weights": np.append((1 - rare) * best.weights_, rare),
        "length_means": np.append(best.means_.ravel(), logs.mean()),
        "length_deviations": np.append(deviations, wide),
    }
