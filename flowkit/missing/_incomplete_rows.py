"""Densities of rows with missing values: trained on them, scored, and filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..columns._moments import name_columns
from ..exceptions import InvalidDataError, InvalidParameterError
from ..training import Noise, TrainingRecord
from ._conditionals import (
    Mixture,
    closed_form,
    fit_incomplete,
    maximise,
    proposals,
    variances,
)

# Draws of what is missing that a row is scored by, and that it is filled from.
_N_DRAWS = 256
# Draws from which training takes its completions.
_N_CANDIDATES = 32
# Completions of a row that training chooses from, as far as memory goes, and of one held out.
_N_COMPLETIONS, _N_JUDGES = 8, 4
_MAX_POOL_VALUES = 2**25
# Fewer epochs are not worth another round of training.
_MIN_ROUND_EPOCHS = 10
# Draws of the density to which the mixture that proposes completions is fitted again.
_N_ADAPTATION_DRAWS = 5_000
# Columns of more different values are filled with any number.
_MAX_LEVELS = 4_096
_SEED = 0
_OF_MIXTURE = ("weights", "means", "precisions")


@dataclass(frozen=True)
class CompletionNoise(Noise):
    """One of several completions of each row, drawn afresh in each epoch, and noise.

    Rows are ``(n, (1 + n_completions) * d)``: which values are known, as ones, then completions.
    Only known values get noise, as those that are filled in come from a density that has it.

    Parameters
    ----------
    n_completions : int, default=1
        Number of completions.
    """

    n_completions: int = 1

    def add(self, x, generator):
        """Return completed rows."""
        known, *completions = x.chunk(self.n_completions + 1, 1)
        shape = (len(x), 1, 1)
        which = torch.randint(self.n_completions, shape, generator=generator, device=x.device)
        stacked = torch.stack(completions, 1)
        chosen = stacked.take_along_dim(which, 1)[:, 0]
        return torch.where(known > 0, super().add(chosen, generator), chosen)


class IncompleteRows:
    """Part of a density that has a parameter ``missing``: goes before `BaseDensity`."""

    # What is known of the columns, and the mixture that proposes what is missing.
    _completion: dict | None = None

    def score_marginal(self, X, n_draws=_N_DRAWS):
        """Log density of what is known of each row, and the error of that.

        Takes rows with missing values whatever `missing` was in `fit`. They are integrated out by
        importance sampling, with draws from a mixture of Gaussians given what is known; half of
        them are wider, so that nothing is missed. Without ``missing='marginalize'`` the mixture is
        fitted to draws of the density at the first call, which takes a moment.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, NaN where values are missing.
        n_draws : int, default=256
            Number of draws for each row.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Nats, in the units of what is known; 0 where that is nothing. The same at every call,
            whatever rows stand beside it.
        error : ndarray of shape (n_samples,)
            Standard error in nats, from the spread of the weights of the draws; 0 for complete
            rows, and where the map takes each column by itself onto a prior whose marginals are
            known. It cannot exceed one by much: where it comes near, few draws rule, and the
            estimate is a lower bound whose distance is unknown.

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
        self._refuse_images("score_marginal is")
        if not isinstance(n_draws, Integral) or n_draws < 2:
            raise InvalidDataError(f"n_draws must be an int of at least 2, got {n_draws!r}.")
        return self._marginal(self._validate_rows(X, reset=False, incomplete=True), int(n_draws))

    def impute(self, X, n_draws=None, random_state=None):
        """Fill what is missing with draws from the density given what is known.

        The best of many proposals, by their weights, stand for draws of the density. Takes rows
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
        self._refuse_images("impute is")
        n = 1 if n_draws is None else n_draws
        if not isinstance(n, Integral) or n < 1:
            raise InvalidDataError(f"n_draws must be None or an int of at least 1, got {n!r}.")
        X = self._validate_rows(X, reset=False, incomplete=True).astype(np.float64)
        filled = self._fill(X, int(n), check_random_state(random_state))
        return filled[0] if n_draws is None else filled

    # ------------------------------------------------------------------ rows and columns

    def _accepts_missing(self, training):
        # What was fitted counts, whatever the parameter has become since.
        return (self.missing if training else self._shaped_by["missing"]) is not None

    def _refuse_images(self, what):
        if getattr(self, "image_shape", None) is not None:
            raise InvalidParameterError(
                f"{what} for tables, but image_shape is set: no draws fill the pixels of an image "
                "likely enough to integrate over them. Train on complete images and fill the "
                "others with RGFlowDensity.inpaint."
            )

    def _validate_training(self, X, sample_weight, reset):
        if self.missing is not None:
            self._refuse_images("missing='marginalize' is")
        X, weight = super()._validate_training(X, sample_weight, reset)
        missing = np.isnan(X)
        if missing.any() and getattr(self, "prior", None) == "kernel":
            raise InvalidDataError(
                "prior='kernel' puts kernels on training rows, which must be complete, but X holds "
                "NaN: use another prior, or train on complete rows; rows to be scored may have NaN."
            )
        if reset and missing.all(0).any():
            empty = name_columns(np.flatnonzero(missing.all(0)), self._names())
            raise InvalidDataError(
                f"column(s) {empty} hold no value at all, so nothing can be learned about them: "
                "leave them out."
            )
        kept = ~missing.all(1)
        n_needed = 2 if reset else 1
        if kept.sum() < n_needed:
            raise InvalidDataError(
                f"only {kept.sum()} row(s) of positive weight hold any value: give at least "
                f"{n_needed}."
            )
        return X[kept], None if weight is None else weight[kept]

    def _complete_start(self, X, Z, weight, rng):
        self._completion = None
        if getattr(self, "image_shape", None) is not None:
            return X, Z
        columns = {
            "lowest": self._standardise(np.fmin.reduce(X) - self.dequantization_ / 2),
            "highest": self._standardise(np.fmax.reduce(X) + self.dequantization_ / 2),
            "levels": [
                _levels(column) if width else np.empty(0)
                for column, width in zip(X.T, self.dequantization_, strict=True)
            ],
        }
        if self.missing is None:
            self._completion = columns
            return X, Z
        Z = Z + self._noise_deviation(len(Z)) * rng.normal(size=Z.shape)
        mixture = fit_incomplete(Z, weight, rng)
        self._completion = {**columns, "variances": variances(Z), **vars(mixture)}
        Z = self._completions(Z, 1, rng, by_density=False)[0]
        return np.where(np.isnan(X), self._to_levels(self._unstandardise(Z)), X), Z

    def _to_levels(self, X):
        """The nearest level of each value, where a column has any, and heavy values as they are."""
        X = X.copy()
        for j, value, width in self.heavy_values_:
            X[..., j][np.abs(X[..., j] - value) <= width / 2] = value
        for j, levels in enumerate(self._completion["levels"]):
            if levels.size:
                middles = (levels[1:] + levels[:-1]) / 2
                X[..., j] = levels[np.searchsorted(middles, X[..., j])]
        return X

    # ------------------------------------------------------------------ training

    def _train(self, X, weight, training, holdout, streams):
        if np.isnan(X).any():
            record = self._train_in_rounds(X, weight, training, holdout, streams)
        else:
            record = super()._train(X, weight, training, holdout, streams)
        self._follow(streams.start)
        return record

    def _train_chunk(self, X, weight, training, judges, streams, net):
        X = self._filled(X, streams.start)
        record = super()._train_chunk(X, weight, training, judges, streams, net)
        self._follow(streams.start, max_steps=1)
        return record

    def _follow(self, rng, **options):
        """Make the mixture follow the density, or forget it where it is made when it is needed."""
        if self.missing is not None:
            self._adapt_mixture(rng, **options)
        elif self._completion is not None:
            kept = self._completion.keys() - set(_OF_MIXTURE)
            self._completion = {name: self._completion[name] for name in kept}

    def _train_in_rounds(self, X, weight, training, holdout, streams):
        """Monte Carlo expectation maximisation, in as many epochs as complete rows would get.

        What early stopping leaves of the epochs goes into further rounds, on completions by the
        density as the last round left it. A round that does not raise the density of what is known
        of the hold-out is undone, and ends the training.
        """
        records, n_left, highest = [], self.max_epochs, -np.inf
        while n_left >= _MIN_ROUND_EPOCHS or not records:
            before, again = self.module_, bool(records)
            if again and streams.is_over(self.max_time):
                break
            try:
                record = self._run_round(X, weight, training, holdout, streams, n_left, again)
                records.append(record)
                if holdout is None or not record.n_epochs or (record.broken_off and not again):
                    break
                known, _ = self._marginal(X[holdout], _N_DRAWS)
            except KeyboardInterrupt:
                if not records:
                    raise
                records[-1] = replace(records[-1], ended_by="interrupt")
                break
            reached = np.average(known, weights=None if weight is None else weight[holdout])
            if not reached > highest:
                self.module_ = before
                records[-1] = replace(record, best_epoch=0)
                break
            if record.broken_off:
                break
            highest, n_left = reached, n_left - record.n_epochs
            # Other batches and masks in the next round.
            streams.batches, streams.dropout = streams.batches + 1, streams.dropout + 1
        return self._remember(_joined(records))

    def _run_round(self, X, weight, training, holdout, streams, max_epochs, again):
        """Train on rows with several completions each, of which every epoch draws one."""
        Z, rng = self._standardise(X), streams.start
        by_density = again or self.n_iter_ > 0
        n = int(np.clip(_MAX_POOL_VALUES // Z.size, 1, _N_COMPLETIONS))
        completions = self._checked_completions(Z[training], n, rng, by_density)
        pool = np.concatenate([~np.isnan(Z[training]), *completions], 1)
        judges = None
        if holdout is not None:
            held = self._noisy(Z[holdout], rng)
            completions = self._checked_completions(held, _N_JUDGES, rng, by_density)
            index = np.tile(holdout, _N_JUDGES)
            judges = self._rows(np.concatenate(completions), weight, index)
        time_left = streams.time_left(self.max_time)
        options = self._options(len(training), max_epochs, holdout is not None, max_time=time_left)
        noise = CompletionNoise(**vars(options.noise), n_completions=n)
        options = replace(options, noise=noise)
        return self._run(self._rows(pool, weight, training), judges, options, streams)

    def _checked_completions(self, Z, n_draws, rng, by_density):
        completions = self._completions(Z, n_draws, rng, by_density)
        if self._may_lie_outside():
            self._refuse_outside(completions[0])
        return completions

    def _adapt_mixture(self, rng, **options):
        """Fit the mixture to the density that it proposes for."""
        Z = self._typical_draws(rng)
        if len(Z):
            mixture = maximise(self._mixture(), Z, self._completion["variances"], **options)
            self._completion = {**self._completion, **vars(mixture)}

    def _typical_draws(self, rng):
        """Standardised draws of the density without its tails, which would widen a mixture."""
        Z = self._standardise(self._sample(_N_ADAPTATION_DRAWS, rng, self.module_.prior.sample))
        low, high = self._range()
        middle, reach = (low + high) / 2, 1.5 * (high - low)
        return Z[(np.abs(Z - middle) <= reach).all(1)]

    # ------------------------------------------------------------------ what is missing

    def _mixture(self):
        if "means" not in self._completion:
            self._completion = {**self._completion, **vars(self._mixture_of_draws())}
        return Mixture(*(self._completion[name] for name in _OF_MIXTURE))

    def _mixture_of_draws(self):
        """A mixture fitted to the density alone, the same one whenever it is made."""
        rng = np.random.RandomState(_SEED)
        Z = self._typical_draws(rng)
        if len(Z) < 2:
            # None lie near the training rows: the corners of these say where else to look.
            Z = np.stack(list(self._range()))
        return maximise(fit_incomplete(Z, None, rng), Z, variances(Z))

    def _range(self):
        """Least and largest standardised value of each column in training."""
        # A column whose few values were all held out has none.
        return (np.nan_to_num(self._completion[name]) for name in ("lowest", "highest"))

    def _filled(self, X, rng):
        """Rows with one draw of what is missing."""
        return self._fill(X, 1, rng)[0] if np.isnan(X).any() else X

    def _fill(self, X, n_draws, rng):
        """Several copies of rows with draws of what is missing, (n_draws, n, d)."""
        Z, missing = self._standardise(X), np.isnan(X)
        filled = np.repeat(X[None], n_draws, 0)
        part = missing.any(1) & ~missing.all(1)
        if part.any():
            n_candidates = max(_N_DRAWS, 8 * n_draws)
            Z = self._completions(Z[part], n_draws, rng, True, n_candidates)
            filled[:, part] = self._unstandardise(Z)
        if empty := missing.all(1).sum():
            drawn = self._sample(n_draws * empty, rng, self.module_.prior.sample)
            filled[:, missing.all(1)] = drawn.reshape(n_draws, empty, -1)
        return np.where(missing, self._to_levels(filled), X)

    def _completions(self, Z, n_draws, rng, by_density, n_candidates=_N_CANDIDATES):
        """Copies of rows with draws of what is missing, (n_draws, n, d).

        They come from the density, or, before there is one, from the mixture within the range of
        what is known, so that they stay in the domain of the map.
        """
        completions = np.repeat(Z[None], n_draws, 0)
        seed, shift = rng.randint(2**31 - 1), rng.uniform(size=(len(Z), Z.shape[1] + 2))
        low, high = self._range()
        for rows, columns, values, own, drawn in proposals(
            self._mixture(), Z, n_candidates, seed, shift
        ):
            if not columns.shape[1]:
                continue
            if by_density:
                target = self._log_prob_of(Z[rows], columns, values)
            else:
                low_here, high_here = low[columns][:, None], high[columns][:, None]
                inside = ((values >= low_here) & (values <= high_here)).all(2)
                target = np.where(inside, own, -np.inf)
                values = values.clip(low_here, high_here)
            chosen = _resample(target - drawn, n_draws, rng)
            picked = np.take_along_axis(values, chosen[..., None], 1)
            completions[:, rows[:, None], columns] = picked.swapaxes(0, 1)
        return completions

    def _log_prob_of(self, Z, columns, values, without=None):
        """Log density of rows with values of their missing columns, (n, n_draws)."""
        each = None if without is None else np.repeat(without, values.shape[1])
        scores = self._log_prob(_with_draws(Z, columns, values), each)
        return scores.reshape(values.shape[:2])

    def _map_filled(self, function, Z, columns, values):
        """Apply a function of the module to rows with each draw of what is missing."""
        mapped = self._map_rows(function, _with_draws(Z, columns, values))
        return mapped.reshape(*values.shape[:2], *mapped.shape[1:])

    # ------------------------------------------------------------------ scoring

    def _score_copies(self, copies, rows, n_draws=None):
        """Log density of changed copies of rows, without the kernels on the rows themselves."""
        copies, rows = self._validate_scored(copies), self._validate_scored(rows)
        without = self._own_kernels(rows)
        if without is not None:
            without = np.repeat(without, len(copies) // len(rows))
        if n_draws is None or not np.isnan(copies).any():
            return self._log_density(copies, without)
        return self._marginal(copies, n_draws, without)[0]

    def _own_kernels(self, X):
        """The kernel on each of some valid rows, -1 for none; None where there are no kernels."""
        return

    def _log_density(self, X, without=None):
        if np.isnan(X).any():
            return self._marginal(X, _N_DRAWS, without)[0]
        return super()._log_density(X, without)

    def _marginal(self, X, n_draws, without=None):
        """Log density of what is known of rows, and its error."""
        log_density, error = np.zeros(len(X)), np.zeros(len(X))
        missing = np.isnan(X)
        whole = ~missing.any(1)
        if whole.any():
            log_density[whole] = super()._log_density(X[whole], _of(without, whole))
        part = ~whole & ~missing.all(1)
        if part.any():
            Z = self._standardise(X[part])
            log_density[part], error[part] = self._integrate(Z, n_draws, _of(without, part))
            log_density[part] -= np.where(missing[part], 0.0, self._log_volumes(Z)).sum(1)
        return log_density, error

    def _integrate(self, Z, n_draws, without=None):
        """Log density of what is known of standardised rows, and its error."""
        exact = closed_form(self.module_, Z, self._torch_device())
        if exact is not None:
            return np.where(np.isnan(exact), -np.inf, exact), np.zeros(len(Z))
        log_density, error = np.empty(len(Z)), np.empty(len(Z))
        for rows, columns, values, own, drawn in proposals(self._mixture(), Z, n_draws, _SEED):
            target = self._log_prob_of(Z[rows], columns, values, _of(without, rows))
            log_weight = target - drawn
            log_density[rows], error[rows] = _log_mean(log_weight, own - drawn)
        return log_density, error

    def _expected(self, function, X):
        """A function of the module, for incomplete rows its mean given what is known."""
        Z, whole = self._standardise(X), ~np.isnan(X).any(1)
        if whole.all():
            return self._map_rows(function, Z)
        rows_in, means = [np.flatnonzero(whole)], []
        if whole.any():
            means.append(self._map_rows(function, Z[whole]))
        index = np.flatnonzero(~whole)
        for rows, columns, values, _, drawn in proposals(
            self._mixture(), Z[index], _N_DRAWS, _SEED
        ):
            part = Z[index[rows]]
            weight = _shares(self._log_prob_of(part, columns, values) - drawn)
            mapped = self._map_filled(function, part, columns, values)
            means.append((weight[:, None] @ mapped)[:, 0])
            rows_in.append(index[rows])
        return np.concatenate(means)[np.argsort(np.concatenate(rows_in))]

    def _latents(self, X):
        whole = ~np.isnan(X).any(1)
        if whole.all():
            return super()._latents(X)
        Z = np.full((len(X), self._n_features_out), np.nan)
        if whole.any():
            Z[whole] = super()._latents(X[whole])
        return Z

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing is not None
        return tags


def _of(without, rows):
    return None if without is None else without[rows]


def _with_draws(Z, columns, values):
    """Rows with each draw of what is missing, (n * n_draws, d)."""
    full = np.repeat(Z[:, None], values.shape[1], 1)
    np.put_along_axis(full, np.broadcast_to(columns[:, None], values.shape), values, 2)
    return full.reshape(-1, Z.shape[1])


def _levels(column):
    """Known values of a column, none where there are too many."""
    levels = np.unique(column[~np.isnan(column)])
    return levels if len(levels) <= _MAX_LEVELS else np.empty(0)


def _shares(log_weight):
    """Weights of draws that sum to one, equal ones where all vanish."""
    log_weight = np.where(np.isnan(log_weight), -np.inf, log_weight)
    with np.errstate(invalid="ignore"):
        share = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
    return np.where(np.isnan(share), 1 / share.shape[1], share)


def _resample(log_weight, n_draws, rng):
    """Indices of draws, each as often as its weight says, in random order, (n, n_draws)."""
    n, n_candidates = log_weight.shape
    row = np.arange(n)[:, None]
    steps = (np.arange(n_draws) + rng.uniform(size=(n, 1))) / n_draws
    cumulative = _shares(log_weight).cumsum(1).clip(0, 1)
    # One search in the cumulative weights of all rows, a unit apart.
    chosen = np.searchsorted((cumulative + row).ravel(), steps + row) - n_candidates * row
    order = rng.uniform(size=chosen.shape).argsort(1)
    return np.take_along_axis(chosen.clip(0, n_candidates - 1), order, 1)


def _log_mean(log_weight, log_ratio):
    """Log of the mean weight of draws, and its standard error to first order.

    The ratio of the undisturbed density of the draws to that from which they were drawn has a mean
    of one, which is known, so that what the weights share with it need not be estimated.
    """
    log_weight = np.where(np.isnan(log_weight), -np.inf, log_weight)
    top = log_weight.max(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(np.exp(log_weight - top))
    ratio = np.nan_to_num(np.exp(log_ratio))
    deviation = ratio - ratio.mean(1, keepdims=True)
    square = np.maximum((deviation**2).mean(1), np.finfo(float).tiny)
    slope = (weight * deviation).mean(1) / square
    mean = weight.mean(1) - slope * (ratio.mean(1) - 1)
    slope = np.where(mean > 0, slope, 0.0)
    mean = np.where(mean > 0, mean, weight.mean(1))
    rest = weight - slope[:, None] * ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        error = rest.std(1, ddof=1) / np.sqrt(weight.shape[1]) / mean
        log_mean = np.log(mean) + top[:, 0]
    # Outside the support all weights are zero, without doubt.
    vanishing = np.isneginf(top[:, 0])
    return np.where(vanishing, -np.inf, log_mean), np.where(vanishing, 0.0, error)


def _joined(records):
    """One record of rounds of training that follow each other."""
    first, *others = records
    history, n_epochs, best = dict(first.history), first.n_epochs, first.best_epoch
    for record in others:
        # The start of a round is the end of the last one.
        new = {name: values[1:] for name, values in record.history.items()}
        new["epoch"] = new["epoch"] + n_epochs
        history = {name: np.append(values, new[name]) for name, values in history.items()}
        best = n_epochs + record.best_epoch if record.best_epoch else best
        n_epochs += record.n_epochs
    # Others follow a round that patience has ended, so that they say nothing of late gains.
    last = records[-1].ended_by
    return TrainingRecord(history, n_epochs, best, last if last == "interrupt" else first.ended_by)
