"""Methods of densities that integrate over missing values and impute them."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..exceptions import InvalidDataError, InvalidParameterError
from ..validation import check_count, name_columns
from ._completion import N_DRAWS


class IncompleteRows:
    """Methods of a density that has a parameter ``missing``; goes before its base class."""

    _takes_incomplete_rows = True

    def score_marginal(self, X, n_draws=None):
        """Log density of what is known of each row, and the error of that.

        Takes rows with missing values whatever `missing` was in `fit`. They are integrated out
        in closed form where there is one, and elsewhere by importance sampling. Draws come from a
        mixture of Gaussians that was fitted to the density, given what is known, from a wider one,
        so that nothing is missed, and, where the density is a flow onto a mixture of Gaussians,
        from what these are through the flow made linear around the row. Without
        ``missing='marginalize'`` the first mixture is fitted at the first call, which takes a
        moment.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, NaN where values are missing.
        n_draws : int or None, default=None
            Number of draws for each row. None takes 32, or 48 where the density is no flow onto a
            mixture of Gaussians, and more, up to 256, for rows whose standard error is above 0.5
            nats. Fewer than 16 are rough: their plain mean.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Nats, in the units of what is known; 0 where that is nothing. The same at every call,
            whatever rows stand beside it.
        error : ndarray of shape (n_samples,)
            Standard error in nats, from the spread of the weights of the draws; 0 for complete
            rows, and where there is a closed form: the map takes each column by itself onto a prior
            whose marginals are known, or linear maps alone mix columns before a mixture of
            Gaussians or kernels. It cannot exceed one by much. Near one, few draws dominate, and
            the estimate is a lower bound by an unknown amount. Where many columns depend on each
            other, draws may miss where the weights are large, and the error is stated too small.

        Raises
        ------
        InvalidDataError
            If `n_draws` is less than two.
        InvalidParameterError
            If rows are images, as `image_shape` says.

        References
        ----------
        Owen, Zhou, "Safe and effective importance sampling", JASA 95 (2000) 135-143.
        """
        check_is_fitted(self)
        refuse_images(self, "score_marginal is")
        n_draws = None if n_draws is None else check_count(n_draws, "n_draws", 2)
        X = self._validate_rows(X, reset=False, incomplete=True)
        return self._completion.marginal(X, n_draws, self._evaluator)

    def impute(self, X, n_draws=None, random_state=None):
        """Fill what is missing with draws from the density given what is known.

        Draws are exact where linear maps alone mix columns, and elsewhere resampled from many
        proposals, by their importance weights: those that ``sample(given=X)`` makes. Takes rows
        with missing values whatever `missing` was in `fit`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, NaN where values are missing.
        n_draws : int or None, default=None
            Number of draws of each row; their mean estimates what is to be expected, their spread
            how sure that is. None gives one draw, without the first axis.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same draws each time.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features) or (n_draws, n_samples, n_features)
            Float64; what is known is untouched. Columns whose values repeat get values that they
            had in training, unless these were more than 4096.

        Raises
        ------
        InvalidDataError
            If `n_draws` is less than one.
        InvalidParameterError
            If rows are images, as `image_shape` says.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_iris
        >>> from flowkit import FlowDensity
        >>> X = load_iris().data
        >>> X[::3, 2] = np.nan
        >>> density = FlowDensity(missing="marginalize", max_epochs=5, random_state=0).fit(X)
        >>> density.score_samples(X).shape
        (150,)
        >>> filled = density.impute(X, random_state=0)
        >>> int(np.isnan(X).sum()), int(np.isnan(filled).sum())
        (50, 0)
        """
        check_is_fitted(self)
        refuse_images(self, "impute is")
        n = 1 if n_draws is None else check_count(n_draws, "n_draws")
        X = self._validate_rows(X, reset=False, incomplete=True).astype(np.float64)
        rng = check_random_state(random_state)
        filled = self._imputed(X, n, rng)
        return filled[0] if n_draws is None else filled

    def _imputed(self, X, n_draws, rng):
        """Copies of valid rows with draws of what is missing, (n_draws, n, d)."""
        drawn, _ = self._questions().draws(X, n_draws, rng, N_DRAWS)
        return np.where(np.isnan(X), self._completion.to_levels(drawn.swapaxes(0, 1)), X)


def refuse_images(density, what: str) -> None:
    """Refuse rows that are images, in whose pixels there is too much to integrate over.

    Raises
    ------
    InvalidParameterError
        If `image_shape` is set.
    """
    if density.image_shape is not None:
        raise InvalidParameterError(
            f"{what} for tables, but image_shape is set: no draws fill the pixels of an image "
            "likely enough to integrate over them. Train on complete images and fill the others "
            "with inpaint, which RGFlowDensity and FractalFlowDensity(fractal='lifting') have."
        )


def refuse_empty(X: np.ndarray, names: np.ndarray | None, n_needed: int, first: bool) -> np.ndarray:
    """Which rows hold any value; too few of them, or columns without any, are refused.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Training rows, NaN where values are missing.
    names : ndarray or None
        Names of the columns.
    n_needed : int
        Rows that training needs at least.
    first : bool
        Whether columns are to be learned from these rows.

    Returns
    -------
    ndarray of bool of shape (n,)
        The rows.

    Raises
    ------
    InvalidDataError
        If nothing is known of a column, or too few rows hold any value.
    """
    missing = np.isnan(X)
    if first and missing.all(0).any():
        empty = name_columns(np.flatnonzero(missing.all(0)), names)
        raise InvalidDataError(
            f"column(s) {empty} hold no value at all, so nothing can be learned about them: leave "
            "them out."
        )
    kept = ~missing.all(1)
    if kept.sum() < n_needed:
        raise InvalidDataError(
            f"only {kept.sum()} row(s) of positive weight hold any value: give at least {n_needed}."
        )
    return kept
