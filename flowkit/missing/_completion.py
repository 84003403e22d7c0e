"""What completes incomplete rows of one density, and integrates over what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..columns import Columns
from ..modules import Evaluator
from ._conditionals import Mixture, closed_form, fit_draws, fit_incomplete, maximise, variances
from ._importance import log_mean, resample, shares
from ._proposals import log_weights, proposals

# Draws of what is missing that a row is filled from, and scored by at most; those that it is scored
# by at first, fewer where some come from a flow made linear.
N_DRAWS = 256
FIRST_DRAWS, _FIRST_LINEARISED = 48, 32
# The standard error, in nats, above which there are so many times more draws: stages cost too.
_TOLERANCE, _MORE = 0.5, 4
# Draws from which training takes its completions.
_N_CANDIDATES = 32
# Draws of the density to which the mixture that proposes completions is fitted again.
_N_ADAPTATION_DRAWS = 5_000
# Columns of more different values are filled with any number.
_MAX_LEVELS = 4_096
_SEED = 0


@dataclass
class Completion:
    """Completes rows of one density, with draws from a Gaussian mixture given what is known.

    Methods that learn return another completion. The exception is the mixture that `mixture_for`
    makes where none was fitted: it is kept, as it depends on the density alone.

    Parameters
    ----------
    columns : Columns
        Columns of the density.
    lowest, highest : ndarray of shape (n_features,)
        Smallest and largest standardised value of each column in training.
    levels : list of ndarray
        Values that each column had in training; empty for columns whose values hardly repeat.
    variance : ndarray of shape (n_features,) or None, default=None
        Variances of the standardised columns, towards which covariances are regularised.
    mixture : Mixture or None, default=None
        Where proposals come from; None until it is needed.
    """

    columns: Columns
    lowest: np.ndarray
    highest: np.ndarray
    levels: list[np.ndarray]
    variance: np.ndarray | None = None
    mixture: Mixture | None = None

    @classmethod
    def of(cls, X: np.ndarray, columns: Columns) -> Completion:
        """What training rows tell of their columns.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows, NaN where values are missing.
        columns : Columns
            Their columns.

        Returns
        -------
        Completion
            Without a mixture.
        """
        widths = columns.dequantization
        return cls(
            columns,
            columns.standardise(np.fmin.reduce(X) - widths / 2),
            columns.standardise(np.fmax.reduce(X) + widths / 2),
            [
                _levels(column) if width else np.empty(0)
                for column, width in zip(X.T, widths, strict=True)
            ],
        )

    # ------------------------------------------------------------------ the mixture

    def fitted(
        self, Z: np.ndarray, weight: np.ndarray | None, rng: np.random.RandomState
    ) -> Completion:
        """With a mixture fitted to incomplete standardised rows."""
        mixture = fit_incomplete(Z, weight, rng)
        return replace(self, variance=variances(Z), mixture=mixture)

    def adapted(
        self, evaluator: Evaluator, rng: np.random.RandomState, again: bool = False
    ) -> Completion:
        """With its mixture fitted again, to draws of the density that it proposes for."""
        Z = self._typical_draws(evaluator, rng)
        if not len(Z):
            return self
        if again:
            mixture = maximise(self.mixture_for(evaluator), Z, self.variance, max_steps=1)
        else:
            mixture = fit_draws(Z, self.variance, rng)
        return replace(self, mixture=mixture)

    def mixture_for(self, evaluator: Evaluator) -> Mixture:
        """The mixture; where none was fitted, one of the density alone, the same at each call."""
        if self.mixture is None:
            rng = np.random.RandomState(_SEED)
            Z = self._typical_draws(evaluator, rng)
            if len(Z) < 2:
                # None lie near the training rows: the corners of these say where else to look.
                Z = np.stack(self._range())
            self.mixture = fit_draws(Z, variances(Z), rng)
        return self.mixture

    def merged(self, evaluator: Evaluator) -> Completion:
        """With its mixture as one Gaussian: few draws of it reach rows far off all components."""
        return replace(self, mixture=self.mixture_for(evaluator).merged())

    def without_mixture(self) -> Completion:
        """With the mixture forgotten, which is made again when it is needed."""
        return replace(self, mixture=None)

    def _typical_draws(self, evaluator, rng):
        """Standardised draws of the density without its tails, which would widen a mixture."""
        drawn = evaluator.sample(_N_ADAPTATION_DRAWS, rng)
        X = self.columns.to_domain(self.columns.unstandardise(drawn))
        Z = self.columns.standardise(X)
        low, high = self._range()
        middle, reach = (low + high) / 2, 1.5 * (high - low)
        return Z[(np.abs(Z - middle) <= reach).all(1)]

    def _range(self):
        """Smallest and largest standardised value of each column in training."""
        # A column whose few values were all held out has none.
        return [np.nan_to_num(bound) for bound in (self.lowest, self.highest)]

    # ------------------------------------------------------------------ completing rows

    def complete(
        self, X: np.ndarray, Z: np.ndarray, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and standardised rows, completed by one draw from the mixture.

        Parameters
        ----------
        X, Z : ndarray of shape (n, n_features)
            Rows as they are, and standardised with their noise.
        rng : RandomState
            Source of randomness.

        Returns
        -------
        X, Z : ndarray of shape (n, n_features)
            Completed rows.
        """
        Z = self.draws(Z, 1, rng)[0]
        return np.where(np.isnan(X), self.to_levels(self.columns.unstandardise(Z)), X), Z

    def draws(
        self,
        Z: np.ndarray,
        n_draws: int,
        rng: np.random.RandomState,
        evaluator: Evaluator | None = None,
    ) -> np.ndarray:
        """Copies of standardised rows with draws of what is missing.

        Parameters
        ----------
        Z : ndarray of shape (n, n_features)
            Rows, NaN where values are missing.
        n_draws : int
            Number of copies.
        rng : RandomState
            Source of randomness.
        evaluator : Evaluator or None, default=None
            The density that draws come from. None takes them from the mixture, within the range
            of what is known, so that they stay in the domain of the map.

        Returns
        -------
        ndarray of shape (n_draws, n, n_features)
            The copies.
        """
        copies = np.repeat(Z[None], n_draws, 0)
        seed, shift = rng.randint(2**31 - 1), rng.uniform(size=(len(Z), Z.shape[1] + 2))
        low, high = self._range()
        mixture = self.mixture if evaluator is None else self.mixture_for(evaluator)
        for part, proposed in proposals(mixture, Z, _N_CANDIDATES, seed, shift, evaluator):
            found = proposed.draw(_N_CANDIDATES)
            if evaluator is None:
                weights = [self._within_range(each) for each in found]
            else:
                weights = log_weights(evaluator, Z[part], found)
            for each, log_weight in zip(found, weights, strict=True):
                chosen = resample(log_weight, n_draws, rng)
                picked = np.take_along_axis(each.values, chosen[..., None], 1)
                if evaluator is None:
                    picked = picked.clip(low[each.columns][:, None], high[each.columns][:, None])
                rows = np.arange(len(Z))[part][each.rows]
                copies[:, rows[:, None], each.columns] = picked.swapaxes(0, 1)
        return copies

    def _within_range(self, draws):
        """Log weights of draws of the mixture, within the range of what is known."""
        low, high = (bound[draws.columns][:, None] for bound in self._range())
        inside = ((draws.values >= low) & (draws.values <= high)).all(2)
        return np.where(inside, draws.log_parts[0] - draws.log_drawn, -np.inf)

    def to_levels(self, X: np.ndarray) -> np.ndarray:
        """The nearest level of each value, where a column has any, and heavy values as they are.

        Parameters
        ----------
        X : ndarray of shape (..., n_features)
            Rows, in units of X.
        """
        X = X.copy()
        for j, value, width in self.columns.heavy_values:
            X[..., j][np.abs(X[..., j] - value) <= width / 2] = value
        for j, levels in enumerate(self.levels):
            if levels.size:
                middles = (levels[1:] + levels[:-1]) / 2
                X[..., j] = levels[np.searchsorted(middles, X[..., j])]
        return X

    # ------------------------------------------------------------------ integrating over values

    def marginal(
        self,
        X: np.ndarray,
        n_draws: int | None,
        evaluator: Evaluator,
        without: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log density of what is known of rows, in units of X, and its standard error.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows, NaN where values are missing.
        n_draws : int or None
            Draws for each incomplete row. None begins with few, and takes more, up to 256, while
            its standard error is large.
        evaluator : Evaluator
            The density.
        without : ndarray of int of shape (n,), default=None
            A kernel that each row is scored without.

        Returns
        -------
        log_density, error : ndarray of shape (n,)
            Nats; both 0 where nothing is known.
        """
        log_density, error = np.zeros(len(X)), np.zeros(len(X))
        missing = np.isnan(X)
        known = ~missing.any(1)
        if known.any():
            Z = self.columns.standardise(X[known])
            log_prob = evaluator.log_prob(Z, _of(without, known))
            log_density[known] = self.columns.in_units(log_prob, Z)
        part = ~known & ~missing.all(1)
        if part.any():
            Z = self.columns.standardise(X[part])
            integral = self._integrate(Z, n_draws, evaluator, _of(without, part))
            log_density[part], error[part] = integral
            volumes = self.columns.log_volumes(Z)
            log_density[part] -= np.where(missing[part], 0.0, volumes).sum(1)
        return log_density, error

    def _integrate(self, Z, n_draws, evaluator, without):
        """Log density of what is known of standardised rows, and its error."""
        exact = closed_form(evaluator.module, Z, evaluator.device)
        if exact is not None:
            return np.where(np.isnan(exact), -np.inf, exact), np.zeros(len(Z))
        log_density, error = np.empty(len(Z)), np.empty(len(Z))
        mixture = self.mixture_for(evaluator)
        n_held = n_draws or N_DRAWS
        for part, proposed in proposals(mixture, Z, n_held, _SEED, evaluator=evaluator):
            given = Z[part], n_draws, evaluator, _of(without, part)
            log_density[part], error[part] = _estimate(proposed, *given)
        return log_density, error

    def weighted_draws(
        self,
        Z: np.ndarray,
        n_draws: int,
        seed: int,
        evaluator: Evaluator,
        shift: np.ndarray | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Draws of what is missing from rows, with weights that make them those of the density.

        Parameters
        ----------
        Z : ndarray of shape (n, n_features)
            Standardised rows, NaN where values are missing.
        n_draws : int
            Draws for each row.
        seed : int
            Seed of the draws.
        evaluator : Evaluator
            The density.
        shift : ndarray of shape (n, n_features + 2), default=None
            Uniform numbers that tell the draws of the rows apart; None takes the same for all.

        Yields
        ------
        tuple of ndarray
            Of n rows with m holes each: indices (n,), missing columns (n, m), draws (n, n_draws, m)
            and the logs of their weights (n, n_draws).
        """
        mixture = self.mixture_for(evaluator)
        for part, proposed in proposals(mixture, Z, n_draws, seed, shift, evaluator):
            found, everything = proposed.draw(n_draws), np.arange(len(Z))[part]
            weights = log_weights(evaluator, Z[part], found)
            for each, log_weight in zip(found, weights, strict=True):
                yield everything[each.rows], each.columns, each.values, log_weight

    def expected(self, function, Z: np.ndarray, evaluator: Evaluator) -> np.ndarray:
        """A function of rows; of incomplete ones, its mean given what is known.

        Parameters
        ----------
        function : callable
            Takes a tensor of rows and returns one of as many.
        Z : ndarray of shape (n, n_features)
            Standardised rows, NaN where values are missing.
        evaluator : Evaluator
            The density.

        Returns
        -------
        ndarray of shape (n, ...)
            Means.
        """
        known = ~np.isnan(Z).any(1)
        if known.all():
            return evaluator.map(function, Z)
        rows_in, means = [np.flatnonzero(known)], []
        if known.any():
            means.append(evaluator.map(function, Z[known]))
        index = np.flatnonzero(~known)
        mixture = self.mixture_for(evaluator)
        for part, proposed in proposals(mixture, Z[index], N_DRAWS, _SEED, evaluator=evaluator):
            found, here = proposed.draw(N_DRAWS), index[part]
            weights = log_weights(evaluator, Z[here], found)
            for each, log_weight in zip(found, weights, strict=True):
                mapped = evaluator.map(function, each.complete(Z[here]))
                mapped = mapped.reshape(*log_weight.shape, *mapped.shape[1:])
                means.append((shares(log_weight)[:, None] @ mapped)[:, 0])
                rows_in.append(here[each.rows])
        return np.concatenate(means)[np.argsort(np.concatenate(rows_in))]


def _estimate(proposed, Z, n_draws, evaluator, without):
    """Log density of what is known of rows, and its error; more draws where it is large."""
    log_density, error = np.empty(len(Z)), np.empty(len(Z))
    first = _FIRST_LINEARISED if proposed.is_linearised else FIRST_DRAWS
    todo, n, most = np.arange(len(Z)), n_draws or first, n_draws or N_DRAWS
    weights, ratios = [], []
    while todo.size:
        found = proposed.draw(n - sum(part.shape[1] for part in weights), todo)
        order = np.argsort(np.concatenate([each.rows for each in found]))
        weight = np.concatenate(log_weights(evaluator, Z, found, without))[order]
        ratio = np.concatenate([e.log_parts[:-1] - e.log_drawn for e in found], 1)[:, order]
        weights, ratios = [*weights, weight], [*ratios, ratio]
        found = log_mean(np.concatenate(weights, 1), np.concatenate(ratios, 2))
        log_density[todo], error[todo] = found
        more = (error[todo] > _TOLERANCE) & (n < most)
        todo, n = todo[more], min(_MORE * n, most)
        weights, ratios = [part[more] for part in weights], [part[:, more] for part in ratios]
    return log_density, error


def _of(without, rows):
    return None if without is None else without[rows]


def _levels(column):
    """Known values of a column, none where there are too many."""
    levels = np.unique(column[~np.isnan(column)])
    return levels if len(levels) <= _MAX_LEVELS else np.empty(0)
