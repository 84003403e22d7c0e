"""How many topics rows have: by the likelihood of rows left out, and by what halves agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from ..priors import Topic
from ._flow_start import FlowStart
from ._topic_start import n_nodes

# Numbers to choose from; the search ends after so many losses of likelihood in a row.
_NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
_PATIENCE = 2
# Difference of adjusted Rand indices that counts: topics that hold hardly any rows change little.
_NOTABLE = 0.05
_MAX_HALF_ROWS = 1_000
_MIN_HALF_ROWS = 4

# fit(k, index): log density and heaviest topic of all rows, by k topics of the rows of an index.
Fit = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class TopicNumbers:
    """What was found for each number of topics, and the number chosen.

    Parameters
    ----------
    chosen : int
        The number.
    curve : dict of ndarray
        Columns of the search: ``n_topics``; ``log_density``, mean of rows by topics of the other
        half of the rows, and its ``standard_error``; ``stability``, adjusted Rand index of the
        heaviest topics that both halves give to all rows.
    """

    chosen: int
    curve: dict[str, np.ndarray]


def choose_n_topics(fit: Fit, halves: list[np.ndarray]) -> TopicNumbers:
    """The number of topics that two halves of the rows agree on most, of the likely ones.

    Likely are those whose log density of rows left out is within one standard error of the largest.
    Of numbers that are about as stable, the smallest is taken.

    Parameters
    ----------
    fit : callable
        Log density, shape (n,), and heaviest topic of all rows, by k topics of some rows, as
        ``fit(k, index)``.
    halves : list of two ndarray of int
        Rows of either half, those of both together being all rows.

    Returns
    -------
    TopicNumbers
        The number, and how it was found.
    """
    numbers, scores, stability = [], [], []
    n_most = min(map(len, halves))
    highest, setbacks = -np.inf, 0
    for k in [k for k in _NUMBERS if k <= max(1, n_most)]:
        (first, topics), (second, other_topics) = (fit(k, half) for half in halves)
        # A row is scored by the half that it is not in.
        scores.append(np.concatenate([second[halves[0]], first[halves[1]]]))
        numbers.append(k)
        stability.append(adjusted_rand_score(topics, other_topics))
        value = scores[-1].mean()
        setbacks = 0 if value > highest else setbacks + 1
        highest = max(highest, value)
        if setbacks == _PATIENCE:
            break
    means = np.array([score.mean() for score in scores])
    best = int(np.nan_to_num(means, nan=-np.inf).argmax())
    errors = np.array([score.std() / np.sqrt(len(score)) for score in scores])
    likely = means >= means[best] - errors[best]
    stability = np.array(stability)
    stable = stability >= stability[likely].max() - _NOTABLE
    chosen = int(np.flatnonzero(likely & stable)[0])
    curve = {
        "n_topics": np.array(numbers),
        "log_density": means,
        "standard_error": errors,
        "stability": stability,
    }
    return TopicNumbers(numbers[chosen], curve)


def halves_of(row_of: np.ndarray, rng: np.random.RandomState) -> list[np.ndarray] | None:
    """Two halves of the rows, of limited size, repeats of a row in one of them.

    Parameters
    ----------
    row_of : ndarray of shape (n,)
        What tells repeats of one row from other rows.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    list of two ndarray of int, or None
        None where there are too few rows.
    """
    distinct = rng.permutation(np.unique(row_of))[: 2 * _MAX_HALF_ROWS]
    if len(distinct) < 2 * _MIN_HALF_ROWS:
        return None
    return [np.flatnonzero(np.isin(row_of, half)) for half in np.array_split(distinct, 2)]


@torch.no_grad()
def started_topics(start: FlowStart, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density and heaviest topic of rows under what a flow begins as.

    Parameters
    ----------
    start : FlowStart
        Its prior begins as topics.
    Z : ndarray of shape (n, d)
        Standardised rows.

    Returns
    -------
    log_density : ndarray of shape (n,)
        Of standardised rows.
    topics : ndarray of shape (n,)
        Integers.
    """
    topics = start.prior
    prior = Topic(
        Z.shape[1],
        topics.config["n_topics"],
        topics.groups,
        nodes=n_nodes(topics.groups),
        covariance=topics.covariance,
        min_deviation=topics.min_deviation,
    ).double()
    topics.fill(prior)
    latent, log_det = start.apply(Z)
    log_density = prior.log_prob(latent) + log_det
    return log_density.numpy(), prior.proportions(latent).argmax(1).numpy()
