"""Conditions of a fitted density: scores and draws given some columns."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..conditions import ConditionalDensity, FlowQuestions
from ..exceptions import InvalidParameterError
from ..missing import refuse_images
from ..validation import check_flag
from ._temperature import check_temperature


class Conditions(ConditionalDensity):
    """Methods of a density that answer questions about its columns; goes before its base class."""

    def score_samples(self, X, return_std=False, *, given=None):
        """Log density of each row, in nats and in the units of X; also given some columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return the standard error too.
        given : str, int, or list of these, default=None
            Columns that are given, by name, or by position where no column has such a name. The
            log density is that of the others given these: that of the row minus that of what is
            given.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density, float64; ``-inf`` outside the support. With
            ``missing='marginalize'`` that of what is known of incomplete rows, an estimate.
        std : ndarray of shape (n_samples,)
            Only with `return_std`: standard error in nats of what was integrated by draws; 0 where
            nothing was, or where there is a closed form: columns that are mixed by linear maps
            alone, as with ``n_transforms=0``, before a mixture of Gaussians or kernels; or that are
            not mixed at all, before any prior that knows its conditionals.

        Raises
        ------
        UnknownNameError
            If there is no such column.
        InvalidParameterError
            If all columns are given, or rows are images or counts.

        Warns
        -----
        FewEffectiveDrawsWarning
            If the standard error is large.
        """
        if given is None and not check_flag(return_std, "return_std"):
            return super().score_samples(X)
        check_is_fitted(self)
        self._refuse_questions("score_samples with given or return_std is")
        return self._score_given(X, given, return_std)

    def sample(self, n_samples=1, random_state=None, *, temperature=1.0, given=None):
        """Draw rows from the density, from one whose latents vary less or more, or given columns.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; with several rows given, of each.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        temperature : float, default=1.0
            What the standard deviations of the latents are multiplied by: in a mixture, or with
            kernels, those around the centre of the component that is drawn. Below one, rows are
            nearer to the modes of the latent, tamer and less diverse; with zero they are rows of
            these modes. Only at one is the law of the rows that of `score_samples`.
        given : dict, DataFrame or array-like of shape (n_rows, n_features), default=None
            Values that some columns have. A dict maps columns, by name, or by position where no
            column has such a name, to one value each. Rows hold NaN where columns are open, and a
            DataFrame may lack these: of each row there are `n_samples` draws, next to each other.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_rows * n_samples, n_features)
            The rows, float64; what is given is in them as it is.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, there is no such temperature, or draws overflow at it.
        UnknownNameError
            If there is no such column.
        InvalidParameterError
            If all columns are given, or conditions come with a temperature, or rows are images or
            counts.
        OutsideSupportError
            If values given have no density.

        Warns
        -----
        FewEffectiveDrawsWarning
            If draws repeat, as few proposals carry the weight.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from flowkit import FlowDensity
        >>> X = load_iris(as_frame=True).data
        >>> density = FlowDensity(max_epochs=2, random_state=0).fit(X)
        >>> rows = density.sample(3, random_state=0, given={"petal width (cm)": 2.0})
        >>> rows[:, 3]
        array([2., 2., 2.])
        """
        if given is None:
            return super().sample(n_samples, random_state, temperature=temperature)
        check_is_fitted(self)
        self._refuse_questions("sample with given is")
        if check_temperature(temperature) != 1.0:
            raise InvalidParameterError(
                f"temperature={temperature!r} goes with no conditions, whose draws are those of "
                "the density alone: leave out temperature or given."
            )
        return self._sample_given(n_samples, random_state, given)

    def _questions(self):
        return FlowQuestions(self._columns, self._evaluator, self._completion)

    def _refuse_questions(self, what):
        refuse_images(self, what)
        if self._completion is None:
            raise InvalidParameterError(
                f"{what} for tables of numbers, but documents={self.documents!r} makes rows "
                "counts of words, whose parts have no density of their own: use documents='bins'."
            )

    def _scored_rows(self, X):
        X = self._validate_scored(X).astype(np.float64)
        log_density, error = self._completion.marginal(X, None, self._evaluator)
        return X, log_density, error
