"""Models of rows of counts by name: ``fit(counts, n_topics, seed, budget)``.

It returns a `WordModel`. Latent Dirichlet allocation has no closed form; its probabilities are
estimated by importance sampling with half of the draws from the prior, which are unbiased and,
unlike the variational bound that libraries call perplexity, cost it nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import gammaln, logsumexp, psi

N_DRAWS = 400
N_PASSES = 20
# Share of the words of all rows in each topic of peers whose topics lack some words.
BACKGROUND = 0.01
_ITERATIONS = 50


@dataclass(frozen=True)
class WordModel:
    """What a study asks of a fit; None for what a method does not have.

    Parameters
    ----------
    proportions : callable
        Of rows of counts: shares of topics, (n, n_topics).
    perplexity : callable or None
        Of rows of counts, given their lengths.
    words : ndarray of shape (n_topics, n_words) or None
        Probability of each word in each topic.
    estimator : object
        One of flowkit's, or None.
    """

    proportions: Callable
    perplexity: Callable | None = None
    words: np.ndarray | None = None
    estimator: Any = None


def by_log_prob(log_prob: Callable) -> Callable:
    """Perplexity, of the log probability (n,) of the words of rows in one order."""
    return lambda rows: float(np.exp(-log_prob(rows).sum() / rows.sum()))


def with_background(words: np.ndarray, counts: sparse.csr_matrix) -> np.ndarray:
    """Topics in which no word is impossible."""
    overall = np.asarray(counts.sum(0)).ravel() + 0.5
    words = words / words.sum(1, keepdims=True)
    return (1 - BACKGROUND) * words + BACKGROUND * overall / overall.sum()


def lda_perplexity(words: np.ndarray, alpha: np.ndarray) -> Callable:
    """Perplexity of rows under latent Dirichlet allocation, estimated."""

    def log_prob(rows):
        rng = np.random.default_rng(0)
        parts = (_entries(rows, i) for i in _rows(rows))
        return np.array([_row_log_prob(words, alpha, *part, rng) for part in parts])

    return by_log_prob(log_prob)


def _rows(counts):
    return range(counts.shape[0])


def _entries(counts, i):
    part = slice(*counts.indptr[i : i + 2])
    return counts.indices[part], counts.data[part]


def _row_log_prob(words, alpha, column, count, rng):
    likelihood = words[:, column]
    gamma = alpha + count.sum() / len(alpha)
    for _ in range(_ITERATIONS):
        share = np.exp(psi(gamma))[:, None] * likelihood
        gamma = alpha + (share / share.sum(0)) @ count
    drawn = np.vstack([rng.gamma(a, size=(N_DRAWS // 2, len(a))) for a in (gamma, alpha)])
    theta = np.maximum(drawn, 1e-300)
    theta /= theta.sum(1, keepdims=True)
    prior, posterior = (_dirichlet_log_density(theta, a) for a in (alpha, gamma))
    proposal = np.logaddexp(prior, posterior) - np.log(2)
    return logsumexp(np.log(theta @ likelihood) @ count + prior - proposal) - np.log(len(theta))


def _dirichlet_log_density(theta, alpha):
    return gammaln(alpha.sum()) - gammaln(alpha).sum() + np.log(theta) @ (alpha - 1)


def fit_sklearn_lda(counts, n_topics, seed, budget):
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(n_topics, max_iter=N_PASSES, random_state=seed).fit(counts)
    words = model.components_ / model.components_.sum(1, keepdims=True)
    alpha = np.full(n_topics, model.doc_topic_prior_)
    return WordModel(model.transform, lda_perplexity(words, alpha), words)


def fit_gensim_lda(counts, n_topics, seed, budget):
    from gensim.models import LdaModel

    def corpus(rows):
        parts = (_entries(rows, i) for i in _rows(rows))
        return [list(zip(c.tolist(), x.tolist(), strict=True)) for c, x in parts]

    names = {j: str(j) for j in range(counts.shape[1])}
    options = {"alpha": "auto", "eta": "auto", "passes": N_PASSES, "random_state": seed}
    model = LdaModel(corpus(counts), n_topics, names, **options, dtype=np.float64)
    words, alpha = with_background(model.get_topics(), counts), np.asarray(model.alpha)

    def proportions(rows):
        gamma = model.inference(corpus(rows))[0]
        return gamma / gamma.sum(1, keepdims=True)

    return WordModel(proportions, lda_perplexity(words, alpha), words)


def fit_nmf_multinomial(counts, n_topics, seed, budget):
    """Topics by NMF in Kullback-Leibler divergence, as those of latent Dirichlet allocation."""
    from sklearn.decomposition import NMF

    from flowkit.topics import fit_dirichlet

    options = {"beta_loss": "kullback-leibler", "solver": "mu", "init": "nndsvda"}
    model = NMF(n_topics, **options, max_iter=200, random_state=seed)
    weights = model.fit_transform(counts) * model.components_.sum(1)
    alpha = fit_dirichlet(np.maximum(weights, 1e-3) / np.maximum(weights, 1e-3).sum(1)[:, None])
    words = with_background(model.components_ + 1e-12, counts)

    def proportions(rows):
        return model.transform(rows) * model.components_.sum(1)

    return WordModel(proportions, lda_perplexity(words, alpha), words)


def _tf_idf(counts):
    from sklearn.feature_extraction.text import TfidfTransformer

    return TfidfTransformer(sublinear_tf=True).fit(counts)


def fit_nmf_tf_idf(counts, n_topics, seed, budget):
    from sklearn.decomposition import NMF

    scaled = _tf_idf(counts)
    model = NMF(n_topics, init="nndsvda", random_state=seed).fit(scaled.transform(counts))
    return WordModel(lambda rows: model.transform(scaled.transform(rows)))


def fit_kmeans_tf_idf(counts, n_topics, seed, budget):
    from sklearn.cluster import KMeans

    scaled = _tf_idf(counts)
    model = KMeans(n_topics, n_init=10, random_state=seed).fit(scaled.transform(counts))
    return WordModel(lambda rows: np.eye(n_topics)[model.predict(scaled.transform(rows))])


def fit_dirichlet_mixture(counts, n_topics, seed, budget):
    """A mixture of Dirichlet-multinomials by expectation maximisation from k-means."""
    labels = fit_kmeans_tf_idf(counts, n_topics, seed, budget).proportions(counts)
    share, lengths = labels.sum(0) / len(labels), np.asarray(counts.sum(1)).ravel()
    sizes = 200 * with_background(labels.T @ counts + 1e-9, counts)
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    overall = np.asarray(counts.sum(0)).ravel() + 0.5
    for _ in range(_ITERATIONS):
        posterior = np.exp(_normalised(_mixture_joint(counts, share, sizes)))
        share = np.maximum(posterior.mean(0), 1e-12)
        for k, a in enumerate(sizes):
            slope = psi(counts.data + a[counts.indices]) - psi(a[counts.indices])
            slope *= posterior[row, k]
            up = np.bincount(counts.indices, slope, minlength=len(a)) * a
            down = posterior[:, k] @ (psi(lengths + a.sum()) - psi(a.sum()))
            # As many pseudo-counts of the overall words as flowkit takes, so that both smooth.
            total = up.sum() / max(down, 1e-9)
            smooth = up + 100 * overall / overall.sum()
            sizes[k] = max(total, 1e-3) * smooth / smooth.sum()

    def proportions(rows):
        return np.exp(_normalised(_mixture_joint(rows, share, sizes)))

    def log_prob(rows):
        return logsumexp(_mixture_joint(rows, share, sizes), axis=1)

    return WordModel(proportions, by_log_prob(log_prob), sizes / sizes.sum(1, keepdims=True))


def _normalised(joint):
    return joint - logsumexp(joint, axis=1, keepdims=True)


def _mixture_joint(counts, share, sizes):
    lengths, joint = np.asarray(counts.sum(1)).ravel(), []
    for weight, a in zip(share, sizes, strict=True):
        own = a[counts.indices]
        rising = gammaln(counts.data + own) - gammaln(own)
        table = sparse.csr_matrix((rising, counts.indices, counts.indptr), counts.shape)
        words = np.asarray(table.sum(1)).ravel()
        joint.append(np.log(weight) + words + gammaln(a.sum()) - gammaln(a.sum() + lengths))
    return np.column_stack(joint)


def fit_fractal(n_rows: int | None = None, **parameters: Any) -> Callable:
    """Ours, fitted to all rows, or to one chunk of so many after another."""

    def fit(counts, n_topics, seed, budget):
        from flowkit import FractalFlowDensity

        given = {"documents": "counts", "max_time": budget, "random_state": seed, **parameters}
        density = FractalFlowDensity(n_topics, **given)
        if n_rows is None:
            density.fit(counts)
        else:
            for first in range(0, counts.shape[0], n_rows):
                density.partial_fit(counts[first : first + n_rows])

        words = density.module_.words.numpy()
        return WordModel(density.predict_proba, density.perplexity, words, density)

    return fit


WORD_MODELS: dict[str, Callable] = {
    "LDA, scikit-learn": fit_sklearn_lda,
    "LDA, gensim": fit_gensim_lda,
    "NMF, multinomial": fit_nmf_multinomial,
    "NMF, tf-idf": fit_nmf_tf_idf,
    "k-means, tf-idf": fit_kmeans_tf_idf,
    "Dirichlet-multinomial mixture": fit_dirichlet_mixture,
    "fractal": fit_fractal(),
    "fractal, gensim initialised": fit_fractal(lda_backend="gensim"),
    "fractal, k-means initialised": fit_fractal(lda_backend=None),
    "fractal, one topic a row": fit_fractal(n_word_groups=1),
    "fractal, chunks of 50 rows": fit_fractal(n_rows=50),
}
# Module that a method needs.
NEEDED = {name: "gensim" for name in WORD_MODELS if "gensim" in name}
