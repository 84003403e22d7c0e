"""The skorch net that minimises the loss of a density module."""

from __future__ import annotations

import math
from contextlib import suppress

import torch
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping

from ..exceptions import FitDivergedError, FlowkitError, StopTraining
from ._flat_parameters import FACTOR, FlatParameters
from .best_weights import BestWeights, StreamWeights
from .callbacks import Course
from .data import OrderedBatches, ShuffledBatches
from .parts import BatchParts
from .processes import current_processes

# Enough rows that the cost of a call does not show, few enough to stay in cache.
_HOLDOUT_BATCH = 4096


class _NonFiniteLossError(ArithmeticError):
    """Loss or gradient of one batch is not finite."""


class DensityNet(NeuralNet):
    """A `skorch.NeuralNet` whose module says itself what a batch loses.

    ``predict`` gives log densities, for which skorch calls the module as a function.

    Parameters
    ----------
    module : DensityModule
        What to train.
    holdout : Rows or None, default=None
        Rows that training does not see.
    clip : float, default=5.0
        Largest norm of the gradient.
    max_setbacks : int, default=2
        How often a non-finite loss may send training back to the best weights, each time at half
        the learning rate, before it is given up.
    **kwargs
        Passed to `skorch.NeuralNet`.

    Attributes
    ----------
    learning_rate_ : float
        Rate of the next step, before the factors of parameters.
    ended_by_ : {'max_epochs', 'patience', 'max_time', 'callback', 'interrupt'}
        What ended the last training.
    is_closing_ : bool
        Whether the epoch that ends now was cut short.
    parts_, valid_parts_ : BatchParts
        In how many parts batches go through the module, as memory allows.
    processes_ : Processes
        Those that train together.
    """

    def __init__(self, module, *, holdout=None, clip=5.0, max_setbacks=2, **kwargs):
        self.holdout = holdout
        self.clip = clip
        self.max_setbacks = max_setbacks
        super().__init__(
            module,
            criterion=None,
            train_split=None if holdout is None else self._split,
            iterator_train=ShuffledBatches,
            iterator_valid=OrderedBatches,
            iterator_valid__batch_size=_HOLDOUT_BATCH,
            # Steps make no predictions that callbacks could score.
            use_caching=False,
            **kwargs,
        )

    def _split(self, dataset, **kwargs):
        return dataset, self.holdout

    def get_dataset(self, X, y=None):
        return X

    def initialize_criterion(self):
        # The loss is a method of the module.
        return self

    def _set_training(self, training=True):
        # Switching walks over all sub-modules, which costs as much as a small batch.
        if self.module_.training == training:
            return
        self.module_.train(training)
        if not training:
            # Steps have changed the weights since rows were scored last.
            self.module_.refresh()

    def initialize_module(self):
        super().initialize_module()
        self.flat_ = FlatParameters(self.module_)
        return self

    def get_all_learnable_params(self):
        yield "parameters", self.flat_.vector

    def get_params_for_optimizer(self, prefix, named_parameters):
        _, options = super().get_params_for_optimizer(prefix, named_parameters)
        # AdamW multiplies the decay by the rate.
        decay = options["weight_decay"]
        groups = [{**g, "weight_decay": decay / g[FACTOR]} for g in self.flat_.groups]
        return (groups,), options

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the next steps; setbacks so far halve it."""
        self.learning_rate_ = rate * 0.5**self.n_setbacks_
        for group in self.optimizer_.param_groups:
            group["lr"] = self.learning_rate_ * group[FACTOR]

    def holdout_loss(self) -> float:
        """Mean loss over the hold-out with the present weights."""
        total, count = 0.0, 0
        for batch in self.get_iterator(self.holdout, training=False):
            total += self.validation_step(batch)["loss"].item() * len(batch[0])
            count += len(batch[0])
        return total / count

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        share, n_rows = self.processes_.share_of(batch, self.module_.min_rows)
        loss = self.parts_.mean(self._add_gradient, share, n_rows)
        return {"loss": loss, "y_pred": None}

    def _add_gradient(self, part, share, is_first):
        """Share of the loss that a part of a batch has; its gradient is added to the others'."""
        if is_first:
            self.flat_.forget_gradients()
            self._monitored = {}
        loss = self.module_.loss(part)
        loss.backward(loss.new_tensor(share))
        for name, value in self.module_.monitored.items():
            self._monitored[name] = self._monitored.get(name, 0.0) + share * value
        # The graph holds what layers kept for their gradients.
        return share * loss.detach()

    def validation_step(self, batch, **fit_params):
        self._set_training(False)
        share, n_rows = self.processes_.share_of(batch)
        with torch.no_grad():
            loss = self.valid_parts_.mean(self._valid_loss, share, n_rows)
            return {"loss": self.processes_.add_up(loss), "y_pred": None}

    def _valid_loss(self, part, share, is_first):
        return share * self.module_.validation_loss(part)

    def train_step(self, batch, **fit_params):
        step = self.train_step_single(batch, **fit_params)
        self.notify(
            "on_grad_computed",
            named_parameters=self.parameters_,
            batch=batch,
            training=True,
        )
        gradient = self._sum_of_gradients(step)
        norm = gradient.norm().item()
        if not (math.isfinite(step["loss"].item()) and math.isfinite(norm)):
            raise _NonFiniteLossError
        if norm > self.clip:
            gradient.mul_(self.clip / norm)
        self.optimizer_.step()
        self.n_steps_ += 1
        return step

    def _sum_of_gradients(self, step):
        """The gradient over all processes; the loss and what is monitored are summed up as well."""
        gradient = self.flat_.gather()
        if self.processes_.n > 1:
            told = [step["loss"], *self._monitored.values()]
            told = torch.stack([value.to(gradient) for value in told])
            summed = self.processes_.add_up(torch.cat([gradient, told]))
            gradient.copy_(summed[: len(gradient)])
            step["loss"], *values = summed[len(gradient) :]
            self._monitored = dict(zip(self._monitored, values, strict=True))
        self.module_.monitored = self._monitored
        return gradient

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if training:
            self.best_weights.take_up_path()
        else:
            self.best_weights.put_in_candidate()
        try:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
        except _NonFiniteLossError:
            self._step_back()

    def _step_back(self) -> None:
        if self.n_setbacks_ == self.max_setbacks:
            raise FitDivergedError(
                f"the loss was not finite in epoch {len(self.history)} at learning rate "
                f"{self.learning_rate_:.2g}, after {self.n_setbacks_} returns to the best weights "
                "at half the rate. Try a smaller learning_rate, clip extreme values of X, scale "
                "columns with heavy tails (e.g. PowerTransformer), or dtype='float64'."
            )
        self.n_setbacks_ += 1
        self.best_weights.restore(self)
        # The moments of the old path would lead straight back to where it broke.
        self.initialize_optimizer()
        self.set_learning_rate(self.lr)

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.n_setbacks_ = self.n_steps_ = 0
        self.processes_ = current_processes()
        for tensor in (self.flat_.vector.data, *self.module_.buffers()):
            self.processes_.copy_from_main(tensor)
        self.parts_, self.valid_parts_ = BatchParts(self.module_.min_rows), BatchParts()
        self.set_learning_rate(self.lr)
        # Walking over the modules for them in each step costs as much as a layer.
        self.parameters_ = list(self.module_.named_parameters())
        super().on_train_begin(net, X=X, y=y, **kwargs)

    def on_epoch_end(self, net, **kwargs):
        super().on_epoch_end(net, **kwargs)
        self.history.record("learning_rate", self.learning_rate_)

    @property
    def best_weights(self) -> BestWeights | StreamWeights:
        """The callback that keeps the best weights."""
        return dict(self.callbacks_)["best_weights"]

    @property
    def course(self) -> Course:
        """The callback that knows how far training has come."""
        return dict(self.callbacks_)["course"]

    def notify(self, method_name, **cb_kwargs):
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as stop:
                # skorch's own way to end training looks like Ctrl-C.
                if isinstance(callback, EarlyStopping):
                    raise StopTraining from stop
                raise
            except Exception as error:
                if not isinstance(error, FlowkitError):
                    error.add_note(
                        f"Raised by {method_name} of the callback {type(callback).__name__} in "
                        f"epoch {len(self.history)} of a training."
                    )
                raise
        if method_name == "on_epoch_end" and self.best_weights.stop_:
            self.ended_by_ = "patience"
            raise StopTraining
        if method_name == "on_batch_end" and cb_kwargs["training"] and self.course.out_of_time():
            self.ended_by_ = "max_time"
            raise StopTraining

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        if not self.initialized_:
            self.initialize()
        self.ended_by_, self.is_closing_ = None, False
        try:
            self.notify("on_train_begin", X=X, y=y)
        except StopTraining:
            self.ended_by_ = "callback"
        try:
            if self.ended_by_ is None:
                self.fit_loop(X, y, epochs=self._resume())
                self.ended_by_ = "patience" if self.best_weights.stop_ else "max_epochs"
        except KeyboardInterrupt as stop:
            self._break_off(stop, X)
        finally:
            self._end(X, y)
        return self

    def _resume(self) -> int:
        """Go on where a checkpoint says; number of epochs to come."""
        checkpoint = dict(self.callbacks_).get("checkpoint")
        if checkpoint is None:
            return self.max_epochs
        checkpoint.resume(self)
        return 0 if self.best_weights.stop_ else self.max_epochs - len(self.history)

    def _break_off(self, stop: KeyboardInterrupt, rows) -> None:
        """End training early; an epoch that has begun is validated and recorded as it is."""
        if isinstance(stop, StopTraining):
            ended_by = self.ended_by_ or "callback"
        elif self.n_steps_ and self.processes_.n == 1:
            ended_by = "interrupt"
        else:
            raise stop
        if self.history and len(self.history) > self.best_weights.epoch_:
            # A callback may want to stop again, and so may an impatient user.
            with suppress(KeyboardInterrupt):
                self._close_epoch(rows)
        self.ended_by_ = ended_by

    def _close_epoch(self, rows) -> None:
        row = self.history[-1]
        row["batches"] = [batch for batch in row["batches"] if "train_batch_size" in batch]
        if not row["batches"]:
            del self.history[-1]
            return
        self.is_closing_ = True
        self.best_weights.put_in_candidate()
        if self.holdout is not None:
            self.history.record("valid_loss", self.holdout_loss())
        self.notify("on_epoch_end", dataset_train=rows, dataset_valid=self.holdout)

    def _end(self, X, y) -> None:
        try:
            self.notify("on_train_end", X=X, y=y)
        except KeyboardInterrupt as stop:
            self.best_weights.on_train_end(self)
            if not isinstance(stop, StopTraining):
                self.ended_by_ = "interrupt"
