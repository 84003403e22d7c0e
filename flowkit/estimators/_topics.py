"""What the topics and the tree of a fractal flow have to do with rows."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidDataError, InvalidParameterError
from ..validation import as_numbers, check_count, labels_of, shown
from ._temperature import check_temperature


def has_topics(estimator) -> bool:
    """Whether an estimator that may have topics has them."""
    # What was fitted counts, whatever the parameter has become since.
    return getattr(estimator, "_config", {}).get("prior", estimator.prior) != "normal"


class TopicAnalysis:
    """Methods of a density whose latent has topics; goes before its base class."""

    @available_if(has_topics)
    def predict_proba(self, X):
        """Topic proportions of each row: the share of its word groups that follow each topic.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        proportions : ndarray of shape (n_samples, n_topics)
            Expected a posteriori; rows sum to one. With one word group, the probability of each
            topic.
        """
        check_is_fitted(self)
        return self._proportions(self._validate_scored(X))

    def _proportions(self, X):
        """Topic proportions of valid rows."""
        module = self.module_
        return self._expected(lambda z: module.prior.proportions(module.encode(z)), X)

    @property
    def _topics(self):
        """What has `n_topics`, and draws given proportions of them."""
        return self.module_.prior

    @available_if(has_topics)
    def predict(self, X):
        """Heaviest topic of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        topics : ndarray of shape (n_samples,)
            Integers from 0 to ``n_topics - 1``.
        """
        return self.predict_proba(X).argmax(1)

    def sample(self, n_samples=1, random_state=None, *, topics=None, temperature=1.0, given=None):
        """Draw rows from the density, from given topics, or given columns.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        topics : int, array-like of shape (n_topics,) or (n_samples, n_topics), default=None
            One topic that all word groups follow, or topic proportions, of all rows or of each,
            rescaled to sum to one. None draws them from the prior.
        temperature : float, default=1.0
            What deviations of the latents from the means of their topics are multiplied by. Below
            one, rows are nearer to what is typical of their topics. Only at one is the law of the
            rows that of `score_samples`. Of counts, it is deviations of the probabilities of the
            words of a row that are multiplied.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values that some columns have, as in `FlowDensity.sample`: a dict of columns and values,
            or rows with NaN where columns are open. Not for images and counts.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64: counts with ``documents='counts'``, grey levels from 0 to 255 of
            uint8 images.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, there are no such topics or temperature, values given
            have no density, or `given` comes with topics or a temperature.
        """
        check_is_fitted(self)
        if topics is None:
            options = {"temperature": temperature, "given": given}
            return super().sample(n_samples, random_state, **options)
        if given is not None:
            raise InvalidParameterError(
                "topics and given cannot be given together: leave out one of them."
            )

        def draw(n, generator, temperature):
            proportions = torch.from_numpy(self._check_topics(topics, n))
            proportions = proportions.to(generator.device)
            return self._topics.sample_given(proportions, generator, temperature)

        return self._sample(n_samples, random_state, check_temperature(temperature), draw)

    @available_if(has_topics)
    def swap_topics(self, X, donors):
        """Rows that follow the topics of other rows and stay as they are within their topics.

        In the latent, each word group of a row keeps its location relative to its heaviest topic,
        in units of that topic's covariance, and is moved to the topic that the donor has there. Of
        counts, as few words as can be are replaced, by draws that are the same at each call: those
        that the donor's topics hold more rarely, by others that they hold more often.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to change.
        donors : array-like of shape (n_samples, n_features)
            Rows whose topics they take on.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            Changed rows, float64; counts and grey levels as in `sample`.
        """
        return self._swapped(X, donors)

    def _swapped(self, X, donors):
        pair = self._encode_pairs(X, donors)
        first, second = (torch.from_numpy(Z).to(self._evaluator.device) for Z in pair)
        prior = self.module_.prior
        with torch.inference_mode():
            own, other = (prior.responsibilities(z).argmax(2) for z in (first, second))
            moved = prior.move(first, own, other)
        return self._columns.to_domain(self._decode(moved.cpu().numpy()))

    def interpolate(self, X, other, n_steps=5):
        """Rows on the straight line between pairs of rows in the latent.

        Counts give up words of the first row one by one for words of the other, in an order that
        is the same at each call; topic proportions move along a straight line on average.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Where the lines start.
        other : array-like of shape (n_samples, n_features)
            Where they end.
        n_steps : int, default=5
            Number of rows on each line, ends included.

        Returns
        -------
        rows : ndarray of shape (n_steps, n_samples, n_features)
            Float64; the first are X, the last `other`; counts and grey levels as in `sample`.

        Raises
        ------
        ValueError
            If `n_steps` is less than two, or the shapes differ.
        """
        return self._between(X, other, check_count(n_steps, "n_steps", 2))

    def _between(self, X, other, n_steps):
        first, second = self._encode_pairs(X, other)
        rows = [self._decode((1 - t) * first + t * second) for t in np.linspace(0, 1, n_steps)]
        return self._columns.to_domain(np.stack(rows))

    def log_det_tree(self, X):
        """Where in the tree the volume of each row changes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        tree : Bunch
            ``shares`` (n_samples, n_nodes), in nats: they sum to the log-determinant of the map
            from X to its latent; ``levels`` (n_nodes,), the depth of each node; ``kinds``, what
            happens there: 'mixing' of all columns by linear maps, 'coupling' of the halves of a
            node, 'leaf' for one column's splines and scale, or 'block', and for pixels of lifted
            images the phase, 'diagonal', 'horizontal', 'vertical' or 'root'; and ``features``, for
            each node the names, or else numbers, of the columns that it covers. Shares of nodes of
            the same columns are summed over blocks. After the first block a column stands for a
            mix that was that column initially.
        """
        check_is_fitted(self)
        Z = self._columns.standardise(self._validate_rows(X, reset=False))
        bijection = self.module_.bijection
        nodes = bijection.nodes
        shares = self._evaluator.map(bijection.log_det_tree, Z)
        shares[:, -self.n_features_in_ :] -= self._columns.log_volumes(Z)
        names = labels_of(self)
        return Bunch(
            shares=shares,
            levels=np.array([node.level for node in nodes]),
            kinds=[node.kind for node in nodes],
            features=[
                tuple(int(j) if names is None else str(names[j]) for j in node.columns)
                for node in nodes
            ],
        )

    def _check_topics(self, topics, n):
        """Topic proportions of n rows."""
        if not has_topics(self):
            raise InvalidParameterError(
                "prior='normal' has no topics to sample from: leave topics out, or fit with "
                "prior='topic'."
            )
        n_topics = self._topics.n_topics
        if isinstance(topics, Integral) and not isinstance(topics, bool):
            if not 0 <= topics < n_topics:
                raise InvalidDataError(f"topics must be 0 to {n_topics - 1}, got {topics}.")
            topics = np.eye(n_topics)[topics]
        proportions = as_numbers(topics)
        if proportions is None:
            raise InvalidDataError(
                f"topics must be an int or an array of numbers, got {shown(topics)}."
            )
        if proportions.shape not in ((n_topics,), (n, n_topics)):
            raise InvalidDataError(
                f"topics must be an int, or proportions of shape ({n_topics},) or "
                f"({n}, {n_topics}), got an array of shape {proportions.shape}."
            )
        proportions = np.broadcast_to(proportions, (n, n_topics))
        if (
            not (np.isfinite(proportions).all() and (proportions >= 0).all())
            or not (proportions.sum(1) > 0).all()
        ):
            raise InvalidDataError(
                "topic proportions must be non-negative and not all zero in a row."
            )
        return proportions / proportions.sum(1, keepdims=True)
