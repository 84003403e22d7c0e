"""Topics of whole rows that a flow keeps to, chosen by what halves of the rows agree on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from ..priors import Topic
from ._margins import Margins, fit_margins, margin_forms

# Principal components in which topics are sought: all of few columns, else these numbers.
_MAX_FEATURES = 36
_N_COMPONENTS = (20, 36)
_ITERATIONS = 15
_LAST_ITERATIONS = 30
# Columns of which principal components are computed exactly.
_MAX_EXACT = 500
# Fewer rows have no halves to compare.
_MIN_HALF_ROWS = 20
# Few rows are halved several times, as one agreement of theirs says little.
_N_SPLITS = 3
_MAX_SPLIT_ROWS = 2_000
# What the loss of a nat per column counts in units of agreement, and the loss that counts at most.
_LOSS_WEIGHT = 2.0
_MAX_LOSS = 0.1
# Rows whose topics are computed at once.
_CHUNK = 2**13

# propose(index): topics (n, K) of these rows, found in them alone.
Proposal = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TopicReference:
    """Topics of whole rows: components of a Gaussian mixture, of columns or principal components.

    Parameters
    ----------
    margins : Margins
        Maps of columns that come first.
    principal : tuple of ndarray of shape (d,) and (d, q), or None
        Centre and axes of principal components, whose covariances within a topic are full. None
        takes the columns themselves, independent within a topic.
    state : dict of ndarray
        Parameters and buffers of the mixture.
    """

    margins: Margins
    principal: tuple[np.ndarray, np.ndarray] | None
    state: dict[str, np.ndarray]

    @property
    def n_topics(self) -> int:
        """Number of topics."""
        return len(self.state["log_alpha"])

    @torch.no_grad()
    def topics(self, Z: np.ndarray) -> np.ndarray:
        """Probability of each topic.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Standardised rows.

        Returns
        -------
        ndarray of shape (n, n_topics)
            Rows sum to one.
        """
        parts = [np.empty((0, self.n_topics))]
        for i in range(0, len(Z), _CHUNK):
            words = _words(Z[i : i + _CHUNK], self.margins, self.principal)
            prior = _mixture(words.shape[1], self.n_topics, self.principal)
            # Copies, as models may lie in read-only memory.
            prior.load_state_dict({name: torch.tensor(v) for name, v in self.state.items()})
            parts.append(prior.proportions(words).numpy())
        return np.concatenate(parts)


@torch.no_grad()
def choose_reference(
    Z: np.ndarray,
    proposals: Sequence[Proposal],
    rng: np.random.RandomState,
    is_image: bool = False,
) -> TopicReference:
    """Topics on which two halves of the rows agree most, by the adjusted Rand index.

    Candidates are Gaussian mixtures fitted from each proposal by expectation maximisation: of
    columns that are independent within a topic, behind margins, and of principal components.
    Likelihood alone would prefer any that describe tails well, such as a topic of the bulk and one
    of outliers; agreement alone, those that cut rows where they are widest. So a tenth of a nat
    per column of the log density of the other half counts as a fifth of the index, and what is
    lost beyond that counts no more.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    proposals : sequence of callable
        What finds topics (n, K) among rows of given indices.
    rng : RandomState
        Source of randomness.
    is_image : bool, default=False
        Whether columns are pixels, which keep their scale and have no margins.

    Returns
    -------
    TopicReference
        The topics, fitted to all rows.
    """
    n, d = Z.shape
    forms = [()] if is_image else margin_forms(Z)
    # Heavy tails that are not bent would be a topic of their own.
    forms = [form for form in forms if "arcsinh" in form] or forms
    numbers = [d] if d <= _MAX_FEATURES else [q for q in _N_COMPONENTS if q < n] or [min(n, d)]
    candidates = [(form, q) for form in forms for q in (numbers if is_image else [None, *numbers])]
    best = *_latent(Z, *candidates[0], rng), proposals[0]
    if n >= 2 * _MIN_HALF_ROWS and len(candidates) * len(proposals) > 1:
        n_splits = _N_SPLITS if n <= _MAX_SPLIT_ROWS else 1
        splits = [np.array_split(rng.permutation(n), 2) for _ in range(n_splits)]
        proposed = [
            [[propose(half) for half in split] for split in splits] for propose in proposals
        ]
        tried, agreements, log_probs = [], [], []
        for candidate in candidates:
            latent = _latent(Z, *candidate, rng)
            rows = _words(Z, *latent), latent[1], _log_rest(Z, *latent)
            for propose, guesses in zip(proposals, proposed, strict=True):
                judged = [_judge(*rows, *at) for at in zip(splits, guesses, strict=True)]
                agreement, log_prob = np.nan_to_num(np.mean(judged, 0), nan=-np.inf)
                tried.append((*latent, propose))
                agreements.append(agreement)
                log_probs.append(log_prob / d)
        loss = np.minimum(max(log_probs) - np.array(log_probs), _MAX_LOSS)
        best = tried[int((agreements - _LOSS_WEIGHT * loss).argmax())]
    margins, principal, propose = best
    words = _words(Z, margins, principal)
    prior = _fitted(words, principal, propose(np.arange(n)), _LAST_ITERATIONS)
    state = {name: value.numpy() for name, value in prior.state_dict().items()}
    return TopicReference(margins, principal, state)


def _latent(Z, form, q, rng):
    """Margins of a form, and q principal components behind them, of unit scale on average."""
    margins = fit_margins(form, Z)
    if q is None:
        return margins, None
    solver = "full" if Z.shape[1] <= _MAX_EXACT else "randomized"
    pca = PCA(q, svd_solver=solver, random_state=rng.randint(2**31)).fit(margins.apply(Z)[0])
    scale = np.sqrt(pca.explained_variance_.mean())
    return margins, (pca.mean_, pca.components_.T / (scale if scale > 0 else 1.0))


def _words(Z, margins, principal):
    M = margins.apply(Z)[0]
    return torch.from_numpy(M if principal is None else (M - principal[0]) @ principal[1])


def _log_rest(Z, margins, principal):
    """What the log density of rows has beside that of their words: maps, and other components."""
    M, total = margins.apply(Z)
    if principal is None:
        return total
    centre, axes = principal
    q, n_others = axes.shape[1], len(axes) - axes.shape[1]
    scale = np.linalg.norm(axes[:, 0])
    total = total + q * np.log(scale)
    if n_others:
        # Independent of the topics, and of one variance.
        square = ((M - centre) ** 2).sum(1) - (((M - centre) @ axes / scale) ** 2).sum(1)
        variance = max(square.mean() / n_others, np.finfo(float).tiny)
        total = total - (square / variance + n_others * np.log(2 * np.pi * variance)) / 2
    return total


def _judge(words, principal, log_rest, halves, guesses):
    """Adjusted Rand index of the topics by either half, and log density of rows by the other."""
    fitted = [
        _fitted(words[half], principal, guess, _ITERATIONS)
        for half, guess in zip(halves, guesses, strict=True)
    ]
    agreement = adjusted_rand_score(*(prior.proportions(words).argmax(1) for prior in fitted))
    log_prob = [
        prior.log_prob(words[half]).mean().item() + log_rest[half].mean()
        for prior, half in zip(fitted, halves[::-1], strict=True)
    ]
    return agreement, np.mean(log_prob)


def _fitted(words, principal, guess, n_iterations) -> Topic:
    """A mixture, fitted from a guess by expectation maximisation."""
    prior = _mixture(words.shape[1], guess.shape[1], principal)
    alpha = torch.ones(guess.shape[1], dtype=torch.float64)
    guess = torch.from_numpy(np.ascontiguousarray(guess[:, None]))
    prior.start_from(words, guess, alpha, n_iterations=n_iterations)
    return prior


def _mixture(q: int, n_topics: int, principal) -> Topic:
    covariance = "diag" if principal is None else "full"
    return Topic(q, n_topics, [range(q)], nodes="one_hot", covariance=covariance).double()
