"""What the topics of a fractal flow begin as: rows as documents, and topics among them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..exceptions import InvalidParameterError
from ..starts import (
    TopicGuess,
    as_topics,
    choose_reference,
    choose_start,
    choose_topic_start,
    draw_rows,
    n_start_rows,
    normal_scores,
)
from ..topics import (
    Documents,
    Topics,
    count_documents,
    fit_lda,
    group_responsibilities,
    kmeans_topics,
    patch_documents,
    table_documents,
)
from ..validation import labels_of
from ._row_reading import RowReading

# Least share of the rows that a topic begins with.
_MIN_SHARE = 1e-3


class _Found(NamedTuple):
    """Rows as documents, those drawn of them, their topics to keep, and those of their words."""

    documents: Documents
    drawn: np.ndarray
    topics: np.ndarray
    whole: Topics


class FoundTopics:
    """The part of `FractalFlowDensity` that finds topics before training; before its base class."""

    # How a wrapper that encodes rows reads them; None without one.
    _reading = None

    def _read_by(self, *reading, **options):
        """Take from a wrapper how it reads rows; the arguments are those of `RowReading`."""
        self._reading = RowReading(*reading, **options)

    def _documents_of(self, X, rng):
        kind = self.documents
        if kind == "auto":
            kind = "bins" if self.image_shape is None else "patches"
        if kind == "counts":
            if self.missing is not None:
                raise InvalidParameterError(
                    "documents='counts' needs rows whose counts are all known: set missing=None, "
                    "or documents='bins'."
                )
            return count_documents(X, labels_of(self))
        if kind == "bins":
            return table_documents(X, labels_of(self)) if self._reads_other else self._words_of(X)
        if self.image_shape is None:
            raise InvalidParameterError("documents='patches' needs image_shape, got None.")
        # Half of the edge: smaller patches say less about what an image shows.
        patch = max(1, min(self.image_shape[:2]) // 2)
        stride = max(1, patch // 2)
        return patch_documents(X, tuple(self.image_shape), rng, patch=patch, stride=stride)

    def _words_of(self, X):
        """Documents of the bins of columns, in names and units of a wrapper around the density."""
        if self._reading is None:
            return table_documents(X, labels_of(self))
        return self._reading.documents(X)

    @property
    def _reads_other(self) -> bool:
        """Whether columns here are not those that topics are told in."""
        return self._reading is not None and not self._reading.in_order

    def _choose_start(self, Z, weight, groupings, found, rng):
        if self.prior != "topic":
            mixed = self.prior == "gaussian_mixture"
            bends = self.image_shape is None
            return as_topics(choose_start(Z, weight, mixed, self.n_topics, None, rng, bends))
        # Groups that a user counted are groups of columns, which a linear map would mix.
        options = {
            "keep_columns": self.n_word_groups is not None,
            "bends": self.image_shape is None,
        }
        return self._choose_topics(Z, groupings, groupings, found, rng, **options)

    def _find_topics(self, X, Z, weight, groupings, rng, n_latents=None) -> _Found:
        """Topics of words and, to keep, of whole rows; the prior is initialised from either."""
        documents = self._documents_of(X, rng)
        limit = n_start_rows(n_latents or Z.shape[1], self.n_topics, len(groupings[-1]))
        drawn = draw_rows(len(Z), weight, rng, limit)
        rows, words = Z[drawn], documents.take(drawn)
        scores = rows if self.image_shape is not None else normal_scores(rows)
        alpha, clusters = kmeans_topics(scores, self.n_topics, rng)
        whole = Topics(alpha, None, clusters)
        if self.lda_backend is not None:
            whole = fit_lda(words, self.n_topics, self.lda_backend, rng)

        def clustered(index):
            if len(index) == len(rows):
                return clusters
            return kmeans_topics(scores[index], self.n_topics, rng)[1]

        def read(index):
            if len(index) == len(rows):
                return whole.proportions
            return fit_lda(words.take(index), self.n_topics, self.lda_backend, rng).proportions

        proposals = [clustered] if self.lda_backend is None else [read, clustered]
        self._reference = choose_reference(rows, proposals, rng, self.image_shape is not None)
        return _Found(documents, drawn, self._reference.topics(rows), whole)

    def _choose_topics(self, latents, groupings, wholes, found, rng, **options):
        """Topics of groups of the columns of latents, each a part, or all, of a word group."""
        documents, drawn, topics, whole = found
        words, whole_of = documents.take(drawn), {len(groups): groups for groups in wholes}

        def read(groups, index):
            if self.lda_backend is None:
                return np.repeat(whole.proportions[index, None], len(groups), axis=1)
            part = replace(whole, proportions=whole.proportions[index])
            return group_responsibilities(part, words.take(index), whole_of[len(groups)])

        def kept(groups, index):
            return np.repeat(topics[index, None], len(groups), axis=1)

        alpha = topics.mean(0).clip(_MIN_SHARE)
        guesses = [TopicGuess(alpha, kept, keeps=True), TopicGuess(whole.alpha, read)]
        start = choose_topic_start(latents[drawn], drawn, guesses, groupings, rng, **options)
        if not start.prior.keeps:
            self._reference = None
        return replace(start, documents=documents)

    @property
    def _topic_keeper(self):
        reference = getattr(self, "_reference", None)
        return reference.topics if reference is not None and self.topic_penalty else None
