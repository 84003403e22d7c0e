"""The scikit-learn face that all densities share: validate, train, score, sample, transform."""

from __future__ import annotations

import copy
import math
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..exceptions import (
    ChangedParameterError,
    DeviceUnavailableError,
    InvalidDataError,
    InvalidParameterError,
    NoHoldOutWarning,
)
from ..nets import set_generator
from ..training import (
    Noise,
    Rows,
    TrainingOptions,
    continue_net,
    has_parameters,
    make_net,
    monitored_names,
    train,
)
from ._any_density import MeanScoreMixin, check_n_samples
from ._columns import (
    location_and_scale,
    noise_widths,
    refuse_non_finite,
    refuse_outside_support,
    scale_with_noise,
    warn_constant,
)
from ._labels import check_labels, labels_of
from ._parameters import SuggestingEstimator
from ._real_rows import refuse_unreal
from ._streams import Streams

# Rows that go through the module at once: few enough for the cache, many enough for the calls.
_MAX_CHUNK = 4096
_MIN_CHUNK = 64
_CHUNK_VALUES = 2**18
_MAX_DROPOUT = 0.3
_MIN_HOLDOUT_ROWS = 3
_MIN_TRAINING_ROWS = 10
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
        "random_state": ["random_state"],
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
        """
        with self._unchanged_on_failure():
            X, weight = self._validate_training(X, sample_weight, reset=not self._continues())
            streams = Streams(self.random_state)
            training, holdout = self._split(len(X), streams)
            if self._continues():
                self._refuse_other_shape()
            else:
                self._begin(X, weight, training, streams)
            self.__dict__.pop("_trainer", None)
            self._train(X, weight, training, holdout, streams)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one more epoch on a chunk of rows.

        The first call settles place and scale of the columns and the start of the density; later
        calls keep them. There is no hold-out, and the learning rate stays constant.

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
        """
        # Taken out, so that a failed epoch cannot leave half a step in it.
        trainer = self.__dict__.pop("_trainer", None)
        with self._unchanged_on_failure():
            first = not hasattr(self, "module_")
            X, weight = self._validate_training(X, sample_weight, reset=first)
            streams = Streams(self.random_state, n_calls=getattr(self, "n_iter_", 0))
            if first:
                self._begin(X, weight, np.arange(len(X)), streams)
            else:
                self._refuse_other_shape()
            self._train_chunk(X, weight, streams, trainer)
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

    def _log_density(self, X):
        log_density = self._map_rows(self.module_.log_prob, self._standardise(X))
        # Rows so far away that their squares overflow have no density left, which is not a NaN.
        log_density[np.isnan(log_density)] = -np.inf
        return log_density - np.log(self.scale_).sum()

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
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
        return self._decode(self._draw(n_samples, random_state, draw))

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
            Rows in the units of the training data, of the dtype of X.
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
        check_labels(self, X, reset)
        refuse_unreal(X, self)
        X = validate_data(
            self,
            X,
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
        location, scale, constant, widths = self._describe_columns(X, weight)
        warn_constant(constant, self._names())
        if self.standardize:
            scale = scale_with_noise(scale, constant, widths)
        else:
            location, scale = np.zeros_like(location), np.ones_like(scale)
        self.location_, self.scale_, self.dequantization_ = location, scale, widths

    def _describe_columns(self, X, weight):
        """Mean, deviation, whether there is but one value, and width of the noise."""
        location, scale, constant = location_and_scale(X, weight, self._names())
        return location, scale, constant, noise_widths(X, constant, self.dequantize)

    def _complete_start(self, X, Z, weight, rng):
        """Rows as they are and standardised without holes, from which the module starts."""
        return X, Z

    def _noisy(self, Z, rng):
        """Z with the ties of its columns spread out."""
        widths = self.dequantization_ / self.scale_
        return Z + widths * rng.uniform(-0.5, 0.5, Z.shape) if widths.any() else Z

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
        options = self._options(len(training), self.max_epochs, holdout is not None)
        self._remember(self._run(rows, held, options, streams))

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

    def _may_lie_outside(self) -> bool:
        """Whether the map may have a domain, which all training rows are then checked against."""
        return True

    def _refuse_outside(self, Z):
        refuse_outside_support(self._map_rows(self.module_.log_prob, Z))

    def _train_chunk(self, X, weight, streams, net):
        Z = self._standardise(X)
        self._refuse_outside(Z)
        if not has_parameters(self.module_):
            raise InvalidParameterError(
                "the flow has no parameters, so partial_fit has nothing to train: use fit."
            )
        # A step back would leave part of the chunk untrained, so the first one is an error.
        options = self._options(len(X), 1, False, schedule=False, max_setbacks=0)
        if net is None:
            module, generator = self._training_module(streams)
            net = make_net(module, None, options, generator, len(X))
        else:
            continue_net(net, options, self._training_generator(net.module_, streams))
        net.partial_fit(self._rows(Z, weight, slice(None)))
        self._adopt(copy.deepcopy(net.module_))
        self._trainer = net
        row = net.history[-1]
        entry = {
            "epoch": self.n_iter_ + 1,
            "train_log_density": -row["train_loss"],
            "valid_log_density": np.nan,
            "learning_rate": row["learning_rate"],
            "seconds": row["dur"],
            **{name: row[name] for name in monitored_names(net)},
        }
        entry = self._in_units_of_x(entry)
        old = getattr(self, "history_", {})
        self.history_ = {k: np.append(old.get(k, []), v) for k, v in entry.items()}
        self.n_iter_ = self.best_epoch_ = self.n_iter_ + 1

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
        uniform = torch.as_tensor(widths, dtype=dtype, device=device) if widths.any() else None
        return TrainingOptions(
            max_epochs=max_epochs,
            batch_size=self._batch_size(n),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.n_iter_no_change if has_holdout else None,
            tol=self.tol,
            noise=Noise(noise, uniform),
            callbacks=copy.deepcopy(list(self.callbacks or [])),
            verbose=int(self.verbose),
            **changes,
        )

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
            return (X.astype(np.float64) - self.location_) / self.scale_

    def _unstandardise(self, Z):
        return Z * self.scale_ + self.location_

    def _map_rows(self, function, Z):
        """Apply a function of the module to rows, chunk by chunk."""
        device = self._torch_device()
        size = int(np.clip(_CHUNK_VALUES // Z.shape[1], _MIN_CHUNK, _MAX_CHUNK))
        with torch.inference_mode():
            chunks = [
                function(torch.from_numpy(Z[i : i + size]).to(device)).cpu().numpy()
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
            module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
            self.module_ = module.eval()


def _problem_with(device: str | torch.device) -> str:
    """Why a device cannot be used, empty if it can."""
    try:
        # Scores are float64, which some devices lack; others hold no values at all.
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        return str(error).splitlines()[0]
    return ""
