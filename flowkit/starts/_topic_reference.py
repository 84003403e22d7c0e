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
    Likelihood would prefer any that describe tails well, such as a topic of the bulk and one of
    outliers.

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
    halves = np.array_split(rng.permutation(n), 2)
    best, highest = (*_latent(Z, *candidates[0], rng), proposals[0]), -np.inf
    if len(halves[1]) >= _MIN_HALF_ROWS and len(candidates) * len(proposals) > 1:
        proposed = [[propose(half) for half in halves] for propose in proposals]
        for candidate in candidates:
            latent = _latent(Z, *candidate, rng)
            words = _words(Z, *latent)
            for propose, guesses in zip(proposals, proposed, strict=True):
                told = [
                    _fitted(words[half], latent[1], guess, _ITERATIONS).proportions(words).argmax(1)
                    for half, guess in zip(halves, guesses, strict=True)
                ]
                agreement = adjusted_rand_score(*told)
                if agreement > highest:
                    best, highest = (*latent, propose), agreement
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
