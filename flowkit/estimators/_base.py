"""The scikit-learn face that all densities share: validate, train, score, sample, transform."""

from __future__ import annotations

import copy
import math
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .._seeds import check_random_state
from ..columns._gaps import lengthen, log_lengths, shorten
from ..columns._moments import (
    column_noise,
    constant_columns,
    location_and_scale,
    refuse_non_finite,
    refuse_outside_support,
    scale_with_noise,
    warn_constant,
    without_far_values,
)
from ..columns._ties import own_noise, warn_heavy
from ..exceptions import (
    ChangedParameterError,
    DeviceUnavailableError,
    InterruptedFitWarning,
    InvalidDataError,
    InvalidParameterError,
    NoHoldOutWarning,
    NotConvergedWarning,
    UncopyableCallbackError,
)
from ..nested import MeanScoreMixin, check_n_samples
from ..nets import set_generator
from ..training import (
    Noise,
    Rows,
    TrainingOptions,
    TrainingRecord,
    has_parameters,
    make_stream,
    path_of,
    train,
    train_chunk,
)
from ..training._reservoir import EMPTY, n_held_out, poured
from ..training._streams import Streams
from ..validation._labels import check_labels, labels_of
from ..validation._parameters import SuggestingEstimator
from ..validation._real_rows import refuse_unreal

# Rows that go through the module at once: few enough for the cache, many enough for the calls.
_MAX_CHUNK = 4096
_MIN_CHUNK = 64
_CHUNK_VALUES = 2**18
_MAX_DROPOUT = 0.3
_MIN_HOLDOUT_ROWS = 3
_MIN_TRAINING_ROWS = 10
# Nats for each column that the last part of training may gain without a warning, by what counts
# and by what one row held out may err.
_MIN_LATE_GAIN, _ROW_ERROR = 0.02, 0.2
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class BaseDensity(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, MeanScoreMixin, SuggestingEstimator
):
    """Base class of densities that are trained by gradient descent.

    Subclasses implement ``_configure(X, Z, weight, rng)``, which settles, from rows as they are
    and standardised, all that the shape of the module depends on as a dict of plain values, and
    what it starts from;
    ``_build(config, generator)``, which makes an untrained module of the former; and
    ``_start(module, start)``, which puts the latter into it.
    """

    # Those that later calls of a continued training cannot change.
    _shaping_parameters: tuple[str, ...] = ("standardize", "dtype", "device")

    _parameter_constraints: dict = {
        "standardize": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "partial_fit_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "noise": [StrOptions({"scott"}), Interval(Real, 0, None, closed="left"), None],
        "dequantize": [StrOptions({"auto"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state", np.random.Generator],
        "device": [str, torch.device],
        "dtype": [StrOptions(set(_DTYPES))],
        "compile": ["boolean"],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the density to the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; finite real numbers, with ``missing='marginalize'`` also NaN.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidDataError
            If a column overflows, or fewer than two rows have a positive weight.
        FitDivergedError
            If the loss stays non-finite after two returns to the best weights.

        Warns
        -----
        ConstantColumnWarning
            If a column holds one value only.
        HeavyValueWarning
            If many rows share a value that does not belong to a lattice of its column.
        NotConvergedWarning
            If the density of the hold-out was still rising when `max_epochs` or `max_time` ended
            training.
        InterruptedFitWarning
            If Ctrl-C ended training after its first step; the best weights so far are kept.
        """
        with self._unchanged_on_failure():
            self._copied_callbacks()
            X, weight = self._validate_training(X, sample_weight, reset=not self._continues())
            streams = Streams(self.random_state)
            training, holdout = self._split(len(X), streams)
            if self._continues():
                self._refuse_other_shape()
            else:
                self._begin(X, weight, training, streams)
            self.__dict__.pop("_trainer", None)
            self.__dict__.pop("_stream", None)
            record = self._train(X, weight, training, holdout, streams)
            self._warn_of_interruption(record)
            if holdout is not None:
                self._warn_of_late_gains(record, len(holdout))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Go on training with a chunk of rows, `partial_fit_epochs` times over it.

        The first call settles place and scale of the columns and the start of the density; later
        calls keep them. The learning rate rises over the first hundred steps and then stays.

        With `early_stopping`, a share `validation_fraction` of the rows, one at a time where
        chunks are that small, is held out of training. Up to 1000 of them stay as judges, half of
        them from the last chunk if that has as many, the others from earlier ones, the older the
        fewer. Of the weights before, the weights after, and an average over the last steps, those
        are kept that give the judges the highest density. So a chunk of the same source leaves the
        density no worse, and a source that changes is followed. `history_` gets an entry for each
        pass: what the judges give to the weights that are kept, and the rate that was set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; finite real numbers, with ``missing='marginalize'`` also NaN.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidDataError
            If a column overflows, or too few rows have a positive weight: two are needed in the
            first call, one later.
        ChangedParameterError
            If a parameter that shapes the module was changed since the first call.
        FitDivergedError
            If the loss is not finite; the estimator stays as it was before the chunk.

        Warns
        -----
        ConstantColumnWarning
            If a column holds one value only.
        HeavyValueWarning
            If many rows share a value that does not belong to a lattice of its column.
        InterruptedFitWarning
            If Ctrl-C ended training after its first step; the best weights so far are kept.
        """
        with self._unchanged_on_failure() as before:
            self._copied_callbacks()
            first = not hasattr(self, "module_")
            X, weight = self._validate_training(X, sample_weight, reset=first)
            streams = Streams(self.random_state, n_calls=getattr(self, "n_iter_", 0))
            training, judges = self._split_chunk(len(X), first, streams)
            if first:
                self._begin(X, weight, training, streams)
            else:
                self._refuse_other_shape()
            # Not given back, as an epoch that fails leaves half a step in it.
            before.pop("_trainer", None)
            trainer = self.__dict__.pop("_trainer", None)
            record = self._train_chunk(X, weight, training, judges, streams, trainer)
            self._warn_of_interruption(record)
        return self

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
        Z = self._standardise(X)
        return self._in_units(self._log_prob(Z, without), Z)

    def _in_units(self, log_density, Z):
        # Rows so far away that their squares overflow have no density left, which is not a NaN.
        log_density = np.where(np.isnan(log_density), -np.inf, log_density)
        return log_density - self._log_volumes(Z).sum(-1)

    def _log_prob(self, Z, without=None):
        """Log density of standardised rows, each without one more kernel where it is given."""
        if without is None:
            return self._map_rows(self.module_.log_prob, Z)
        return self._map_rows(self.module_.log_prob_without, Z, without)

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness; an int gives the same rows each time.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The rows, float64.

        Raises
        ------
        ValueError
            If `n_samples` is less than one.
        """
        check_is_fitted(self)
        return self._sample(n_samples, random_state, self.module_.prior.sample)

    def _sample(self, n_samples, random_state, draw):
        """Rows of the latents that ``draw(n, generator)`` gives."""
        return self._to_domain(self._decode(self._draw(n_samples, random_state, draw)))

    def _to_domain(self, X):
        """Rows of the kind that was fitted, where the density is that of a continuous stand-in."""
        return X

    def _draw(self, n_samples, random_state, draw):
        """What ``draw(n, generator)`` gives."""
        n_samples = check_n_samples(n_samples)
        with torch.inference_mode():
            return draw(n_samples, self._generator(random_state)).cpu().numpy()

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
        """
        check_is_fitted(self)
        X = self._validate_scored(X)
        return self._latents(X).astype(X.dtype, copy=False)

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
        """
        check_is_fitted(self)
        # Latent columns are not the columns of X, so their names are not compared.
        Z = check_array(X, dtype=[np.float64, np.float32], order="C")
        if Z.shape[1] != self._n_features_out:
            raise InvalidDataError(
                f"expected latent rows of shape (n, {self._n_features_out}), got {Z.shape}."
            )
        return self._decode(Z.astype(np.float64)).astype(Z.dtype, copy=False)

    # ------------------------------------------------------------------ training

    def _accepts_missing(self, training: bool) -> bool:
        """Whether rows may hold NaN, in training or later."""
        return False

    def _validate_scored(self, X):
        return self._validate_rows(X, reset=False, incomplete=self._accepts_missing(False))

    def _validate_rows(self, X, reset, ensure_min_samples=1, missing=None, incomplete=False):
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
        refuse_non_finite(checked, self._names(), missing)
        return X

    def _validate_training(self, X, sample_weight, reset):
        # Columns have no scale in one row; later chunks bring theirs along.
        n_needed = 2 if reset else 1
        incomplete = self._accepts_missing(True)
        X = self._validate_rows(X, reset, ensure_min_samples=n_needed, incomplete=incomplete)
        X = X.astype(np.float64)
        if sample_weight is None:
            return X, None
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = weight > 0
        if kept.sum() < n_needed:
            raise InvalidDataError(
                f"sample_weight leaves {kept.sum()} row(s): all other weights are zero. Give at "
                f"least {n_needed} a positive weight."
            )
        return X[kept], weight[kept]

    def _continues(self) -> bool:
        return self.warm_start and hasattr(self, "module_")

    def _refuse_other_shape(self):
        """What shapes the module cannot change while its training goes on."""
        for name, value in self._shaped_by.items():
            now = getattr(self, name)
            arrays = isinstance(now, np.ndarray) or isinstance(value, np.ndarray)
            same = np.array_equal(now, value) if arrays else now is value or now == value
            if not same:
                raise ChangedParameterError(
                    f"{name} was {value!r} when the module was built and is {now!r} now, but "
                    "training goes on from that module. Set it back, or fit anew with "
                    "warm_start=False."
                )

    def _names(self):
        return labels_of(self)

    def _begin(self, X, weight, training, streams):
        """Settle columns and module, everything that comes before the first step.

        The module starts from the training rows alone: a start that had seen the hold-out would
        win every comparison on it.
        """
        device = self._resolve_device()
        self._settle_columns(X, weight)
        self._device = str(device)
        self._dtype = self.dtype
        self._shaped_by = {name: getattr(self, name) for name in self._shaping_parameters}
        Z = self._noisy(self._standardise(X[training]), streams.start)
        seen = None if weight is None else weight[training]
        X, Z = self._complete_start(X[training], Z, seen, streams.start)
        self._config, start = self._configure(X, Z, seen, streams.start)
        module = self._build(self._config, streams.weights)
        self._start(module, start)
        self.module_ = module.to(device=device, dtype=torch.float64).eval()
        self.n_iter_ = 0

    def _settle_columns(self, X, weight):
        """Place, scale and width of the noise of every column."""
        constant = constant_columns(X)
        warn_constant(constant, self._names())
        widths, heavy, gaps = column_noise(X, constant, self.dequantize)
        if getattr(self, "image_shape", None) is None and not hasattr(self, "_told_labels"):
            warn_heavy(heavy, len(X), self._names())
        self._gaps = gaps if self.standardize else []
        described = without_far_values(shorten(X, self._gaps), X, heavy)
        location, scale = location_and_scale(described, weight, self._names())
        if self.standardize:
            scale = scale_with_noise(scale, widths)
        else:
            location, scale = np.zeros_like(location), np.ones_like(scale)
        self.location_, self.scale_, self.dequantization_ = location, scale, widths
        self.heavy_values_ = own_noise(heavy) if self.dequantize else []

    def _complete_start(self, X, Z, weight, rng):
        """Rows as they are and standardised without holes, from which the module starts."""
        return X, Z

    def _noisy(self, Z, rng):
        """Z with the ties of its columns spread out."""
        widths = self.dequantization_ / self.scale_
        heavy = self._standardised_heavy_values()
        if heavy:
            widths = np.tile(widths, (len(Z), 1))
            for j, value, width in heavy:
                widths[Z[:, j] == value, j] = width
        return Z + widths * rng.uniform(-0.5, 0.5, Z.shape) if widths.any() else Z

    def _standardised_heavy_values(self):
        """Column, value and width of the noise of each value with noise of its own."""
        if not self.heavy_values_:
            return []
        columns, values, widths = map(list, zip(*self.heavy_values_, strict=True))
        rows = np.full((len(columns), self.n_features_in_), np.nan)
        rows[np.arange(len(columns)), columns] = values
        # Through the very operations that rows go through, so that equal values stay equal.
        Z = self._standardise(rows)
        return [
            (j, Z[i, j], width / self.scale_[j])
            for i, (j, width) in enumerate(zip(columns, widths, strict=True))
        ]

    def _configure(self, X, Z, weight, rng):
        raise NotImplementedError

    def _build(self, config: dict, generator) -> torch.nn.Module:
        raise NotImplementedError

    def _start(self, module, start) -> None:
        raise NotImplementedError

    def _train(self, X, weight, training, holdout, streams):
        Z = self._standardise(X)
        rows = self._rows(Z[training], weight, training)
        held = None
        if holdout is not None:
            # Uniform noise once: unspread ties would reward spikes on them.
            held = self._rows(self._noisy(Z[holdout], streams.start), weight, holdout)
        if self._may_lie_outside():
            self._refuse_outside(Z)
        time_left = streams.time_left(self.max_time)
        options = self._options(
            len(training), self.max_epochs, holdout is not None, max_time=time_left
        )
        return self._remember(self._run(rows, held, options, streams))

    def _run(self, rows, held, options, streams):
        """Train the module, and tell how it went."""
        module, generator = self._training_module(streams)
        record = train(module, rows, held, options, generator)
        self._adopt(module)
        return record

    def _remember(self, record):
        self.history_ = self._in_units_of_x(record.history)
        self.n_iter_ = record.n_epochs
        self.best_epoch_ = record.best_epoch
        return record

    def _warn_of_interruption(self, record):
        if record.ended_by == "interrupt":
            warnings.warn(
                f"training was interrupted in epoch {self.n_iter_}; the best weights so far, of "
                f"epoch {self.best_epoch_}, are kept. A callback that means to end training "
                "raises flowkit.StopTraining, without this warning.",
                InterruptedFitWarning,
                stacklevel=4,
            )

    def _warn_of_late_gains(self, record, n_holdout):
        if record.ended_by == "max_time" and not record.best_epoch:
            warnings.warn(
                f"max_time={self.max_time!r} ran out in epoch {record.n_epochs}, before training "
                "came above the start of the density, which is kept: raise max_time for a better "
                "fit. What the start takes counts.",
                NotConvergedWarning,
                stacklevel=4,
            )
        gain, n_epochs = record.late_gain()
        allowed = _MIN_LATE_GAIN + _ROW_ERROR / math.sqrt(n_holdout)
        if gain > allowed * self.n_features_in_:
            warnings.warn(
                f"the mean log density of the hold-out still gained {gain:.2g} nats in the last "
                f"{n_epochs} epochs: raise {record.ended_by} (now "
                f"{getattr(self, record.ended_by)!r}) for a better fit.",
                NotConvergedWarning,
                stacklevel=4,
            )

    def _may_lie_outside(self) -> bool:
        """Whether the map may have a domain, which all training rows are then checked against."""
        return True

    def _refuse_outside(self, Z):
        refuse_outside_support(self._map_rows(self.module_.log_prob, Z))

    def _train_chunk(self, X, weight, training, judges, streams, net):
        Z = self._standardise(X)
        self._refuse_outside(Z)
        if not has_parameters(self.module_):
            raise InvalidParameterError(
                "the flow has no parameters, so partial_fit has nothing to train: use fit."
            )
        stream = getattr(self, "_stream", EMPTY)
        held = self._noisy(Z[judges], streams.start)
        held_weight = np.ones(len(held)) if weight is None else weight[judges]
        stream = poured(stream, len(X), held, held_weight, streams.start)
        if len(training):
            stream, record = self._train_on(Z[training], weight, training, stream, streams, net)
        else:
            # The only row of the chunk became a judge.
            record = TrainingRecord({"epoch": np.zeros(1, dtype=int)}, 1)
        self._stream = stream
        return self._remember_chunk(record)

    def _train_on(self, Z, weight, training, stream, streams, net):
        """Train on part of a chunk, judged by what was held out of the stream."""
        # A step back would leave part of the chunk untrained, so the first one is an error.
        options = self._options(
            len(Z),
            self.partial_fit_epochs,
            False,
            schedule=False,
            max_setbacks=0,
            max_time=streams.time_left(self.max_time),
        )
        if net is None:
            module, generator = self._training_module(streams)
            net = make_stream(module, stream["path"], options, generator)
        else:
            generator = self._training_generator(net.module_, streams)
        judges = None
        if self.early_stopping and len(stream["rows"]) >= _MIN_HOLDOUT_ROWS:
            judges = self._rows(stream["rows"], stream["weight"], slice(None))
        rows = self._rows(Z, weight, training)
        module, record = train_chunk(net, rows, judges, options, generator)
        self._adopt(module)
        self._trainer = net
        return {**stream, "path": path_of(net)}, record

    def _remember_chunk(self, record):
        old = getattr(self, "history_", {})
        new = self._in_units_of_x(record.history)
        new["epoch"] = self.n_iter_ + 1 + np.arange(record.n_epochs)
        unknown = np.full(record.n_epochs, np.nan)
        self.history_ = {
            name: np.append(old.get(name, new["epoch"][:0]), new.get(name, unknown))
            for name in {**old, **new}
        }
        if record.best_epoch:
            self.best_epoch_ = self.n_iter_ + record.best_epoch
        self.best_epoch_ = getattr(self, "best_epoch_", 0)
        self.n_iter_ += record.n_epochs
        return record

    def _in_units_of_x(self, history):
        shift = np.log(self.scale_).sum()
        return {k: v - shift if k.endswith("log_density") else v for k, v in history.items()}

    def _training_module(self, streams):
        module = copy.deepcopy(self.module_).to(dtype=_DTYPES[self._dtype]).train()
        return module, self._training_generator(module, streams)

    def _training_generator(self, module, streams):
        device = self._torch_device()
        set_generator(module, streams.torch(streams.dropout, device))
        return streams.torch(streams.batches, device)

    def _adopt(self, module):
        set_generator(module, None)
        self.module_ = module.to(dtype=torch.float64).eval()

    def _split(self, n, streams):
        """Indices of training rows and of the hold-out, or None for the latter."""
        order = streams.start.permutation(n)
        n_holdout = math.ceil(self.validation_fraction * n)
        if not self.early_stopping:
            return order, None
        if n_holdout < _MIN_HOLDOUT_ROWS or n - n_holdout < _MIN_TRAINING_ROWS:
            warnings.warn(
                f"{n} rows are too few for a hold-out of validation_fraction="
                f"{self.validation_fraction}: early stopping is off. Give at least "
                f"{_MIN_HOLDOUT_ROWS} rows to the hold-out and {_MIN_TRAINING_ROWS} to training, "
                "or set early_stopping=False.",
                NoHoldOutWarning,
                stacklevel=4,
            )
            return order, None
        return order[n_holdout:], order[:n_holdout]

    def _split_chunk(self, n, first, streams):
        """Indices of rows of a chunk to train on, and of those to judge by."""
        order = streams.start.permutation(n)
        n_judges = 0
        if self.early_stopping:
            n_seen = getattr(self, "_stream", EMPTY)["n_seen"]
            n_judges = n_held_out(n, n_seen, self.validation_fraction)
        n_needed = _MIN_TRAINING_ROWS if first else self._n_rows_needed()
        n_judges = max(0, min(n_judges, n - n_needed))
        return order[n_judges:], order[:n_judges]

    def _n_rows_needed(self) -> int:
        """Rows without which a chunk cannot be trained on, 0 where it may be left out."""
        return 0

    def _rows(self, Z, weight, index):
        device, dtype = self._torch_device(), _DTYPES[self._dtype]
        if weight is not None:
            weight = weight[index] / weight[index].mean()
            weight = torch.as_tensor(weight, dtype=dtype, device=device)
        return Rows(torch.as_tensor(Z, dtype=dtype, device=device), weight)

    def _options(self, n, max_epochs, has_holdout, **changes):
        noise = self._noise_deviation(n)
        widths = self.dequantization_ / self.scale_
        device, dtype = self._torch_device(), _DTYPES[self._dtype]
        heavy = [
            (j, *torch.tensor([value, width], dtype=dtype, device=device))
            for j, value, width in self._standardised_heavy_values()
        ]
        uniform = None
        if widths.any() or heavy:
            uniform = torch.as_tensor(widths, dtype=dtype, device=device)
        return TrainingOptions(
            max_epochs=max_epochs,
            batch_size=self._batch_size(n),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.n_iter_no_change if has_holdout else None,
            tol=self.tol,
            noise=Noise(noise, uniform, heavy),
            callbacks=self._copied_callbacks(),
            verbose=int(self.verbose),
            **changes,
        )

    def __sklearn_clone__(self):
        try:
            return super().__sklearn_clone__()
        except Exception:
            # Copies for a clone are those for a fit.
            self._copied_callbacks()
            raise

    def _copied_callbacks(self):
        copies = []
        for callback in self.callbacks or []:
            try:
                copies.append(copy.deepcopy(callback))
            except Exception as error:
                raise UncopyableCallbackError(
                    f"callbacks holds {callback!r}, which cannot be copied ({error}); each fit "
                    "trains with copies of its own. Make what cannot be copied, such as locks, "
                    "files and connections, in its method initialize or on_train_begin, or give "
                    "it a method __deepcopy__."
                ) from error
        return copies

    def _noise_deviation(self, n) -> float:
        if self.noise == "scott":
            return n ** (-1 / (self.n_features_in_ + 4))
        return float(self.noise or 0.0)

    def _dropout_share(self, n) -> float:
        """Share of hidden units to drop, of estimators that have a `dropout` parameter."""
        return min(_MAX_DROPOUT, 10 / math.sqrt(n)) if self.dropout == "auto" else self.dropout

    def _batch_size(self, n) -> int:
        if self.batch_size == "auto":
            return int(np.clip(n // 32, 64, 1024))
        return self.batch_size

    def _resolve_device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if problem := _problem_with(self.device):
            raise DeviceUnavailableError(
                f"device={str(self.device)!r} cannot be used on this machine ({problem}). Use "
                "device='auto' or device='cpu'."
            )
        return torch.device(self.device)

    def _torch_device(self) -> torch.device:
        return torch.device(self._device)

    # ------------------------------------------------------------------ scoring

    def _standardise(self, X):
        with np.errstate(over="ignore"):
            return (shorten(X.astype(np.float64), self._gaps) - self.location_) / self.scale_

    def _unstandardise(self, Z):
        return lengthen(Z * self.scale_ + self.location_, self._gaps)

    def _log_volumes(self, Z):
        """Log of the length in X of a unit of each standardised column, of all rows or of each."""
        log_scale = np.log(self.scale_)
        if not self._gaps:
            return log_scale
        return log_scale + log_lengths(Z * self.scale_ + self.location_, self._gaps)

    def _map_rows(self, function, Z, *others):
        """Apply a function of the module to rows and what belongs to them, chunk by chunk."""
        device = self._torch_device()
        size = int(np.clip(_CHUNK_VALUES // Z.shape[1], _MIN_CHUNK, _MAX_CHUNK))
        with torch.inference_mode():
            chunks = [
                function(*(torch.from_numpy(a[i : i + size]).to(device) for a in (Z, *others)))
                .cpu()
                .numpy()
                for i in range(0, len(Z), size)
            ]
        return np.concatenate(chunks)

    def _gradient_norm(self, X):
        """Length of the gradient of the log density by standardised columns."""

        def norms(z):
            # Scoring runs without gradients, which are wanted here.
            with torch.inference_mode(False), torch.enable_grad():
                z = z.clone().requires_grad_()
                (gradient,) = torch.autograd.grad(self.module_.log_prob(z).sum(), z)
            return gradient.norm(dim=1)

        return self._map_rows(norms, self._standardise(self._validate_rows(X, reset=False)))

    def _generator(self, random_state):
        """Source of randomness of a method, on the device of the module."""
        generator = torch.Generator(self._torch_device())
        return generator.manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))

    def _encode(self, X):
        """Latents of rows, float64."""
        check_is_fitted(self)
        return self._latents(self._validate_rows(X, reset=False))

    def _latents(self, X):
        """Latents of valid rows, float64."""
        return self._map_rows(self.module_.encode, self._standardise(X))

    def _encode_pairs(self, X, other):
        """Latents of rows that come in pairs."""
        first, second = self._encode(X), self._encode(other)
        if len(first) != len(second):
            raise InvalidDataError(
                f"rows come in pairs, got {len(first)} and {len(second)} of them."
            )
        return first, second

    def _decode(self, Z):
        """Rows of latents, float64."""
        return self._unstandardise(self._map_rows(self.module_.decode, Z))

    # ------------------------------------------------------------------ scikit-learn

    @property
    def _n_features_out(self):
        return self.n_features_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("_trainer", None)
        module = state.pop("module_", None)
        if module is not None:
            # Training saw weights of this dtype, so nothing is lost by storing them in it.
            dtype = _DTYPES[self._dtype]
            state["_weights"] = {
                k: (v.to(dtype) if v.is_floating_point() else v).detach().cpu().numpy()
                for k, v in module.state_dict().items()
            }
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            self._device = "cpu" if _problem_with(self._device) else self._device
            module = self._build(self._config, torch.Generator())
            module = module.to(device=self._torch_device(), dtype=torch.float64)
            # Copies, as weights may lie in memory that must not be written to.
            module.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
            self.module_ = module.eval()
            # Older ones know none.
            for name in ("heavy_values_", "_gaps"):
                self.__dict__.setdefault(name, [])


def _problem_with(device: str | torch.device) -> str:
    """Why a device cannot be used, empty if it can."""
    try:
        # Scores are float64, which some devices lack; others hold no values at all.
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        return str(error).splitlines()[0]
    return ""
