"""What all densities do once they are fitted: score, sample, transform, pickle."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..columns import Columns
from ..exceptions import InvalidDataError
from ..missing import Completion
from ..nested import MeanScoreMixin, check_n_samples
from ..streams import refuse_streams
from ..validation import (
    cast,
    check_array,
    check_image_size,
    check_labels,
    container_of,
    has_missing,
    image_rows,
    is_sparse,
    labels_of,
    name_columns,
    refuse_non_finite,
    refuse_overflow,
    refuse_unreal,
    row_blocks,
    validate_data,
)
from ._module_keeper import ModuleKeeper
from ._temperature import check_temperature


class FittedDensity(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, MeanScoreMixin, ModuleKeeper
):
    """A fitted density: a module, the columns around it, and what completes incomplete rows.

    Attributes
    ----------
    module_ : DensityModule
        Density of standardised rows, float64.
    """

    _columns: Columns
    # What completes incomplete rows; None where rows cannot be incomplete.
    _completion: Completion | None

    # What methods that go before this class bring along.
    _takes_images = False
    _takes_incomplete_rows = False

    # Values of the parameters that some estimators do not have.
    standardize = True
    image_shape: tuple[int, ...] | None = None
    missing: str | None = None
    kl_warmup = 0.0
    checkpoint = None
    on_interrupt = "keep"

    def score_samples(self, X):
        """Log density of each row, in nats and in the units of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density, float64; ``-inf`` outside the support. With
            ``missing='marginalize'`` that of what is known of incomplete rows, an estimate.
        """
        check_is_fitted(self)
        return self._log_density(self._validate_scored(X))

    def _log_density(self, X, without=None):
        """Log density of valid rows in units of X, each without one more kernel where given."""
        if self._completion is None or not has_missing(X):
            # Standardised block by block, so that copies take little memory.
            parts = [self._log_density_of(X, without, block) for block in row_blocks(len(X))]
            return np.concatenate(parts)
        return self._completion.marginal(X, None, self._evaluator, without)[0]

    def _log_density_of(self, X, without, block):
        """Log density of complete rows of a block."""
        Z = self._columns.standardise(X[block])
        without = None if without is None else without[block]
        return self._columns.in_units(self._evaluator.log_prob(Z, without), Z)

    def sample(self, n_samples=1, random_state=None, *, temperature=1.0):
        """Draw rows from the density, or from one whose latents vary less or more.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.
        temperature : float, default=1.0
            What the standard deviations of the latents are multiplied by: in a mixture, or with
            kernels, those around the centre of the component that is drawn. Below one, rows are
            nearer to the modes of the latent, tamer and less diverse; with zero they are rows of
            these modes. Only at one is the law of the rows that of `score_samples`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64.

        Raises
        ------
        ValueError
            If `n_samples` is less than one, there is no such temperature, or draws overflow at it.
        """
        check_is_fitted(self)
        return self._sample(n_samples, random_state, check_temperature(temperature))

    def _sample(self, n_samples, random_state, temperature, draw=None):
        """Rows, of the latents that ``draw(n, generator, temperature)`` gives where it is given.

        The temperature is an ndarray, of one number or of one for each latent column.
        """
        n_samples = check_n_samples(n_samples)
        evaluator = self._evaluator
        factor = torch.tensor(temperature, device=evaluator.device)
        if draw is None:
            sample = functools.partial(self.module_.sample, temperature=factor)
            Z = evaluator.draw(n_samples, random_state, sample)
        else:
            draw = functools.partial(draw, temperature=factor)
            Z = evaluator.decode(evaluator.draw(n_samples, random_state, draw))
        advice = "give a lower temperature." if temperature.max() > 1 else "draw with another seed."
        return self._columns.to_domain(self._unstandardise(Z, "draws", advice))

    def transform(self, X):
        """Latent of each row: what the prior describes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features)
            Latent rows, of the dtype of X; NaN for rows in which values are missing.

        Raises
        ------
        InvalidDataError
            If rows are so far away that their latents overflow.
        """
        check_is_fitted(self)
        X = self._validate_scored(X)
        return cast(self._encode(X), X.dtype, "the latents")

    def inverse_transform(self, X):
        """Rows of each latent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Latent rows, as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Rows in the units of the training data, of the dtype of X; continuous ones, so that the
            way back is exact, where draws are whole numbers.

        Raises
        ------
        InvalidDataError
            If latents are not finite numbers, or so large that their rows overflow.
        """
        check_is_fitted(self)
        # Latent columns are not the columns of X, so their names are not compared.
        refuse_unreal(X, self)
        Z = check_array(X, dtype=[np.float64, np.float32], order="C", ensure_all_finite=False)
        if Z.shape[1] != self._n_features_out:
            raise InvalidDataError(
                f"expected latent rows of shape (n, {self._n_features_out}), got {Z.shape}."
            )
        refuse_non_finite(Z, None)
        return cast(self._decode(Z.astype(np.float64)), Z.dtype, "the rows")

    # ------------------------------------------------------------------ validation

    def _validate_scored(self, X):
        # What was fitted counts, whatever the parameter has become since.
        return self._validate_rows(X, reset=False, incomplete=self._marginalizes)

    @property
    def _marginalizes(self) -> bool:
        """Whether scores integrate over missing values."""
        return self._shaped_by.get("missing") is not None

    def _validate_rows(self, X, reset, ensure_min_samples=1, missing=None, incomplete=False):
        """Rows as an array of real numbers, finite but where they may be missing."""
        refuse_streams(X, self)
        sparse = is_sparse(X)
        if sparse and self.__sklearn_tags__().input_tags.sparse:
            X, sparse = container_of(X).to_dense(), False
        takes_images = self._takes_images and not sparse
        if takes_images:
            X = image_rows(X, self.image_shape)
        refuse_unreal(X, self)
        X = validate_data(
            self,
            check_labels(self, X, reset),
            dtype=[np.float64, np.float32],
            # Sums over another memory layout differ in the last bits.
            order="C",
            reset=reset,
            ensure_min_samples=ensure_min_samples,
            ensure_all_finite=False,
        )
        # scikit-learn's own check does not say where.
        checked = np.where(np.isnan(X), 0, X) if incomplete else X
        refuse_non_finite(checked, labels_of(self), missing)
        if takes_images and self.image_shape is not None:
            check_image_size(X.shape[1], self.image_shape)
        return X

    # ------------------------------------------------------------------ rows and latents

    def _encode(self, X):
        """Latents of valid rows, float64; NaN for incomplete ones."""
        Z = self._columns.standardise(X)
        return self._refuse_far_rows(self._evaluator.encode(Z), "the latents", Z)

    def _refuse_far_rows(self, values, what, Z):
        """What the module makes of standardised rows, if complete ones are near enough for it."""
        incomplete = np.isnan(Z).any(1)
        wrong = ~np.isfinite(values).reshape(len(values), -1).all(1) & ~incomplete
        columns = np.unique(np.abs(Z[wrong]).argmax(1))
        return refuse_overflow(
            values,
            what,
            "these rows are too far away from all training rows, most of all in column(s) "
            f"{name_columns(columns, labels_of(self))}. Leave them out.",
            incomplete,
        )

    def _expected(self, function, X):
        """A function of the module of valid rows; of incomplete ones, its mean given the rest."""
        Z = self._columns.standardise(X)
        if self._completion is None:
            return self._evaluator.map(function, Z)
        return self._completion.expected(function, Z, self._evaluator)

    def _filled(self, X, rng):
        """Rows with one draw of what is missing."""
        if not np.isnan(X).any():
            return X
        return self._imputed(X, 1, rng)[0]

    def _decode(self, latent):
        """Rows of latents, float64 and continuous."""
        Z = self._evaluator.decode(latent)
        return self._unstandardise(Z, "the rows", "give smaller latents.")

    def _unstandardise(self, Z, what, advice):
        """Rows of standardised ones, if they are numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            X = self._columns.unstandardise(Z)
        return refuse_overflow(X, what, advice)

    def _encode_rows(self, X):
        """Latents of rows as users give them, float64."""
        check_is_fitted(self)
        return self._encode(self._validate_rows(X, reset=False))

    def _encode_pairs(self, X, other):
        """Latents of rows that come in pairs."""
        first, second = self._encode_rows(X), self._encode_rows(other)
        refuse_other_number(len(first), len(second))
        return first, second

    def _gradient_norm(self, X):
        """Length of the gradient of the log density by standardised columns, shape (n,)."""
        X = self._validate_rows(X, reset=False)
        return self._evaluator.gradient_norm(self._columns.standardise(X))

    def _score_copies(self, copies, rows, n_draws=None):
        """Log density of changed copies of rows, without the kernels on the rows themselves."""
        copies, rows = self._validate_scored(copies), self._validate_scored(rows)
        without = self._own_kernels(rows)
        if without is not None:
            without = np.repeat(without, len(copies) // len(rows))
        if n_draws is None or not np.isnan(copies).any():
            return self._log_density(copies, without)
        # Changed copies lie far off, where few draws of many components miss.
        completion = self._completion.merged(self._evaluator)
        return completion.marginal(copies, n_draws, self._evaluator, without)[0]

    def _own_kernels(self, X):
        """The kernel on each row, -1 for none; None where there are no kernels."""
        if not self.module_.has_kernels:
            return None
        X = self._validate_scored(X).astype(np.float64)
        own, known = np.full(len(X), -1), ~np.isnan(X).any(1)
        if known.any():
            Z = self._columns.standardise(X[known])
            own[known] = self._evaluator.map(self.module_.own_kernel, Z)
        return own

    # ------------------------------------------------------------------ fitted columns

    @property
    def location_(self):
        """What columns are centred by, shape (n_features,)."""
        return self._columns.location

    @property
    def scale_(self):
        """What columns are divided by, shape (n_features,)."""
        return self._columns.scale

    @property
    def dequantization_(self):
        """Width of the uniform noise of each column in training, in units of X."""
        return self._columns.dequantization

    @property
    def heavy_values_(self):
        """Column, value and width of the noise of values with noise of their own."""
        return self._columns.heavy_values

    # ------------------------------------------------------------------ scikit-learn

    @property
    def _n_features_out(self):
        return self.n_features_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = self.missing is not None
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        if "_stream" in state:
            state["_stream"] = replace(state["_stream"], net=None)
        return state


def refuse_other_number(n_first: int, n_second: int) -> None:
    """Refuse pairs of rows of which there are more on one side."""
    if n_first != n_second:
        raise InvalidDataError(f"rows come in pairs, got {n_first} and {n_second} of them.")
