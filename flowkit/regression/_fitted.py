"""What a fitted regressor says of its targets: means, quantiles, densities, draws."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from ..columns import StandardisedColumns
from ..estimators import ModuleKeeper
from ..exceptions import InvalidDataError
from ..nested import check_n_samples
from ..validation import (
    check_flag,
    labels_of,
    name_columns,
    refuse_overflow,
    row_blocks,
    row_weights,
    shown,
)
from ._conformal import reach
from ._inputs import read_features, read_shares, read_targets
from ._outcomes import OneOutcome, Outcomes, SeveralOutcomes
from ._start import RegressionStart

# Rows whose targets are worked out at once, each at dozens of latents.
_BLOCK_ROWS = 4096


class FittedRegressor(RegressorMixin, ModuleKeeper):
    """A fitted regressor: a module, a classical regression, and columns around them.

    Attributes
    ----------
    module_ : flowkit.modules.ResidualFlow
        Density of standardised targets, float64.
    n_outputs_ : int
        Number of targets.
    """

    n_outputs_: int
    # What features are centred by and divided by.
    _location: np.ndarray
    _scale: np.ndarray
    _targets: StandardisedColumns
    _start: RegressionStart
    _is_single: bool
    _calibration_weight: np.ndarray | None

    def predict(self, X, return_std=False):
        """Mean of the targets of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        return_std : bool, default=False
            Whether the standard deviation is returned too.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Means, in the units of y.
        std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Standard deviations of the targets, noise included; only with `return_std`.
        """
        return_std = check_flag(return_std, "return_std")
        contexts = self._contexts(X)
        mean, std = self._by_block(
            lambda block: self._outcomes.moments(block, self._targets.unstandardise), contexts
        )
        self._refuse_overflow(mean, contexts)
        if return_std:
            self._refuse_overflow(std, contexts)
        return (self._shaped(mean), self._shaped(std)) if return_std else self._shaped(mean)

    def predict_quantiles(self, X, quantiles=(0.05, 0.5, 0.95)):
        """Quantiles of the targets of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Cumulative probabilities between 0 and 1.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_quantiles, n_outputs)
            Quantiles, in the units of y; without the axis of quantiles where one number was given.

        Raises
        ------
        InvalidDataError
            If a quantile is not between 0 and 1.
        """
        shares = read_shares(quantiles, "quantiles")
        values = self._values(self._contexts(X), np.atleast_1d(ndtri(shares)))
        return self._shaped(values if shares.ndim else values[:, 0])

    def predict_interval(self, X, coverage=0.9):
        """Interval that holds the target of a row with a given probability.

        As much is left out below as above; with `calibrate` the ends are moved until intervals of
        the calibration rows hold as many targets as they should.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        coverage : float, default=0.9
            The probability, between 0 and 1, of each target by itself.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, 2, n_outputs)
            Lower and upper ends, in the units of y.

        Raises
        ------
        InvalidDataError
            If the coverage is not between 0 and 1.

        Warns
        -----
        FewCalibrationRowsWarning
            If there are too few calibration rows for this coverage: the ends are infinite.
        """
        share = read_shares(coverage, "coverage")
        if share.ndim:
            raise InvalidDataError(f"coverage must be one number, got {shown(coverage)}.")
        contexts = self._contexts(X)
        ends = np.full(self.n_outputs_, ndtri(0.5 + share / 2))
        if hasattr(self, "calibration_scores_"):
            ends = reach(self.calibration_scores_, self._calibration_weight, float(share))
        known = np.where(np.isfinite(ends), ends, 0.0)
        values = self._values(contexts, np.stack([-known, known]))
        infinite = np.where(np.isfinite(ends), 0.0, ends)
        return self._shaped(values + np.stack([-infinite, infinite]))

    def log_prob(self, X, y):
        """Log density of the targets of each row, given its features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats, per unit of y; of several targets, of all together. ``-inf`` where a target is so
            far away that numbers overflow.
        """
        rows = self._rows(X, y)
        log_density = self._evaluator.log_prob(rows)
        return self._targets.in_units(log_density, rows[:, : self.n_outputs_])

    def cdf(self, X, y):
        """Probability that a target is at most as large as that of a row, given its features.

        Of rows like those of training these are uniform numbers between 0 and 1, if the model is
        right (probability integral transform).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Probabilities, of each target by itself.
        """
        rows = self._rows(X, y)
        scores = self._by_block(lambda block: (self._outcomes.normal_scores(block),), rows)[0]
        return self._shaped(ndtr(scores))

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination of the means.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            1 for means that are the targets, 0 for those that are as good as the same mean for
            all rows, ``-inf`` for those that are too far off for a number; of several targets the
            mean.
        """
        mean = self.predict(X)
        Y = read_targets(y, len(mean), self.n_outputs_, self._is_single)
        weight = None if sample_weight is None else row_weights(sample_weight, len(Y))
        mean = mean.reshape(Y.shape)
        # Squares of numbers of any size are numbers, and their ratio is the same.
        power = np.frexp(np.maximum(np.abs(Y).max(0), np.abs(mean).max(0)))[1]
        Y, mean = np.ldexp(Y, -power), np.ldexp(mean, -power)
        with np.errstate(over="ignore"):
            return float(r2_score(Y, mean, sample_weight=weight))

    def sample(self, X, n_samples=1, random_state=None):
        """Draw targets of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples_X, n_features)
            Features.
        n_samples : int, default=1
            Number of draws for each row.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same draws each time.

        Returns
        -------
        ndarray of shape (n_samples_X, n_samples) or (n_samples_X, n_samples, n_outputs)
            Draws, in the units of y; several targets are drawn together.
        """
        contexts, n_samples = self._contexts(X), check_n_samples(n_samples)
        evaluator, d = self._evaluator, self.n_outputs_
        n = len(contexts) * n_samples
        latents = evaluator.draw(n, random_state, self.module_.prior.sample)
        owner = np.repeat(np.arange(len(contexts)), n_samples)
        parts = [
            evaluator.map(self.module_.decode, latents[block], contexts[owner[block]])
            for block in row_blocks(n)
        ]
        values = np.concatenate(parts).reshape(len(contexts), n_samples, d)
        return self._shaped(self._unstandardised(values, contexts))

    # ------------------------------------------------------------------ rows

    def _standardised(self, X):
        with np.errstate(over="ignore"):
            return (X - self._location) / self._scale

    def _contexts(self, X):
        """Location, log scale and features of rows as users give them."""
        check_is_fitted(self)
        contexts = self._contexts_of(read_features(self, X))
        self._refuse_overflow(contexts[:, : self.n_outputs_], contexts)
        return contexts

    def _contexts_of(self, X):
        Z = self._standardised(X)
        return np.concatenate([self._start.predict(Z), np.arcsinh(Z)], 1)

    def _rows(self, X, y):
        """Rows of the module: standardised targets and contexts."""
        contexts = self._contexts(X)
        Y = read_targets(y, len(contexts), self.n_outputs_, self._is_single)
        return np.concatenate([self._targets.standardise(Y), contexts], 1)

    @property
    def _outcomes(self) -> Outcomes:
        """Distributions of single targets."""
        kind = OneOutcome if self.n_outputs_ == 1 else SeveralOutcomes
        return kind(self._evaluator)

    def _values(self, contexts, scores):
        """Targets at normal scores (k,) or (k, n_outputs), shape (n, k, n_outputs)."""
        scores = np.tile(scores, (self.n_outputs_, 1)).T if scores.ndim == 1 else scores
        scores = np.ascontiguousarray(scores)
        values = self._by_block(lambda block: (self._outcomes.values(block, scores),), contexts)
        return self._unstandardised(values[0], contexts)

    def _unstandardised(self, values, contexts):
        """Targets (n, k, n_outputs) in the units of y, if they are numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._targets.unstandardise(values)
        return self._refuse_overflow(values, contexts)

    def _refuse_overflow(self, values, contexts):
        """Predictions, a row each, if all of them are finite."""
        wrong = ~np.isfinite(values).reshape(len(values), -1).all(1)
        farthest = np.abs(contexts[wrong, 2 * self.n_outputs_ :]).argmax(1)
        return refuse_overflow(
            values,
            "the predictions",
            "the features of these rows are too far away from those of training, most of all in "
            f"column(s) {name_columns(np.unique(farthest), labels_of(self))}, or the targets too "
            "large. Leave these rows out, or rescale y.",
        )

    def _by_block(self, function, rows):
        """What a function gives for rows, a tuple of arrays, joined over blocks."""
        parts = [function(rows[block]) for block in row_blocks(len(rows), _BLOCK_ROWS)]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _shaped(self, values):
        """Without the last axis, of targets, where y was one column."""
        return values[..., 0] if self._is_single else values

    # ------------------------------------------------------------------ scikit-learn

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
