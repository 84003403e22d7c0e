"""Where a flow with a topic prior starts: marginals, linear map, word groups, topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..priors import Topic
from ._starts import Start, draw_rows, marginal_spline, normal_score_knots, whitening

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
_WEIGHT_SCALE = 50.0
# Nodes that carry the integral over topic proportions.
_N_NODES = 128
# A search over numbers of word groups ends after so many losses in a row.
_PATIENCE = 2

# guess(groups, rows): topics (n, n_groups, K) of the groups of these rows.
Guess = Callable[[list[np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TopicStart:
    """What a flow with a topic prior begins as.

    Parameters
    ----------
    start : Start
        Marginals and linear map.
    groups : list of list of int or None
        Columns of each word group, None for another prior.
    covariance : {'diag', 'full'} or None
        Form of the covariances within groups.
    state : dict of ndarray or None
        Parameters of the prior.
    """

    start: Start
    groups: list[list[int]] | None = None
    covariance: str | None = None
    state: dict[str, np.ndarray] | None = None

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
    prior = Topic(d, k, groups, nodes="one_hot", covariance=start.covariance).double()
    # Only their ratio counts, and this one keeps rare components within bounds.
    prior.start(weights * _WEIGHT_SCALE, means, covariances)
    return TopicStart(start, groups, start.covariance, _state(prior))


def choose_topic_start(
    Z: np.ndarray,
    weight: np.ndarray | None,
    guess: Guess,
    alpha: np.ndarray,
    groupings: list[list[np.ndarray]],
    rng: np.random.RandomState,
    keep_columns: bool,
) -> TopicStart:
    """The start of largest held-out likelihood.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    weight : ndarray of shape (n,) or None
        Weights of the rows; rows are then drawn in proportion to them.
    guess : callable
        Topics of groups of columns of rows, as (groups, rows) -> (n, n_groups, K).
    alpha : ndarray of shape (K,)
        Concentration of the guess.
    groupings : list of list of ndarray
        Word groups to choose from, coarse ones first.
    rng : RandomState
        Source of randomness.
    keep_columns : bool
        Whether the latent shall start as the columns, unmixed by a linear map.

    Returns
    -------
    TopicStart
        The start, fitted to all rows drawn.
    """
    d, n_topics = Z.shape[1], len(alpha)
    widest = max(d * n_topics, len(groupings[-1]) * _N_NODES)
    limit = int(np.clip(_MAX_VALUES // widest, _MIN_ROWS, _MAX_ROWS))
    rows = rng.permutation(draw_rows(len(Z), weight, rng, limit))
    fit = _Fit(Z, guess, alpha)
    if len(rows) < _MIN_SEARCH_ROWS:
        return fit(rows, groupings[0], False, not keep_columns, _ITERATIONS)[0]
    searched = rows[: max(_MIN_ROWS, int(_SEARCH_SHARE * limit))]
    n_test = int(_TEST_SHARE * len(searched))
    test, training = searched[:n_test], searched[n_test:]
    best, best_score = None, -np.inf
    for marginals in (False, True):
        for linear in (False,) if keep_columns else (False, True):
            setbacks, highest = 0, -np.inf
            for groups in groupings:
                _, score = fit(training, groups, marginals, linear, _SEARCH_ITERATIONS)
                value = score(Z[test])
                if value > best_score:
                    best, best_score = (groups, marginals, linear), value
                setbacks = 0 if value > highest else setbacks + 1
                highest = max(highest, value)
                if setbacks == _PATIENCE:
                    break
    return fit(rows, *best, _ITERATIONS)[0]


class _Fit:
    """Topics fitted to rows behind marginals and a linear map."""

    def __init__(self, Z, guess, alpha):
        self.Z, self.guess, self.alpha = Z, guess, alpha

    def __call__(self, rows, groups, marginals, linear, n_iterations):
        """A `TopicStart`, and the mean log density that it gives to other rows."""
        Z = self.Z[rows]
        start = _transform(Z, marginals, linear)
        latent, _ = _apply(start, Z)
        width = max(map(len, groups))
        covariance = "full" if 1 < width <= _MAX_FULL_FEATURES else "diag"
        columns = [group.tolist() for group in groups]
        nodes = n_nodes(groups)
        prior = Topic(Z.shape[1], len(self.alpha), columns, nodes=nodes, covariance=covariance)
        guess = torch.from_numpy(np.ascontiguousarray(self.guess(groups, rows)))
        # Single precision is twice as fast, and as good with variances that have a floor.
        prior.start_from(
            latent.float(), guess.float(), torch.from_numpy(self.alpha), n_iterations=n_iterations
        )
        prior.double()

        @torch.no_grad()
        def score(Z_test):
            latent, log_det = _apply(start, Z_test)
            return (prior.log_prob(latent) + log_det).mean().item()

        return TopicStart(start, columns, covariance, _state(prior)), score


def n_nodes(groups: list) -> int | str:
    """Nodes of the prior: with one group the integral over proportions is a mixture."""
    return _N_NODES if len(groups) > 1 else "one_hot"


def _state(prior: Topic) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in prior.state_dict().items()}


def _transform(Z, marginals, linear) -> Start:
    knots = normal_score_knots(Z) if marginals else None
    matrix = whitening(_apply(Start(knots), Z)[0].numpy()) if linear else None
    return Start(knots, matrix)


@torch.no_grad()
def _apply(start: Start, Z: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows behind the marginals and the linear map of a start, and their log-determinants."""
    latent, log_det = torch.from_numpy(Z), torch.zeros(len(Z), dtype=torch.float64)
    if start.marginals is not None:
        spline = marginal_spline(Z.shape[1]).double()
        spline.start(*map(torch.from_numpy, start.marginals))
        latent, log_det = spline(latent)
    if start.linear is not None:
        matrix, bias = map(torch.from_numpy, start.linear)
        latent = latent @ matrix.t() + bias
        log_det = log_det + torch.linalg.slogdet(matrix)[1]
    return latent, log_det
