"""Topics of documents, and how much of each topic is in which part of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy import sparse
from scipy.special import polygamma, psi
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.metrics import pairwise_distances_argmin

from .._optional import require
from ..exceptions import InvalidParameterError
from ._checks import refuse_small
from ._kmeans import k_means
from .documents import Documents

# Rows from which topics are learned; more change them little and cost much.
_MAX_ROWS = 50_000
_MAX_CLUSTERED_ROWS = 10_000
# Rows of a batch, and the least number of batches in a pass that makes them as many as that.
_BATCHES, _ENOUGH_BATCHES = (256, 1024), 20
# Rows that are visited in all, repeats included; each at least once.
_VISITS = 15_000
# Few rows make few batches; topics need this many to converge.
_MIN_BATCHES = 30
# Initial topics need not be exact to three digits.
_DOCUMENT_ITERATIONS = 30
_DOCUMENT_TOL = 1e-2
_FOLD_IN_ITERATIONS = 30
_ALPHA_RANGE = (1e-2, 1e2)
_ALPHA_ITERATIONS = 100
# No word is impossible, so that no row is.
_MIN_PROBABILITY = 1e-9
# Numbers that one chunk of rows may hold.
_CHUNK = 2**20
# What k-means leaves to the topics that a row does not belong to.
_SMOOTHING = 0.1
_N_STARTS = 3


@dataclass(frozen=True)
class Topics:
    """What latent Dirichlet allocation learned.

    Parameters
    ----------
    alpha : ndarray of shape (K,)
        Concentration of the Dirichlet prior of the proportions.
    words : ndarray of shape (K, V)
        Probability of each word under each topic; rows sum to 1.
    proportions : ndarray of shape (n, K)
        Share of each topic in each row; rows sum to 1.
    """

    alpha: np.ndarray
    words: np.ndarray
    proportions: np.ndarray


def fit_lda(
    documents: Documents, n_topics: int, backend: str, rng: np.random.RandomState
) -> Topics:
    """Latent Dirichlet allocation (Blei, Ng & Jordan 2003), fitted online (Hoffman et al. 2010).

    Topics are learned online, in batches, from at most 50,000 rows that are not empty: few rows are
    seen several times, many once and in larger batches. Proportions are given for all rows.

    Parameters
    ----------
    documents : Documents
        The rows as documents.
    n_topics : int
        Number of topics K.
    backend : {'sklearn', 'gensim'}
        Library that fits the topics. 'gensim' learns alpha along with them; with 'sklearn', alpha
        is learned from the proportions afterwards.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    Topics
        Alpha, words and proportions.

    Raises
    ------
    InvalidParameterError
        If `n_topics` is less than 1 or there is no such backend.
    MissingDependencyError
        If gensim is asked for and not installed.
    """
    refuse_small("n_topics", n_topics, 1)
    if backend not in _BACKENDS:
        raise InvalidParameterError(
            f"backend={backend!r} must be one of {', '.join(map(repr, _BACKENDS))}. Set backend "
            "to one of these."
        )
    fit = _BACKENDS[backend]()
    counts = documents.counts()
    rows = np.flatnonzero(np.diff(counts.indptr))
    if len(rows) > _MAX_ROWS:
        rows = np.sort(rng.choice(rows, _MAX_ROWS, replace=False))
    drawn = counts[rows]
    if n_topics == 1 or counts.shape[1] == 1 or not len(rows):
        words = np.tile(np.asarray(drawn.sum(0)) + 1.0 / counts.shape[1], (n_topics, 1))
        alpha = np.full(n_topics, 1.0 / n_topics)
    else:
        words, alpha = fit(drawn, n_topics, rng)
    words = _normalised(np.maximum(_normalised(words), _MIN_PROBABILITY))
    if alpha is None:
        flat = np.full(n_topics, 1.0 / n_topics)
        alpha = fit_dirichlet(fold_in(words, flat, drawn))
    alpha = np.clip(alpha, *_ALPHA_RANGE)
    return Topics(alpha, words, fold_in(words, alpha, counts))


def _load_sklearn():
    return _fit_sklearn


def _load_gensim():
    models = require("gensim.models", "backend='gensim'", "set backend='sklearn'")
    return lambda counts, n_topics, rng: _fit_gensim(models, counts, n_topics, rng)


_BACKENDS = {"sklearn": _load_sklearn, "gensim": _load_gensim}


def _batch_size(n_rows: int) -> int:
    """Rows in a batch: more of many rows, so that words are counted in fewer steps."""
    return int(np.clip(n_rows // _ENOUGH_BATCHES, *_BATCHES))


def _passes(n_rows: int) -> int:
    n_batches = -(-n_rows // _batch_size(n_rows))
    return max(-(-_VISITS // max(n_rows, _VISITS // 3)), -(-_MIN_BATCHES // n_batches))


def _fit_sklearn(
    counts: sparse.csr_matrix, n_topics: int, rng: np.random.RandomState
) -> tuple[np.ndarray, None]:
    model = LatentDirichletAllocation(
        n_topics,
        # As in gensim: with the defaults, early batches count too much and topics stay mixed.
        learning_decay=0.5,
        learning_offset=1.0,
        batch_size=_batch_size(counts.shape[0]),
        total_samples=counts.shape[0],
        max_doc_update_iter=_DOCUMENT_ITERATIONS,
        mean_change_tol=_DOCUMENT_TOL,
        # Results depend on the number of jobs.
        n_jobs=1,
        random_state=rng,
    )
    # Unlike fit, this shuffles the rows and spares the perplexity at the end.
    for _ in range(_passes(counts.shape[0])):
        model.partial_fit(counts[rng.permutation(counts.shape[0])])
    return model.components_, None


def _fit_gensim(
    models: ModuleType, counts: sparse.csr_matrix, n_topics: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    counts = counts[rng.permutation(counts.shape[0])]
    ends = counts.indptr[1:-1]
    pairs = zip(np.split(counts.indices, ends), np.split(counts.data, ends), strict=True)
    corpus = [list(zip(ids.tolist(), data.tolist(), strict=True)) for ids, data in pairs]
    model = models.LdaModel(
        corpus,
        num_topics=n_topics,
        # Without names it warns, and without this many passes.
        id2word={i: str(i) for i in range(counts.shape[1])},
        passes=_passes(len(corpus)),
        chunksize=_batch_size(counts.shape[0]),
        iterations=_DOCUMENT_ITERATIONS,
        gamma_threshold=_DOCUMENT_TOL,
        alpha="auto",
        eta="auto",
        eval_every=None,
        random_state=rng,
        dtype=np.float64,
    )
    return model.get_topics(), model.alpha


def fold_in(words: np.ndarray, alpha: np.ndarray, counts: sparse.csr_matrix) -> np.ndarray:
    """Proportions of rows whose topics are given, by expectation maximisation.

    The proportions of a row depend on no other row.

    Parameters
    ----------
    words : ndarray of shape (K, V)
        Probability of each word under each topic, positive.
    alpha : ndarray of shape (K,)
        Concentration of the prior of the proportions.
    counts : csr_matrix of shape (n, V)
        How often each row holds each word.

    Returns
    -------
    ndarray of shape (n, K)
        Proportions. Rows without words get those of the prior.
    """
    proportions = np.tile(alpha / alpha.sum(), (counts.shape[0], 1))
    by_word = np.ascontiguousarray(words.T)
    width = len(alpha) * max(1.0, counts.nnz / max(1, counts.shape[0]))
    for rows in _chunks(counts.shape[0], width):
        part = counts[rows]
        share = sparse.csr_matrix(part, copy=True)
        row = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        likelihood = by_word[part.indices]
        theta = proportions[rows]
        for _ in range(_FOLD_IN_ITERATIONS):
            share.data = part.data / np.einsum("ek,ek->e", theta[row], likelihood)
            theta = _normalised(alpha + theta * (share @ by_word))
        proportions[rows] = theta
    return proportions


def fit_dirichlet(proportions: np.ndarray) -> np.ndarray:
    """Concentration of the Dirichlet distribution of greatest likelihood (Minka 2000), by Newton.

    Parameters
    ----------
    proportions : ndarray of shape (n, K)
        Rows that sum to 1.

    Returns
    -------
    ndarray of shape (K,)
        The concentration, each part within [0.01, 100].
    """
    proportions = _normalised(np.maximum(proportions, np.finfo(np.float64).tiny))
    mean_log = np.log(proportions).mean(0)
    alpha = _dirichlet_moments(proportions)
    for _ in range(_ALPHA_ITERATIONS):
        gradient = psi(alpha.sum()) - psi(alpha) + mean_log
        curvature = -polygamma(1, alpha)
        # The Hessian is diagonal plus a constant, so its inverse is known.
        constant = polygamma(1, alpha.sum())
        shift = (gradient / curvature).sum() / (1 / constant + (1 / curvature).sum())
        step = (gradient - shift) / curvature
        # Half the way to zero at most, so that alpha stays positive.
        new = np.clip(np.maximum(alpha - step, alpha / 2), *_ALPHA_RANGE)
        moved, alpha = np.abs(new - alpha), new
        if (moved <= 1e-8 * alpha).all():
            break
    return alpha


def _dirichlet_moments(proportions: np.ndarray) -> np.ndarray:
    mean, variance = proportions.mean(0), proportions.var(0)
    total = (mean * (1 - mean)).sum() / max(variance.sum(), 1e-12) - 1
    return np.clip(mean * max(total, 0.0), *_ALPHA_RANGE)


def slot_responsibilities(topics: Topics, documents: Documents) -> np.ndarray:
    """Probability that the word in each slot of each row comes from each topic.

    Parameters
    ----------
    topics : Topics
        Topics of these documents.
    documents : Documents
        The documents; their weights play no part.

    Returns
    -------
    ndarray of shape (n, n_slots, K)
        Probabilities that sum to 1 over topics.
    """
    phi = np.ascontiguousarray(topics.words.T)[documents.tokens]
    phi *= topics.proportions[:, None, :]
    phi /= phi.sum(2, keepdims=True)
    return phi


def group_responsibilities(
    topics: Topics, documents: Documents, groups: Sequence[np.ndarray]
) -> np.ndarray:
    """Share of each topic in each group of columns of each row.

    It is the mean of `slot_responsibilities` over the group's slots, weighted as the documents
    are. A slot belongs to the group that holds most of its columns.

    Parameters
    ----------
    topics : Topics
        Topics of these documents.
    documents : Documents
        The documents.
    groups : sequence of ndarray of int
        Columns of each group; together they hold every column once.

    Returns
    -------
    ndarray of shape (n, n_groups, K)
        Shares that sum to 1 over topics: the row's proportions where a group has no words.
    """
    n, n_slots = documents.tokens.shape
    group = _group_of_slot(documents, groups)
    order = np.argsort(group, kind="stable")
    present, first = np.unique(group[order], return_index=True)
    shares = np.repeat(topics.proportions[:, None, :], len(groups), axis=1)
    for rows in _chunks(n, n_slots * len(topics.alpha)):
        part = documents.take(rows)
        chunk = Topics(topics.alpha, topics.words, topics.proportions[rows])
        phi = slot_responsibilities(chunk, part)[:, order]
        weights = np.ones(part.tokens.shape) if part.weights is None else part.weights
        weights = weights[:, order, None]
        total = np.add.reduceat(phi * weights, first, axis=1)
        weight = np.add.reduceat(weights, first, axis=1)
        mean = total / np.where(weight > 0, weight, 1)
        shares[rows, present] = np.where(weight > 0, mean, shares[rows, present])
    return shares


def topic_words(
    responsibilities: np.ndarray, documents: Documents, groups: Sequence[np.ndarray]
) -> np.ndarray:
    """Probability of each word under topics that responsibilities are given for.

    Parameters
    ----------
    responsibilities : ndarray of shape (n, n_groups, K)
        Share of each topic in each group of columns of each row, of whatever model.
    documents : Documents
        The same rows as documents.
    groups : sequence of ndarray of int
        Columns of each group; together they hold every column once.

    Returns
    -------
    ndarray of shape (K, V)
        Probabilities that sum to 1 over words. A topic without rows gets those of all rows.
    """
    group = _group_of_slot(documents, groups)
    table = np.zeros((len(documents.words), responsibilities.shape[2]))
    for g in np.unique(group):
        table += documents.counts(np.flatnonzero(group == g)).T @ responsibilities[:, g]
    everyone = np.asarray(documents.counts().sum(0)).ravel()
    if not everyone.any():
        everyone = np.ones(len(documents.words))
    used = table.sum(0) > 0
    return _normalised(np.where(used[:, None], table.T, everyone))


def heaviest_words(
    beta: np.ndarray,
    words: Sequence[str],
    n_words: int = 5,
    lambda_: float = 0.6,
    topic_weights: np.ndarray | None = None,
) -> list[list[tuple[str, float]]]:
    """The words that say most about each topic, chosen by relevance (Sievert & Shirley 2014).

    The relevance of word w to topic k is
    ``lambda_ * log p(w | k) + (1 - lambda_) * log(p(w | k) / p(w))``.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Probability of each word under each topic.
    words : sequence of str
        Labels of the V words.
    n_words : int, default=5
        Number of words a topic.
    lambda_ : float, default=0.6
        1 chooses by probability alone, 0 by how much more probable the word is than elsewhere.
    topic_weights : ndarray of shape (K,) or None, default=None
        Share of each topic in all rows, which p(w) is taken with; None for equal ones.

    Returns
    -------
    list of list of tuple of (str, float)
        Per topic the labels and probabilities of its words, most probable first.

    Raises
    ------
    InvalidParameterError
        If `n_words` is less than 1.
    """
    best = relevant_words(beta, n_words, lambda_, topic_weights)
    return [[(words[w], float(beta[k, w])) for w in chosen] for k, chosen in enumerate(best)]


def relevant_words(
    beta: np.ndarray,
    n_words: int = 5,
    lambda_: float = 0.6,
    topic_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Indices of the words that `heaviest_words` tells.

    Parameters
    ----------
    beta, n_words, lambda_, topic_weights
        As there.

    Returns
    -------
    ndarray of shape (K, <= n_words), int
        Per topic its words, most probable first.

    Raises
    ------
    InvalidParameterError
        If `n_words` is less than 1.
    """
    refuse_small("n_words", n_words, 1)
    overall = np.average(beta, axis=0, weights=topic_weights)
    tiny = np.finfo(np.float64).tiny
    log_beta = np.log(np.maximum(beta, tiny))
    relevance = log_beta - (1 - lambda_) * np.log(np.maximum(overall, tiny))
    relevance = np.where(beta > 0, relevance, -np.inf)
    best = np.argsort(-relevance, axis=1, kind="stable")[:, :n_words]
    falling = np.argsort(-np.take_along_axis(beta, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, falling, 1)


def kmeans_topics(
    Z: np.ndarray, n_topics: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of rows as topics: each row belongs to one topic, but for a tenth.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    n_topics : int
        Number of topics K. Topics beyond the number of distinct rows hold no rows.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    alpha : ndarray of shape (K,)
        Concentration that sums to about 1, in proportion to the clusters.
    proportions : ndarray of shape (n, K)
        Share of each topic in each row; rows sum to 1.

    Raises
    ------
    InvalidParameterError
        If `n_topics` is less than 1.
    """
    refuse_small("n_topics", n_topics, 1)
    Z = np.asarray(Z, dtype=np.float64)
    n = len(Z)
    drawn = Z
    if n > _MAX_CLUSTERED_ROWS:
        drawn = Z[np.sort(rng.choice(n, _MAX_CLUSTERED_ROWS, replace=False))]
    label = pairwise_distances_argmin(Z, k_means(drawn, n_topics, rng, _N_STARTS))
    proportions = np.full((n, n_topics), _SMOOTHING / n_topics)
    proportions[np.arange(n), label] += 1 - _SMOOTHING
    return np.clip(proportions.mean(0), *_ALPHA_RANGE), proportions


def _group_of_slot(documents: Documents, groups: Sequence[np.ndarray]) -> np.ndarray:
    """The group that holds most columns of each slot, the first of equals."""
    group = np.empty(sum(len(columns) for columns in groups), dtype=np.intp)
    for g, columns in enumerate(groups):
        group[columns] = g
    return np.array([np.bincount(group[columns]).argmax() for columns in documents.slots])


def _normalised(table: np.ndarray) -> np.ndarray:
    return table / table.sum(1, keepdims=True)


def _chunks(n: int, width: float) -> Iterator[slice]:
    """Slices of rows of `width` numbers each, within the limit of memory."""
    step = max(1, int(_CHUNK // max(1, width)))
    for start in range(0, n, step):
        yield slice(start, start + step)
