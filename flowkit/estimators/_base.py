"""How all densities are fitted: validate, learn the columns, initialise, train."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy as np
import torch
from sklearn.base import _fit_context

from ..columns import Columns, GreyLevels, StandardisedColumns
from ..exceptions import ChangedParameterError, InvalidParameterError
from ..missing import Completion
from ..starts import Start
from ..streams import refuse_streams
from ..training import FitRun, Stream, TrainingRecord, after_chunk, has_parameters, n_held_out
from ..validation import (
    has_missing,
    holds_grey_levels,
    labels_of,
    row_blocks,
    tell_labels,
)
from ._checkpoint import checkpoint_of
from ._device import resolve_device
from ._fitted import FittedDensity
from ._hold_out import MIN_TRAINING_ROWS, split, split_chunk
from ._parameters import SHARED_CONSTRAINTS
from ._rounds import completed_fit
from ._rows import StandardisedRows, described, stored, validated
from ._training import (
    Trainer,
    copied_callbacks,
    normal_noise,
    pass_interruption_on,
    warn_of_interruption,
    warn_of_late_gains,
)

_MAX_DROPOUT = 0.3


def usual_dropout(n: int) -> float:
    """Share of hidden units to drop where networks see n rows."""
    return min(_MAX_DROPOUT, 10 / math.sqrt(n))


class BaseDensity(FittedDensity):
    """Base class of densities that are trained by gradient descent.

    `fit` validates rows, learns their columns, initialises a module, and trains it. Subclasses
    implement two of these hooks, and override the others where they differ:

    - ``_initialize(X, Z, sample_weight, random_state)``: what the module is built from, as plain
      values, and what it is initialised from;
    - ``_build_module(config, generator)``: an untrained module of the former;
    - ``_make_columns(X, sample_weight, grey)``: location, scale and noise of the columns;
    - ``_batch_size(n)``: rows in a batch;
    - ``_finalize(X, sample_weight, training, start, random_state)``: descriptions of the training
      rows by the trained module.

    Their constructors name all parameters. Those that all estimators share are constrained and
    documented here, so a subclass lists its own ones only: constraints in
    ``_parameter_constraints``, and in ``_shaping_parameters`` the names of those that later calls
    of a continued training cannot change.
    """

    _shaping_parameters: tuple[str, ...] = ("standardize", "dtype", "device")

    # Rows that an epoch of `fit` visits at most; None for all.
    _max_epoch_rows: int | None = None

    # Whether messages about values are left to a table around this density, which encoded them.
    _column_warnings = True

    _parameter_constraints: dict = SHARED_CONSTRAINTS

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        own, named = vars(cls), inspect.signature(cls).parameters
        if "_parameter_constraints" in own:
            shared = {name: kind for name, kind in SHARED_CONSTRAINTS.items() if name in named}
            cls._parameter_constraints = {**shared, **own["_parameter_constraints"]}
        if "_shaping_parameters" in own:
            shared = (name for name in BaseDensity._shaping_parameters if name in named)
            cls._shaping_parameters = (*shared, *own["_shaping_parameters"])

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the density to the rows of X.

        Rows that are too many for memory may be a `numpy.memmap`, or come in chunks, which are
        stored in a temporary file first: a fit to them is the same as one to an array of the rows.
        Above 100,000 rows, location, scale and noise of the columns and the initial density are
        learned from 100,000 training rows drawn at random, as is what is told of the training rows
        later. Above 2**25 values, training rows are read when their batch is due, and none is
        copied; all rows are trained on in any case.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or stream of chunks
            Rows; finite real numbers, with ``missing='marginalize'`` also NaN, which must be in
            memory. A stream is a `flowkit.Chunks`, such as ``Chunks('rows.parquet')``, a generator
            of arrays or DataFrames, or a dataset or Parquet file of pyarrow.
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
        InvalidFileError
            If there is no room for the rows of a stream.
        FitDivergedError
            If the loss stays non-finite after two returns to the best weights.
        BatchMemoryError
            If not even the smallest part of a batch fits into memory.
        CheckpointError
            If `checkpoint` cannot be read or written, or holds another training.
        KeyboardInterrupt
            If Ctrl-C ended training and `on_interrupt` is 'raise'.

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
        BatchInPartsWarning
            If batches did not fit into memory as a whole.
        """
        with self._unchanged_on_failure():
            copied_callbacks(self.callbacks)
            begins = not (self.warm_start and hasattr(self, "module_"))
            X = stored(self, X, begins)
            grey = self._holds_grey_levels(X)
            X, weight = self._validate_training(X, sample_weight, begins)
            run = FitRun(self.random_state)
            checkpoint = checkpoint_of(self, X, weight, begins)
            training, hold_out = split(
                len(X), self.early_stopping, self.validation_fraction, run.start
            )
            rows = described(X, weight, training)
            start = self._begin(*rows, grey, run, begins)
            self._stream = Stream()
            record = self._train(X, weight, training, hold_out, run, begins, checkpoint)
            self.n_samples_seen_ = len(X)
            pass_interruption_on(record, self.on_interrupt)
            self._finish(*rows, start, run)
            if checkpoint is not None and record.ended_by != "interrupt":
                checkpoint.discard()
            warn_of_interruption(record, self.n_iter_, self.best_epoch_)
            if hold_out is not None:
                warn_of_late_gains(record, self, len(hold_out))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Go on training with a chunk of rows, in `partial_fit_epochs` passes over it.

        The first call learns location and scale of the columns and initialises the density; later
        calls keep them. The learning rate rises over the first hundred steps and then stays.

        With `early_stopping`, a share `validation_fraction` of the rows is held out of training;
        of small chunks, one row every few chunks. Up to 1000 rows stay in the hold-out: half of
        them from the last chunk, if it brings as many, the others from earlier chunks, the older
        the fewer. After each pass, three sets of weights compete on the hold-out: those kept
        before, those after the pass, and an average over the last steps. The set with the highest
        mean log density is kept. So a chunk of the same source leaves the density no worse, and a
        source that changes is followed. `history_` gets an entry for each pass: the mean log
        density of the hold-out under the weights that are kept, and the learning rate that was
        set.

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
        BatchMemoryError
            If not even the smallest part of a batch fits into memory.

        Warns
        -----
        ConstantColumnWarning
            If a column holds one value only.
        HeavyValueWarning
            If many rows share a value that does not belong to a lattice of its column.
        InterruptedFitWarning
            If Ctrl-C ended training after its first step; the best weights so far are kept.
        BatchInPartsWarning
            If batches did not fit into memory as a whole.
        """
        with self._unchanged_on_failure() as before:
            copied_callbacks(self.callbacks)
            begins = not hasattr(self, "module_")
            refuse_streams(X, self)
            grey = self._holds_grey_levels(X)
            X, weight = self._validate_training(X, sample_weight, begins)
            X = np.ascontiguousarray(X, dtype=np.float64)
            run = FitRun(self.random_state, n_calls=0 if begins else self.n_iter_)
            stream = Stream() if begins else self._stream
            n_wanted = 0
            if self.early_stopping:
                n_wanted = n_held_out(len(X), stream.n_seen, self.validation_fraction)
            n_needed = MIN_TRAINING_ROWS if begins else self.module_.min_rows
            training, hold_out = split_chunk(len(X), n_wanted, n_needed, run.start)
            start = self._begin(X, weight, training, grey, run, begins)
            if not begins:
                # Without its net, as an epoch that fails leaves half a step in that.
                before["_stream"] = replace(stream, net=None)
            X, record = self._train_chunk(X, weight, training, hold_out, stream, run)
            self.n_samples_seen_ = len(X) + (0 if begins else getattr(self, "n_samples_seen_", 0))
            pass_interruption_on(record, self.on_interrupt)
            self._finish(X, weight, training, start, run, again=True)
            warn_of_interruption(record, self.n_iter_, self.best_epoch_)
        return self

    # ------------------------------------------------------------------ hooks

    def _initialize(self, X, Z, sample_weight, random_state) -> tuple[dict, Start]:
        """What the module is built from, and what it is initialised from.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Training rows, completed.
        Z : ndarray of shape (n, n_features)
            The same standardised, with their uniform noise.
        sample_weight : ndarray of shape (n,) or None
            Their weights.
        random_state : RandomState
            Source of randomness.

        Returns
        -------
        config : dict
            Plain values that `_build_module` takes. With ``given=True``, training rows are checked
            against the domain of the map first.
        start : Start
            What the module is initialised from.
        """
        raise NotImplementedError

    def _build_module(self, config: dict, generator: torch.Generator) -> torch.nn.Module:
        """An untrained module.

        Parameters
        ----------
        config : dict
            From `_initialize`, or from a pickle.
        generator : torch.Generator
            Source of the weights.

        Returns
        -------
        DensityModule
            The module.
        """
        raise NotImplementedError

    def _make_columns(self, X, sample_weight, grey: bool) -> Columns:
        """Location, scale, noise and domain of the columns of training rows.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows; values may be missing.
        sample_weight : ndarray of shape (n,) or None
            Their weights.
        grey : bool
            Whether they are images of 8 bits.

        Returns
        -------
        Columns
            The columns.
        """
        if grey:
            return GreyLevels.of(X.shape[1], self.dequantize)
        return StandardisedColumns.of(
            X,
            sample_weight,
            labels_of(self),
            dequantize=self.dequantize,
            standardize=self.standardize,
            warns_of_heavy_values=self.image_shape is None and self._column_warnings,
        )

    def _batch_size(self, n: int) -> int:
        """Rows in a batch of n training rows."""
        if self.batch_size == "auto":
            return int(np.clip(n // 16, 64, 1024))
        return self.batch_size

    @property
    def _topic_keeper(self):
        """What gives the topics (n, K) that training holds standardised rows at, if anything."""

    def _finalize(self, X, sample_weight, training, start, random_state) -> None:
        """Describe the training rows by the trained module, as fitted attributes; none by default.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Rows; values may be missing.
        sample_weight : ndarray of shape (n,) or None
            Their weights.
        training : ndarray of int
            Those that were trained on.
        start : Start or None
            What the module was initialised from, None where training went on.
        random_state : RandomState
            Source of randomness.
        """

    # ------------------------------------------------------------------ validation

    def _named_by(self, labels):
        """Take names for columns from a table around, which also warns of their values itself."""
        tell_labels(self, labels)
        self._column_warnings = False

    def _holds_grey_levels(self, X) -> bool:
        return self.image_shape is not None and holds_grey_levels(X)

    def _validate_training(self, X, sample_weight, begins):
        """Training rows of positive weight, and their weights."""
        return validated(self, X, sample_weight, begins)

    def _refuse_other_shape(self):
        """Refuse changes of what shapes the module while its training goes on."""
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

    # ------------------------------------------------------------------ training

    def _begin(self, X, weight, training, grey, run, begins) -> Start | None:
        """Everything that comes before the first step: columns, and the initialised module.

        Only the training rows initialise the module: with the hold-out among them, the initial
        weights would win every comparison on it.
        """
        if not begins:
            self._refuse_other_shape()
            self._columns.validate(X, labels_of(self), self.noise)
            return None
        device = resolve_device(self.device)
        self._columns = self._make_columns(X, weight, grey)
        self._columns.validate(X, labels_of(self), self.noise)
        self._device, self._dtype = str(device), self.dtype
        self._shaped_by = {name: getattr(self, name) for name in self._shaping_parameters}
        rng, X = run.start, X[training]
        Z = self._columns.spread_ties(self._columns.standardise(X), rng)
        weight = None if weight is None else weight[training]
        self._completion = None
        if self._takes_incomplete_rows and self.image_shape is None:
            self._completion = Completion.of(X, self._columns)
        if self.missing is not None:
            Z = Z + normal_noise(self.noise, len(Z), Z.shape[1]) * rng.normal(size=Z.shape)
            self._completion = self._completion.fitted(Z, weight, rng)
            X, Z = self._completion.complete(X, Z, rng)
        self._config, start = self._initialize(X, Z, weight, rng)
        module = self._build_module(self._config, run.weights)
        start.initialise(module)
        self.module_ = module.to(device=device, dtype=torch.float64).eval()
        self.module_.refresh()
        self.n_iter_ = 0
        return start

    def _train(self, X, weight, training, hold_out, run, begins, checkpoint):
        trainer = Trainer(self, run, checkpoint)
        checks = self._may_exclude_rows or (self._columns.bounded and not begins)
        if self.missing is not None and has_missing(X):
            rows = X, self._columns.standardise(X), weight, training, hold_out
            self.module_, record = completed_fit(
                trainer, self.module_, self._completion, *rows, checks
            )
        else:
            for block in row_blocks(len(X)):
                self._columns.validate(X[block], labels_of(self), self.noise)
            Z = StandardisedRows(X, self._columns)
            if checks:
                trainer.refuse_outside_support(self.module_, Z)
            self.module_, record = trainer.fit(self.module_, Z, weight, training, hold_out)
        self.history_ = self._in_units_of_x(record.history)
        self.n_iter_, self.best_epoch_ = record.n_epochs, record.best_epoch
        return record

    @property
    def _may_exclude_rows(self) -> bool:
        """Whether the map may have a domain that training rows have to be checked against."""
        return bool(self._config.get("given"))

    def _train_chunk(self, X, weight, training, hold_out, stream, run):
        """Train on a chunk; its rows without holes, and what happened."""
        X = self._filled(X, run.start)
        trainer, Z = Trainer(self, run), self._columns.standardise(X)
        if self.module_.is_exact:
            trainer.refuse_outside_support(self.module_, Z)
        if not has_parameters(self.module_):
            raise InvalidParameterError(
                "the flow has no parameters, so partial_fit has nothing to train: use fit."
            )
        held = self._columns.spread_ties(Z[hold_out], run.start)
        held_weight = np.ones(len(held)) if weight is None else weight[hold_out]
        stream = after_chunk(stream, len(X), held, held_weight, run.start)
        if len(training):
            self.module_, stream, record = trainer.fit_chunk(
                self.module_, stream, Z, weight, training
            )
        else:
            # The only row of the chunk was held out.
            record = TrainingRecord({"epoch": np.zeros(1, dtype=int)}, 1)
        self._stream = stream
        self._remember_chunk(record)
        return X, record

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

    def _in_units_of_x(self, history):
        shift = np.log(self.scale_).sum()
        return {k: v - shift if k.endswith("log_density") else v for k, v in history.items()}

    def _finish(self, X, weight, training, start, run, **options):
        """What follows from the trained module: proposals for missing values, and descriptions."""
        if self.missing is not None:
            self._completion = self._completion.adapted(self._evaluator, run.start, **options)
        elif self._completion is not None:
            self._completion = self._completion.without_mixture()
        if len(training):
            self._finalize(X, weight, training, start, run.start)

    def _dropout_share(self, n) -> float:
        """Share of hidden units to drop, of estimators that have a `dropout` parameter."""
        return usual_dropout(n) if self.dropout == "auto" else self.dropout

    def __sklearn_clone__(self):
        try:
            return super().__sklearn_clone__()
        except Exception:
            # Copies for a clone are those for a fit.
            copied_callbacks(self.callbacks)
            raise
