"""Flows initialised with topics, chosen by held-out likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from ..priors import Topic
from ._flow_start import FlowStart
from ._margins import fit_margins, margin_forms
from ._mixture_start import whitening

# Rows that the start is fitted to, fewer where its tables would hold too many values.
_MAX_ROWS = 5_000
_MAX_VALUES = 3e7
# Share and number of these that the search looks at.
_SEARCH_SHARE = 0.4
_MIN_ROWS = 500
# With fewer rows there is nothing left to choose by.
_MIN_SEARCH_ROWS = 40
_TEST_SHARE = 0.25
_SEARCH_ITERATIONS = 10
_ITERATIONS = 30
# With topics that are kept, alpha alone is left to converge.
_KEPT_ITERATIONS = 3
# Nats per column that keeping them may cost at first.
_MAX_LOSS = 0.05
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


@dataclass(frozen=True)
class TopicGuess:
    """Topics of rows before a prior is fitted to these.

    Parameters
    ----------
    alpha : ndarray of shape (K,)
        Concentration.
    topics : callable
        Topics of the groups of some rows, as (groups, index) -> (n, n_groups, K).
    keeps : bool, default=False
        Whether rows keep these topics while the prior is fitted.
    """

    alpha: np.ndarray
    topics: Callable[[list[np.ndarray], np.ndarray], np.ndarray]
    keeps: bool = False


@dataclass(frozen=True)
class TopicStart:
    """Topics as the prior of a flow.

    Parameters
    ----------
    groups : list of list of int
        Columns of each word group.
    covariance : {'diag', 'full'}
        Form of the covariances within groups.
    state : dict of ndarray
        Parameters and buffers of the prior.
    min_deviation : float
        Standard deviation below which none of the prior may fall in training.
    keeps : bool, default=False
        Whether these are the topics that rows were given.
    """

    groups: list[list[int]]
    covariance: str
    state: dict[str, np.ndarray]
    min_deviation: float
    keeps: bool = False

    @property
    def config(self) -> dict:
        """Number of topics, word groups, and the form of their covariances."""
        return {
            "groups": self.groups,
            "covariance": self.covariance,
            "n_topics": len(self.state["log_alpha"]),
            "min_deviation": self.min_deviation,
        }

    def initialise(self, module: nn.Module) -> None:
        """Initialise the prior of a flow."""
        self.fill(module.prior)

    def fill(self, prior: Topic) -> None:
        """Initialise topics."""
        state = {name: torch.from_numpy(value) for name, value in self.state.items()}
        prior.load_state_dict(state)


@dataclass(frozen=True)
class LastPriorStart:
    """Topics of whole rows as the last part of a product of priors.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        What that part describes, of training rows.
    alpha : ndarray of shape (K,)
        Concentration of the topics.
    proportions : ndarray of shape (n, K)
        Topics of the rows, to begin with.
    """

    rows: np.ndarray
    alpha: np.ndarray
    proportions: np.ndarray

    @property
    def config(self) -> dict:
        """Number of topics."""
        return {"n_topics": len(self.alpha)}

    def initialise(self, module: nn.Module) -> None:
        """Initialise the last prior of the product."""
        module.prior.priors[-1].start_from(
            torch.from_numpy(self.rows).float(),
            torch.from_numpy(self.proportions[:, None]).float(),
            torch.from_numpy(self.alpha),
        )


def as_topics(start: FlowStart) -> FlowStart:
    """The same start, with the components of its mixture as topics that whole rows follow."""
    mixture = start.prior
    if mixture is None:
        return start
    k, d = mixture.means.shape
    groups = [list(range(d))]
    prior = Topic(
        d,
        k,
        groups,
        nodes="one_hot",
        covariance=mixture.covariance,
        min_deviation=mixture.min_deviation,
    ).double()
    prior.start(*mixture.tensors())
    topics = TopicStart(groups, mixture.covariance, _state(prior), mixture.min_deviation)
    return replace(start, prior=topics)


def n_start_rows(d: int, n_topics: int, n_groups: int) -> int:
    """Number of rows that a start is fitted to."""
    widest = max(d * n_topics, n_groups * _N_NODES)
    return int(np.clip(_MAX_VALUES // widest, _MIN_ROWS, _MAX_ROWS))


def choose_topic_start(
    Z: np.ndarray,
    row_of: np.ndarray,
    guesses: Sequence[TopicGuess],
    groupings: list[list[np.ndarray]],
    rng: np.random.RandomState,
    keep_columns: bool,
    bends: bool = True,
    margins: bool = True,
) -> FlowStart:
    """The start of largest held-out likelihood, if possible one of the topics to keep.

    Expectation maximisation changes topics for the sake of likelihood. Where that makes rows left
    out likelier by more than a twentieth of a nat per column, topics to keep are no good
    description of these rows.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows, heavy ones repeated.
    row_of : ndarray of shape (n,)
        What tells repeats of one row from other rows.
    guesses : sequence of TopicGuess
        Topics to begin with, the one to prefer first.
    groupings : list of list of ndarray
        Word groups to choose from, coarse ones first.
    rng : RandomState
        Source of randomness.
    keep_columns : bool
        Whether the latent shall start as the columns, unmixed by a linear map.
    bends : bool, default=True
        Whether columns may have heavy tails; pixels of images have none.
    margins : bool, default=True
        Whether maps of single columns may come first.

    Returns
    -------
    FlowStart
        The start, fitted to all rows; its prior says whether it keeps the topics.
    """
    distinct = rng.permutation(np.unique(row_of))
    everything = np.arange(len(Z))
    if len(distinct) < _MIN_SEARCH_ROWS:
        rows = _Rows(Z, everything, (), not keep_columns)
        return rows.fit(groupings[0], guesses[0], _ITERATIONS)[0]
    searched = distinct[: max(_MIN_ROWS, int(_SEARCH_SHARE * len(distinct)))]
    n_test = int(_TEST_SHARE * len(searched))
    # Repeats of a row stay on one side.
    test = Z[np.isin(row_of, searched[:n_test])]
    training = np.flatnonzero(np.isin(row_of, searched[n_test:]))
    transforms = [
        (form, linear)
        for form in (margin_forms(Z, bends) if margins else [()])
        for linear in ((False,) if keep_columns else (False, True))
    ]

    def best_of(guess):
        best, best_score = None, -np.inf
        for transform in transforms:
            rows = _Rows(Z, training, *transform)
            setbacks, highest = 0, -np.inf
            for groups in groupings:
                value = rows.fit(groups, guess, _SEARCH_ITERATIONS)[1](test)
                if best is None or value > best_score:
                    best, best_score = (groups, guess, *transform), value
                setbacks = 0 if value > highest else setbacks + 1
                highest = max(highest, value)
                if setbacks == _PATIENCE:
                    break
        return best, best_score

    best, best_score = best_of(guesses[0])
    for guess in guesses[1:]:
        other, score = best_of(guess)
        if score > best_score + _MAX_LOSS * Z.shape[1]:
            best, best_score = other, score
    groups, guess, *transform = best
    rows, regularisation = _Rows(Z, training, *transform), 1.0
    for weaker in _REGULARISATIONS:
        value = rows.fit(groups, guess, _SEARCH_ITERATIONS, weaker)[1](test)
        if not value > best_score + _NOTABLE_GAIN:
            break
        best_score, regularisation = value, weaker
    rows = _Rows(Z, everything, *transform)
    return rows.fit(groups, guess, _ITERATIONS, regularisation)[0]


class _Rows:
    """Rows behind margins and a linear map of their own, to which topics are fitted."""

    def __init__(self, Z, index, form, linear):
        self.index = index
        self.start = _transform(Z[index], form, linear)
        self.latent = self.start.apply(Z[index])[0]

    def fit(self, groups, guess, n_iterations, regularisation=1.0):
        """A start, and the mean log density that it gives to other rows."""
        width = max(map(len, groups))
        full = 1 < width <= _MAX_FULL_FEATURES and len(self.index) >= _ROWS_A_FEATURE * width
        covariance = "full" if full else "diag"
        columns = [group.tolist() for group in groups]
        prior = Topic(
            self.latent.shape[1],
            len(guess.alpha),
            columns,
            nodes=n_nodes(groups),
            covariance=covariance,
            min_deviation=_MIN_DEVIATION * regularisation**0.5,
        )
        # Single precision is twice as fast, and as good where variances have a high floor.
        dtype = torch.float32 if regularisation == 1.0 else torch.float64
        prior.to(dtype).start_from(
            self.latent.to(dtype),
            torch.from_numpy(np.ascontiguousarray(guess.topics(groups, self.index))).to(dtype),
            torch.from_numpy(guess.alpha),
            n_iterations=_KEPT_ITERATIONS if guess.keeps else n_iterations,
            regularisation=regularisation,
            keeps=guess.keeps,
        )
        prior.double()

        @torch.no_grad()
        def score(Z):
            latent, log_det = self.start.apply(Z)
            return (prior.log_prob(latent) + log_det).mean().item()

        topics = TopicStart(columns, covariance, _state(prior), prior.min_deviation, guess.keeps)
        return replace(self.start, prior=topics), score


def n_nodes(groups: list) -> int | str:
    """Nodes of the prior: with one group the integral over proportions is a mixture."""
    return _N_NODES if len(groups) > 1 else "one_hot"


def _state(prior: Topic) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in prior.state_dict().items()}


def _transform(Z, form, linear) -> FlowStart:
    margins = fit_margins(form, Z)
    return FlowStart(margins, whitening(margins.apply(Z)[0]) if linear else None)
