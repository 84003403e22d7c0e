"""What the topics of a fractal flow begin as: rows as documents, and topics among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..exceptions import InvalidParameterError
from ..starts import (
    as_topics,
    choose_start,
    choose_topic_start,
    draw_rows,
    n_start_rows,
)
from ..topics import (
    count_documents,
    fit_lda,
    group_responsibilities,
    kmeans_topics,
    patch_documents,
    table_documents,
)
from ..validation import labels_of
from ._row_reading import RowReading


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

    def _choose_start(self, X, Z, weight, groupings, rng):
        if self.prior != "topic":
            mixed = self.prior == "gaussian_mixture"
            bends = self.image_shape is None
            return as_topics(choose_start(Z, weight, mixed, self.n_topics, None, rng, bends))
        # Groups that a user counted are groups of columns, which a linear map would mix.
        options = {
            "keep_columns": self.n_word_groups is not None,
            "bends": self.image_shape is None,
        }
        return self._choose_topics(X, Z, weight, groupings, groupings, rng, **options)

    def _choose_topics(self, X, Z, weight, groupings, wholes, rng, **options):
        """Topics of groups of the columns of Z, each a part, or all, of a word group."""
        found_in = self._documents_of(X, rng)
        limit = n_start_rows(Z.shape[1], self.n_topics, len(groupings[-1]))
        drawn = draw_rows(len(Z), weight, rng, limit)
        Z, documents = Z[drawn], found_in.take(drawn)
        if self.lda_backend is None:
            alpha, proportions = kmeans_topics(Z, self.n_topics, rng)

            def guess(groups, index):
                return np.repeat(proportions[index, None], len(groups), axis=1)

        else:
            topics = fit_lda(documents, self.n_topics, self.lda_backend, rng)
            alpha, whole_of = topics.alpha, {len(groups): groups for groups in wholes}

            def guess(groups, index):
                part = replace(topics, proportions=topics.proportions[index])
                return group_responsibilities(part, documents.take(index), whole_of[len(groups)])

        start = choose_topic_start(Z, drawn, guess, alpha, groupings, rng, **options)
        return replace(start, documents=found_in)
