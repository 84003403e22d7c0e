"""Rows that follow one topic more than they did."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidDataError
from ..validation import as_numbers, shown
from ._topics import has_topics


class Steering:
    """Rows led towards a topic, of a density whose latent has topics; before its base class."""

    @available_if(has_topics)
    def steer(self, X, topic, amount=1.0):
        """Rows that follow a topic more, and stay as they are within their topics.

        In the latent, each word group goes a share `amount` of the straight line that ends where
        it is relative to the new topic what it was relative to its heaviest one, in units of their
        covariances, as in `swap_topics`. Of counts, the share of the topic rises by `amount` of
        what is left to one, and as few words as can be are replaced, by draws that are the same at
        each call. It is a statement about the density, not about causes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to change.
        topic : int or array-like of shape (n_samples,), int
            The topic of all rows, or of each.
        amount : float or array-like of shape (n_samples,), default=1.0
            How far, from 0, where rows are returned as they are, to 1, where they follow the topic
            alone.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            Changed rows, float64; counts and grey levels as in `sample`.

        Raises
        ------
        InvalidDataError
            If there is no such topic, or an amount is not within [0, 1].

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from flowkit import FractalFlowDensity
        >>> X = load_iris().data
        >>> density = FractalFlowDensity(n_topics=3, max_epochs=5, random_state=0).fit(X)
        >>> new = density.steer(X[:20], topic=1)
        >>> bool((density.predict(new) == 1).all())
        True
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        topic, amount = check_steps(topic, amount, X.shape[0], self._topics.n_topics)
        return self._steered(X, topic, amount)

    def _steered(self, X, topic, amount):
        Z = self._encode(X)
        z, target, far = (
            torch.from_numpy(a).to(self._evaluator.device) for a in (Z, topic, amount)
        )
        prior = self.module_.prior
        with torch.inference_mode():
            own = prior.responsibilities(z).argmax(2)
            end = prior.move(z, own, target[:, None].expand_as(own))
            moved = z + far[:, None] * (end - z)
        new = self._columns.to_domain(self._decode(moved.cpu().numpy()))
        # The way there and back rounds.
        return np.where(amount[:, None] > 0, new, X)


def check_steps(topic, amount, n: int, n_topics: int) -> tuple[np.ndarray, np.ndarray]:
    """A topic and an amount for each of n rows.

    Raises
    ------
    InvalidDataError
        If there is no such topic, an amount is not within [0, 1], or there is another number.
    """
    topics, amounts = as_numbers(topic), as_numbers(amount)
    whole = topics is not None and np.asarray(topic).dtype.kind in "iu"
    if not whole or topics.shape not in ((), (n,)):
        raise InvalidDataError(
            f"topic must be an int, or one for each of {n} rows, got {shown(topic)}."
        )
    if not ((topics >= 0) & (topics < n_topics)).all():
        raise InvalidDataError(f"topic must be 0 to {n_topics - 1}, got {shown(topic)}.")
    fits = amounts is not None and amounts.shape in ((), (n,))
    if not fits or not ((amounts >= 0) & (amounts <= 1)).all():
        raise InvalidDataError(
            f"amount must be a number from 0 to 1, or one for each of {n} rows, got "
            f"{shown(amount)}."
        )
    return np.broadcast_to(topics, n).astype(np.int64), np.broadcast_to(amounts, n).copy()
