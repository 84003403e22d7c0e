"""Topics of a density within a wrapper that encodes rows, for the rows as they were."""

from __future__ import annotations

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def _inside(estimator):
    return getattr(estimator, "density_", estimator.density)


def _density_has_topics(estimator) -> bool:
    return hasattr(_inside(estimator), "describe_topics")


class TopicsWithin:
    """Topics of the attribute ``density_`` of a wrapper, in names and units of the wrapper's rows.

    Subclasses implement ``_rows_within(X)``, rows as the density sees them, and ``_rows_like(X, Z,
    changed)``, rows in the container of X of which those that are changed are the density's Z.
    """

    @property
    def topics_(self):
        """Topics of the density, where it has some."""
        return self.density_.topics_

    @available_if(_density_has_topics)
    def describe_topics(self, n_words=5, *, X=None, as_frame=False):
        """Topics of the density, in names and units of the columns here.

        Parameters
        ----------
        n_words : int, default=5
            Number of words of a topic.
        X : array-like or DataFrame of shape (n_samples, n_features), default=None
            Rows whose mean proportions are the weights of the topics, and in which words are
            counted for their coherence; None for the weights of the training rows alone.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame, with a row for each word.

        Returns
        -------
        topics : list of dict, or DataFrame
            As of `FractalFlowDensity.describe_topics`.
        """
        check_is_fitted(self)
        rows = None if X is None else self._rows_within(X)
        return self.density_.describe_topics(n_words, X=rows, as_frame=as_frame)

    @available_if(_density_has_topics)
    def topic_distances(self):
        """Distances between topics, as of `FractalFlowDensity.topic_distances`.

        Returns
        -------
        distances : ndarray of shape (n_topics, n_topics)
            Symmetric, with zeros on the diagonal.
        """
        check_is_fitted(self)
        return self.density_.topic_distances()

    @available_if(_density_has_topics)
    def predict_proba(self, X):
        """Topic proportions of each row, of a table at the middles of its cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proportions : ndarray of shape (n_samples, n_topics)
            Rows sum to one.
        """
        check_is_fitted(self)
        return self.density_.predict_proba(self._rows_within(X))

    @available_if(_density_has_topics)
    def predict(self, X):
        """Heaviest topic of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        topics : ndarray of shape (n_samples,)
            Integers from 0 to ``n_topics - 1``.
        """
        return self.predict_proba(X).argmax(1)

    @available_if(_density_has_topics)
    def steer(self, X, topic, amount=1.0):
        """Rows that follow a topic more, as by `FractalFlowDensity.steer`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows to change.
        topic : int or array-like of shape (n_samples,), int
            The topic of all rows, or of each.
        amount : float or array-like of shape (n_samples,), default=1.0
            How far, from 0, where rows are returned as they are, to 1.

        Returns
        -------
        X_new : ndarray or DataFrame of shape (n_samples, n_features)
            Changed rows, as draws of `sample` are given.
        """
        check_is_fitted(self)
        rows = self._rows_within(X)
        moved = self.density_.steer(rows, topic, amount)
        changed = np.broadcast_to(np.asarray(amount, dtype=np.float64) > 0, len(rows))
        return self._rows_like(X, moved, changed)
