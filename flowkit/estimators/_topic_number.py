"""``n_topics='auto'``: the number of topics that rows left out and halves of the rows speak for."""

from __future__ import annotations

import copy

import numpy as np

from ..exceptions import InvalidParameterError
from ..modules import CountTopics
from ..starts import (
    choose_n_topics,
    count_start,
    draw_rows,
    entries_of,
    halves_of,
    started_topics,
)
from ..topics import bags_of_words
from ._count_training import map_counts

# Iterations after latent Dirichlet allocation of counts, before rows are scored.
_ITERATIONS = 5


class ChosenNumber:
    """The part of `FractalFlowDensity` that chooses the number of topics; before its base class."""

    @property
    def n_topics_(self):
        """Number of topics of the fit."""
        return self._topics.n_topics

    @property
    def _number_is_open(self) -> bool:
        return self.n_topics == "auto" and self.prior != "normal"

    def _forget_search(self):
        self.__dict__.pop("topic_search_", None)

    def _settled(self, X, Z, weight, groupings, rng):
        """A copy with the number of topics that rows of a table speak for."""
        if self.image_shape is not None:
            raise InvalidParameterError(
                "n_topics='auto' is for tables and counts: give a number of topics for images."
            )
        drawn = draw_rows(len(Z), weight, rng)
        X, Z = X[drawn], Z[drawn]

        def fit(k, index):
            start = self._with_topics(k)._choose_start(X[index], Z[index], None, groupings, rng)
            return started_topics(start, Z)

        return self._with_topics(self._search(fit, drawn, rng))

    def _settled_for_counts(self, rows, names, one_hot, rng):
        """The number of topics that rows of counts speak for."""
        drawn = draw_rows(rows.counts.shape[0], rows.weight, rng)
        counts = rows.counts[drawn]

        def fit(k, index):
            bags = bags_of_words(counts[index], names)
            start = count_start(bags, None, k, self.lda_backend, one_hot, rng)
            module = CountTopics(counts.shape[1], one_hot=one_hot, **start.config).double()
            start.initialise(module)
            entries = entries_of(counts[index])
            for _ in range(_ITERATIONS):
                module.maximise(module.statistics(entries))
            scores = map_counts(module.log_prob_of, module, counts)
            return scores, map_counts(module.proportions, module, counts).argmax(1)

        return self._search(fit, drawn, rng)

    def _search(self, fit, row_of, rng) -> int:
        """The number that is chosen; how is kept as `topic_search_`."""
        halves = halves_of(row_of, rng)
        if halves is None:
            raise InvalidParameterError(
                f"n_topics='auto' needs at least 8 different rows, got {len(np.unique(row_of))}: "
                "give a number of topics."
            )
        found = choose_n_topics(fit, halves)
        self.topic_search_ = found.curve
        return found.chosen

    def _with_topics(self, n_topics):
        settled = copy.copy(self)
        settled.n_topics = n_topics
        return settled
