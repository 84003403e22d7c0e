"""Training of an estimator's module on standardised rows, as its parameters say."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import torch

from ..columns import refuse_outside_support
from ..exceptions import (
    BatchInPartsWarning,
    InterruptedFitWarning,
    NotConvergedWarning,
    UncopyableCallbackError,
)
from ..modules import Evaluator
from ..nested import are_passed_on
from ..nets import set_generator
from ..training import (
    Checkpoint,
    FitRun,
    Rows,
    Stream,
    TrainingOptions,
    TrainingRecord,
    UnreadRows,
    make_stream,
    path_of,
    train,
    train_chunk,
)
from ..validation import row_blocks, warn
from ._hold_out import MIN_HOLD_OUT_ROWS

DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Nats per column that the last half of training may gain without a warning: a fixed part, which
# the falling learning rate gains anyway, and the error of one held-out row.
_MIN_LATE_GAIN, _ROW_ERROR = 0.04, 0.2
# Values that are standardised once and kept; more are read and standardised batch by batch.
_MAX_KEPT_VALUES = 2**25
# Epochs of few rows are few steps.
_PATIENCE_STEPS = 100


class Trainer:
    """Trains copies of the module of an estimator; the estimator stays as it is.

    Parameters
    ----------
    density : BaseDensity
        Gives the parameters of training, its columns, and where its module lives.
    run : FitRun
        Seeds and clock of this fit.
    checkpoint : Checkpoint or None, default=None
        What keeps the training on disk.
    """

    def __init__(self, density, run: FitRun, checkpoint: Checkpoint | None = None):
        self.density, self.fit_run, self.checkpoint = density, run, checkpoint
        self.columns = density._columns
        self.device, self.dtype = torch.device(density._device), DTYPES[density._dtype]

    def fit(self, module, Z, weight, training, hold_out):
        """Train on rows, with the best weights chosen on others.

        Parameters
        ----------
        module : DensityModule
            Where training begins.
        Z : StandardisedRows of shape (n, n_features)
            Standardised rows.
        weight : ndarray of shape (n,) or None
            Their weights.
        training, hold_out : ndarray of int
            Indices of either; None for no hold-out.

        Returns
        -------
        module : DensityModule
            With the best weights, in double precision.
        record : TrainingRecord
            What happened.
        """
        held = None
        if hold_out is not None:
            # Uniform noise once: unspread ties would reward spikes on them.
            held = self._kept(Z, weight, hold_out, spread=True)
        options = self.options(len(training), self.density.max_epochs, held is not None)
        if len(training) * Z.shape[1] <= _MAX_KEPT_VALUES:
            rows = self.held_at_topics(self._kept(Z, weight, training))
        else:
            weight, topics = self._weight(weight, training), self._keeper_of_topics()
            rows = UnreadRows(lambda i: self._tensor(Z[i]), training, self.device, weight, topics)
        return self.run(module, rows, held, options)

    def run(self, module, rows: Rows | UnreadRows, held: Rows | None, options: TrainingOptions):
        """Train a copy of a module, and tell how it went; returns as `fit`."""
        module, generator = self._prepared(module)
        record = train(module, rows, held, options, generator)
        warn_of_parts(record, options.batch_size)
        return _finished(module), record

    def fit_chunk(self, module, stream: Stream, Z, weight, training):
        """Go on with the training of a stream, on part of a chunk.

        Parameters
        ----------
        module : DensityModule
            With the weights that are kept so far.
        stream : Stream
            The stream, with the rows held out of it.
        Z : ndarray of shape (n, n_features)
            Standardised rows of the chunk.
        weight : ndarray of shape (n,) or None
            Their weights.
        training : ndarray of int
            Which of them to train on.

        Returns
        -------
        module : DensityModule
            With the best weights, in double precision.
        stream : Stream
            With the path of training so far.
        record : TrainingRecord
            What happened.
        """
        # A step back would leave part of the chunk untrained, so the first one is an error.
        options = replace(
            self.options(len(training), self.density.partial_fit_epochs, False),
            schedule=False,
            max_setbacks=0,
            divergence_warmup=0.0,
            max_rows=None,
        )
        net = stream.net
        if net is None:
            copied, generator = self._prepared(module)
            net = make_stream(copied, stream.path, options, generator)
        else:
            generator = self._generator_for(net.module_)
        held = None
        if self.density.early_stopping and len(stream.rows) >= MIN_HOLD_OUT_ROWS:
            held = self.rows(stream.rows, stream.weight, slice(None))
        rows = self.held_at_topics(self.rows(Z[training], weight, training))
        module, record = train_chunk(net, rows, held, options, generator)
        warn_of_parts(record, options.batch_size)
        return _finished(module), replace(stream, path=path_of(net), net=net), record

    def rows(self, Z, weight, index) -> Rows:
        """Rows and the weights of their indices as tensors; weights have a mean of one."""
        return Rows(self._tensor(Z), self._weight(weight, index))

    def _kept(self, Z, weight, index, spread=False) -> Rows:
        """Some of the rows, made tensors block by block, their ties spread once if so asked."""
        x = torch.empty((len(index), Z.shape[1]), dtype=self.dtype, device=self.device)
        for block in row_blocks(len(index)):
            rows = Z[index[block]]
            if spread:
                rows = self.columns.spread_ties(rows, self.fit_run.start)
            x[block] = self._tensor(rows)
        return Rows(x, self._weight(weight, index))

    def _tensor(self, array):
        return torch.as_tensor(array, dtype=self.dtype, device=self.device)

    def _weight(self, weight, index):
        return None if weight is None else self._tensor(weight[index] / weight[index].mean())

    def held_at_topics(self, rows: Rows) -> Rows:
        """The same rows, with the topics that training holds them at, if there are any."""
        topics = self._keeper_of_topics()
        if topics is None:
            return rows
        blocks = [topics(rows.x[block]) for block in row_blocks(len(rows))]
        return replace(rows, topics=torch.cat(blocks))

    def _keeper_of_topics(self):
        """What tells the topics that training holds rows at, as tensors; None for no such thing."""
        topics_of = self.density._topic_keeper
        if topics_of is None:
            return None
        return lambda x: self._tensor(topics_of(x.detach().cpu().double().numpy()))

    def options(self, n: int, max_epochs: int, has_hold_out: bool) -> TrainingOptions:
        """How to train on n rows, in the time that is left."""
        density = self.density
        normal = normal_noise(density.noise, n, len(self.columns.scale))
        return TrainingOptions(
            max_epochs=max_epochs,
            batch_size=density._batch_size(n),
            learning_rate=density.learning_rate,
            weight_decay=density.weight_decay,
            patience=density.n_iter_no_change if has_hold_out else None,
            tol=density.tol,
            patience_steps=_PATIENCE_STEPS,
            noise=self.columns.training_noise(normal, self.dtype, self.device),
            callbacks=copied_callbacks(density.callbacks),
            verbose=int(density.verbose),
            max_time=self.fit_run.time_left(density.max_time),
            max_rows=density._max_epoch_rows,
            # What has been trained before is warm.
            divergence_warmup=0.0 if density.n_iter_ else density.kl_warmup,
            checkpoint=self.checkpoint,
        )

    def refuse_outside_support(self, module, Z) -> None:
        """Refuse standardised training rows that have no density before training."""
        log_prob = Evaluator(module, self.device).log_prob
        refuse_outside_support(np.concatenate([log_prob(Z[b]) for b in row_blocks(len(Z))]))

    def _prepared(self, module):
        """A copy to train, with its dropout seeded, and the source of its batches."""
        module = copy.deepcopy(module).to(dtype=self.dtype).train()
        return module, self._generator_for(module)

    def _generator_for(self, module):
        set_generator(module, self.fit_run.torch(self.fit_run.dropout, self.device))
        return self.fit_run.torch(self.fit_run.batches, self.device)


def _finished(module):
    set_generator(module, None)
    module = module.to(dtype=torch.float64).eval()
    module.refresh()
    return module


def copied_callbacks(callbacks) -> list:
    """Copies of skorch callbacks, as each fit trains with its own.

    Raises
    ------
    UncopyableCallbackError
        If one cannot be copied.
    """
    copies = []
    for callback in callbacks or []:
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


def normal_noise(noise, n: int, n_features: int) -> float:
    """Standard deviation of the normal noise that parameter `noise` stands for, for n rows."""
    return n ** (-1 / (n_features + 4)) if noise == "scott" else float(noise or 0.0)


def pass_interruption_on(record: TrainingRecord, on_interrupt: str) -> None:
    """Raise Ctrl-C that ended training, if the user wants to or there is a fit around this one."""
    if record.ended_by == "interrupt" and (on_interrupt == "raise" or are_passed_on()):
        raise KeyboardInterrupt


def warn_of_interruption(record: TrainingRecord, epoch: int, best_epoch: int) -> None:
    """Say that Ctrl-C ended training, if it did."""
    if record.ended_by == "interrupt":
        warn(
            f"training was interrupted in epoch {epoch}; the best weights so far, of epoch "
            f"{best_epoch}, are kept. A callback that means to end training raises "
            "flowkit.StopTraining, without this warning.",
            InterruptedFitWarning,
        )


def warn_of_parts(record: TrainingRecord, batch_size: int) -> None:
    """Say that batches did not fit into memory as a whole, if they did not."""
    if record.n_parts > 1:
        warn(
            f"memory ran out in a step of training: batches of {batch_size} rows were taken in "
            f"{record.n_parts} parts since, whose gradients add up to the same step. "
            f"batch_size={max(1, batch_size // record.n_parts)} takes as little memory.",
            BatchInPartsWarning,
        )


def warn_of_late_gains(
    record: TrainingRecord, density, n_hold_out: int, n_columns: int | None = None
) -> None:
    """Say that training ended too early, if the density of the hold-out was still rising.

    The density is one of `n_columns` columns, by default of those of its rows.
    """
    n_columns = density.n_features_in_ if n_columns is None else n_columns
    if record.ended_by == "max_time" and not record.best_epoch:
        warn(
            f"max_time={float(density.max_time):.3g} ran out in epoch {record.n_epochs}, before "
            "training came above the initial density, which is kept: raise max_time for a better "
            "fit. Initialisation counts.",
            NotConvergedWarning,
        )
    gain, n_epochs = record.late_gain()
    allowed = _MIN_LATE_GAIN + _ROW_ERROR / math.sqrt(n_hold_out)
    if gain > allowed * n_columns:
        warn(
            f"the mean log density of the hold-out still gained {gain:.2g} nats in the last "
            f"{n_epochs} epochs: raise {record.ended_by} (now "
            f"{getattr(density, record.ended_by)!r}) for a better fit.",
            NotConvergedWarning,
        )
