"""Where a flow with a topic prior starts: margins, linear map, word groups, topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..priors import Topic
from ._margins import fit_margins, margin_forms
from ._mixture_start import Start, whitening

# Rows that the start is fitted to, fewer where its tables would hold too many values.
_MAX_ROWS = 5_000
_MAX_VALUES = 3e7
# Share and number of these that the search looks at.
_SEARCH_SHARE = 0.4
_MIN_ROWS = 500
# With fewer rows there is nothing left to judge by.
_MIN_SEARCH_ROWS = 40
_TEST_SHARE = 0.25
_SEARCH_ITERATIONS = 10
_ITERATIONS = 30
# Covariances within a group are full up to this many columns.
_MAX_FULL_FEATURES = 36
# Fewest rows for each column of these; of fewer, covariances are all but singular.
_ROWS_A_FEATURE = 3
# Nodes that carry the integral over topic proportions.
_N_NODES = 128
# A search over numbers of word groups ends after so many losses in a row.
_PATIENCE = 2
# Regularisation of covariances, weaker while that makes rows left out likelier by so many nats.
_REGULARISATIONS = (1e-2, 1e-4, 1e-6, 1e-8)
_NOTABLE_GAIN = 0.1
_MIN_DEVIATION = 1e-3

# guess(groups, index): topics (n, n_groups, K) of the groups of these rows.
Guess = Callable[[list[np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TopicStart:
    """What a flow with a topic prior begins as.

    Parameters
    ----------
    start : Start
        Margins and linear map.
    groups : list of list of int or None
        Columns of each word group, None for another prior.
    covariance : {'diag', 'full'} or None
        Form of the covariances within groups.
    state : dict of ndarray or None
        Parameters of the prior.
    min_deviation : float, default=1e-3
        Below it no deviation of the prior may fall in training.
    """

    start: Start
    groups: list[list[int]] | None = None
    covariance: str | None = None
    state: dict[str, np.ndarray] | None = None
    min_deviation: float = _MIN_DEVIATION

    @property
    def n_topics(self) -> int | None:
        """Number of topics, None for a prior without."""
        return len(self.state["log_alpha"]) if self.state else None


def as_topics(start: Start) -> TopicStart:
    """A mixture as topics that whole rows follow."""
    if start.mixture is None:
        return TopicStart(start)
    weights, means, covariances = map(torch.from_numpy, start.mixture)
    k, d = means.shape
    groups = [list(range(d))]
    prior = Topic(
        d,
        k,
        groups,
        nodes="one_hot",
        covariance=start.covariance,
        min_deviation=start.min_deviation,
    ).double()
    prior.start(weights, means, covariances)
    return TopicStart(start, groups, start.covariance, _state(prior), start.min_deviation)


def n_start_rows(d: int, n_topics: int, n_groups: int) -> int:
    """Number of rows that a start is fitted to."""
    widest = max(d * n_topics, n_groups * _N_NODES)
    return int(np.clip(_MAX_VALUES // widest, _MIN_ROWS, _MAX_ROWS))


def choose_topic_start(
    Z: np.ndarray,
    row_of: np.ndarray,
    guess: Guess,
    alpha: np.ndarray,
    groupings: list[list[np.ndarray]],
    rng: np.random.RandomState,
    keep_columns: bool,
    bends: bool = True,
) -> TopicStart:
    """The start of largest held-out likelihood.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows, heavy ones repeated.
    row_of : ndarray of shape (n,)
        What tells repeats of one row from other rows.
    guess : callable
        Topics of groups of columns of rows, as (groups, index) -> (n, n_groups, K).
    alpha : ndarray of shape (K,)
        Concentration of the guess.
    groupings : list of list of ndarray
        Word groups to choose from, coarse ones first.
    rng : RandomState
        Source of randomness.
    keep_columns : bool
        Whether the latent shall start as the columns, unmixed by a linear map.
    bends : bool, default=True
        Whether columns may have heavy tails; pixels of images have none.

    Returns
    -------
    TopicStart
        The start, fitted to all rows.
    """
    distinct = rng.permutation(np.unique(row_of))
    everything = np.arange(len(Z))
    if len(distinct) < _MIN_SEARCH_ROWS:
        rows = _Rows(Z, everything, (), not keep_columns)
        return rows.fit(groupings[0], guess, alpha, _ITERATIONS)[0]
    searched = distinct[: max(_MIN_ROWS, int(_SEARCH_SHARE * len(distinct)))]
    n_test = int(_TEST_SHARE * len(searched))
    # Repeats of a row stay on one side.
    test = Z[np.isin(row_of, searched[:n_test])]
    training = np.flatnonzero(np.isin(row_of, searched[n_test:]))
    best, best_score = None, -np.inf
    for form in margin_forms(Z, bends):
        for linear in (False,) if keep_columns else (False, True):
            rows = _Rows(Z, training, form, linear)
            setbacks, highest = 0, -np.inf
            for groups in groupings:
                value = rows.fit(groups, guess, alpha, _SEARCH_ITERATIONS)[1](test)
                if best is None or value > best_score:
                    best, best_score = (groups, form, linear), value
                setbacks = 0 if value > highest else setbacks + 1
                highest = max(highest, value)
                if setbacks == _PATIENCE:
                    break
    groups, *transform = best
    rows, regularisation = _Rows(Z, training, *transform), 1.0
    for weaker in _REGULARISATIONS:
        value = rows.fit(groups, guess, alpha, _SEARCH_ITERATIONS, weaker)[1](test)
        if not value > best_score + _NOTABLE_GAIN:
            break
        best_score, regularisation = value, weaker
    rows = _Rows(Z, everything, *transform)
    return rows.fit(groups, guess, alpha, _ITERATIONS, regularisation)[0]


class _Rows:
    """Rows behind margins and a linear map of their own, to which topics are fitted."""

    def __init__(self, Z, index, form, linear):
        self.index = index
        self.start = _transform(Z[index], form, linear)
        self.latent = _apply(self.start, Z[index])[0]

    def fit(self, groups, guess, alpha, n_iterations, regularisation=1.0):
        """A `TopicStart`, and the mean log density that it gives to other rows."""
        width = max(map(len, groups))
        full = 1 < width <= _MAX_FULL_FEATURES and len(self.index) >= _ROWS_A_FEATURE * width
        covariance = "full" if full else "diag"
        columns = [group.tolist() for group in groups]
        prior = Topic(
            self.latent.shape[1],
            len(alpha),
            columns,
            nodes=n_nodes(groups),
            covariance=covariance,
            min_deviation=_MIN_DEVIATION * regularisation**0.5,
        )
        # Single precision is twice as fast, and as good where variances have a high floor.
        dtype = torch.float32 if regularisation == 1.0 else torch.float64
        prior.to(dtype).start_from(
            self.latent.to(dtype),
            torch.from_numpy(np.ascontiguousarray(guess(groups, self.index))).to(dtype),
            torch.from_numpy(alpha),
            n_iterations=n_iterations,
            regularisation=regularisation,
        )
        prior.double()

        @torch.no_grad()
        def score(Z):
            latent, log_det = _apply(self.start, Z)
            return (prior.log_prob(latent) + log_det).mean().item()

        topics = TopicStart(self.start, columns, covariance, _state(prior), prior.min_deviation)
        return topics, score


def n_nodes(groups: list) -> int | str:
    """Nodes of the prior: with one group the integral over proportions is a mixture."""
    return _N_NODES if len(groups) > 1 else "one_hot"


def _state(prior: Topic) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in prior.state_dict().items()}


def _transform(Z, form, linear) -> Start:
    margins = fit_margins(form, Z)
    return Start(margins, whitening(margins.apply(Z)[0]) if linear else None)


@torch.no_grad()
def _apply(start: Start, Z: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows behind the margins and the linear map of a start, and their log-determinants."""
    latent, log_det = map(torch.from_numpy, start.margins.apply(Z))
    if start.linear is not None:
        matrix, bias = map(torch.from_numpy, start.linear)
        latent = latent @ matrix.t() + bias
        log_det = log_det + torch.linalg.slogdet(matrix)[1]
    return latent, log_det
