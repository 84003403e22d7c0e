"""Topics in words: those of a fit as they are, as a frame, and by how good they are to read."""

from __future__ import annotations

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._optional import require
from ..topics import (
    TableWords,
    coherence,
    exclusivity,
    gaussian_distances,
    relevant_words,
    topic_words,
)
from ..validation import check_flag, labels_of
from ._topics import has_topics

_N_WORDS = 5


class ToldTopics:
    """What a density with topics tells of them; goes before its base class."""

    @available_if(has_topics)
    def describe_topics(self, n_words=_N_WORDS, *, X=None, as_frame=False):
        """`topics_` with more words, or fewer, or as other rows have them, or as a frame.

        Parameters
        ----------
        n_words : int, default=5
            Number of words of a topic.
        X : array-like of shape (n_samples, n_features), default=None
            Rows whose mean proportions are the weights of the topics, and in which words are
            counted for their coherence; best such as were left out of the fit. None for the
            weights of the training rows, and no coherence.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame.

        Returns
        -------
        topics : list of dict, or DataFrame
            As `topics_`: ``words`` are those that tell most about the topic (frequent ones, and
            more frequent than in other topics), most probable first, and ``exclusivity`` is of
            these words. With `X` also their ``coherence``: how often two of them are in one row,
            as a mean of normalised pointwise mutual information (NPMI): 1 for words that are always
            together, 0 if by chance, -1 if never. Rows are the documents: of a table, a row holds
            one word for each column, and pairs of words of one column, which no row can hold, do
            not count. NaN where no pair is left.

            A DataFrame has a row for each word, in the same order: topic, rank, word, probability,
            and weight, alpha, exclusivity and coherence of the topic.

        Raises
        ------
        ValueError
            If `n_words` is less than one.
        MissingDependencyError
            If `as_frame` and pandas is not installed.
        """
        check_is_fitted(self)
        if X is None:
            return self._tell(n_words, as_frame)
        X = self._validate_scored(X)
        return self._tell(n_words, as_frame, self._proportions(X), self._read_words(X))

    def _tell(self, n_words, as_frame=False, proportions=None, documents=None, words=None):
        """`describe_topics` of rows of these proportions, and documents of the same words."""
        beta, words = words or self._topic_words
        weights = [topic["weight"] for topic in self.topics_]
        # The words are those of the training rows, whatever rows they are counted in.
        chosen = relevant_words(beta, n_words, topic_weights=weights)
        if proportions is not None:
            weights = proportions.mean(0).tolist()
        told = [
            {
                "weight": weight,
                "alpha": topic["alpha"],
                "words": [(words[w], float(beta[k, w])) for w in own],
                "exclusivity": float(value),
            }
            for k, (topic, weight, own, value) in enumerate(
                zip(self.topics_, weights, chosen, exclusivity(beta, chosen), strict=True)
            )
        ]
        if documents is not None:
            for topic, value in zip(told, coherence(documents, chosen), strict=True):
                topic["coherence"] = float(value)
        return _framed(told) if check_flag(as_frame, "as_frame") else told

    def _tell_outside(self, X, n_words, as_frame, *, names=None, documents=None, columns="mixed"):
        """`describe_topics` for a pipeline around the density.

        Its columns have names, or its rows are documents, whose columns are those here, each
        'alone', or 'mixed'.
        """
        proportions = None
        if X is not None:
            X = self._validate_scored(X)
            proportions = self._proportions(X)
        if documents is None:
            beta, words = self._topic_words
            documents = None if X is None else self._read_words(X)
            return self._tell(
                n_words, as_frame, proportions, documents, (beta, self._renamed(words, names))
            )
        shares, groups = proportions[:, None], [np.arange(len(documents.slots))]
        if columns == "alone":
            prior = self.module_.prior
            shares = self._evaluator.map(prior.responsibilities, self._encode(X))
            groups = list(map(np.array, prior.groups))
        words = topic_words(shares, documents, groups), documents.words
        return self._tell(n_words, as_frame, proportions, documents, words)

    @property
    def _tells_bins(self) -> bool:
        """Whether words are bins of columns."""
        return isinstance(getattr(self, "_word_reader", None), TableWords)

    def _renamed(self, words, names):
        """Words of columns that have other names outside."""
        if names is None or labels_of(self) is not None:
            return words
        if not self._tells_bins:
            return [names[j] for j in range(len(words))] if len(names) == len(words) else words
        slots = [
            j for j, edges in enumerate(self._word_reader.edges) for _ in range(len(edges) + 1)
        ]
        return [
            word.replace(f"column {j}", names[j], 1) for j, word in zip(slots, words, strict=True)
        ]

    def _read_words(self, X):
        """Valid rows without holes as documents of the words of the topics."""
        X = X[~np.isnan(X).any(1)]
        return self._word_reader.read(X if self._reading is None else self._reading.rows(X))

    @available_if(has_topics)
    def topic_distances(self):
        """How far topics are from each other.

        Of counts it is the Jensen-Shannon distance of their words, the square root of the
        divergence in bits: 0 for the same words, 1 for topics without a common one. Of latents it
        is the square root of the Bhattacharyya distance of their Gaussians, summed over word
        groups: ``sqrt(1/8)`` of the distance in standard deviations where covariances are the same.

        Returns
        -------
        distances : ndarray of shape (n_topics, n_topics)
            Symmetric, with zeros on the diagonal.
        """
        check_is_fitted(self)
        return self._topic_distances()

    def _topic_distances(self):
        means, covariances = self.module_.prior.moments()
        return gaussian_distances(
            [mean.numpy() for mean in means], [c.numpy() for c in covariances]
        )


def _framed(topics):
    pd = require("pandas", "describe_topics(as_frame=True)", "take the list of dict")
    rows = [
        {
            "topic": k,
            "rank": rank,
            "word": word,
            "probability": probability,
            **{name: value for name, value in topic.items() if name != "words"},
        }
        for k, topic in enumerate(topics)
        for rank, (word, probability) in enumerate(topic["words"])
    ]
    return pd.DataFrame(rows)
