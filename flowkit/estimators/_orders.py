"""What the orders of a latent say of rows."""

from __future__ import annotations

import functools

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidParameterError
from ..validation import typed_errors

# Draws by which the mean of the prior is known well enough to be decoded.
_N_PRIOR_DRAWS = 1000


class OrderAnalysis:
    """The part of `PHVAE` that knows of orders; goes before its base class."""

    def latent_by_order(self, X):
        """Posterior mean of each order of the latent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        latents : ndarray of shape (degree_, n_samples, n_components_)
            One table an order, the first order first.
        """
        Z = self._encode_rows(X)
        return Z.reshape(len(Z), self.degree_, self.n_components_).swapaxes(0, 1)

    def reconstruct(self, X, orders=None):
        """Rows decoded from their own latent, or from some orders of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        orders : sequence of int or None, default=None
            Orders, from 1, that are taken from the rows; others stand at the mean of the prior.
            None takes all.

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
            Expected rows, in the units of X, float64.

        Raises
        ------
        InvalidParameterError
            If there is no such order.
        """
        Z = self._encode_rows(X)
        if orders is not None:
            with typed_errors("orders"):
                kept = np.unique(orders)
            known = np.arange(1, self.degree_ + 1)
            if not np.isin(kept, known).all():
                raise InvalidParameterError(
                    f"orders must be taken from 1 to {self.degree_}, got {orders!r}."
                )
            columns = np.repeat(np.isin(known, kept), self.n_components_)
            mean = 0.0
            if self.module_.prior_flow is not None:
                mean = self._draw_latents(_N_PRIOR_DRAWS, self._config["seed"]).mean(0)
            Z = np.where(columns, Z, mean)
        return self._decode(Z)

    def reconstruction_error(self, X):
        """Mean squared error of the reconstruction of each row.

        To find rows that do not belong, `score_samples` is better: it also knows how unlikely the
        latent is, and how far each column may stray.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        error : ndarray of shape (n_samples,)
            Mean over the columns, each divided by its `scale_` first, so that all count alike.

        Raises
        ------
        InvalidDataError
            If rows are so far away that their errors overflow.
        """
        check_is_fitted(self)
        Z = self._columns.standardise(self._validate_rows(X, reset=False))
        evaluator = self._evaluator
        with np.errstate(over="ignore", invalid="ignore"):
            error = ((Z - evaluator.decode(evaluator.encode(Z))) ** 2).mean(1)
        return self._refuse_far_rows(error, "the errors", Z)

    def _draw_latents(self, n, random_state, temperature=1.0):
        factor = torch.tensor(temperature, device=self._evaluator.device)
        draw = functools.partial(self.module_.prior.sample, temperature=factor)
        return self._evaluator.draw(n, random_state, draw)
