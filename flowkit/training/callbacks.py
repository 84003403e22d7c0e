"""skorch callbacks: learning-rate schedule, best weights with early stopping, progress bar."""

from __future__ import annotations

import math
import time

import torch
from skorch.callbacks import Callback


class Course(Callback):
    """How far training has come: by steps, or by time where that runs out sooner.

    Parameters
    ----------
    n_steps : int
        Number of batches in the whole training.
    max_time : float or None, default=None
        Seconds that it may take.

    Attributes
    ----------
    position_ : float
        Steps before the present one; as many as time has passed for, where these are more.
    """

    def __init__(self, n_steps: int, max_time: float | None = None):
        self.n_steps = n_steps
        self.max_time = max_time

    def on_train_begin(self, net, **kwargs):
        self.began_ = time.monotonic()
        self.n_begun_ = 0

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.position_ = max(self.n_begun_, self.n_steps * self._time_share())
            self.n_begun_ += 1

    def out_of_time(self) -> bool:
        """Whether training should end now."""
        return self._time_share() >= 1

    def _time_share(self) -> float:
        return 0.0 if self.max_time is None else (time.monotonic() - self.began_) / self.max_time


class WarmupCosine(Callback):
    """Learning rate that rises linearly over the warm-up and then falls along a cosine to zero.

    Parameters
    ----------
    n_steps : int
        Number of batches in the whole training.
    warmup : float, default=0.05
        Share of them in which the rate rises.
    """

    def __init__(self, n_steps: int, warmup: float = 0.05):
        self.n_steps = n_steps
        self.warmup = warmup

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if not training:
            return
        n_warmup = max(1, round(self.warmup * self.n_steps))
        position = net.course.position_
        if position < n_warmup:
            factor = min(1.0, (position + 1) / n_warmup)
        else:
            progress = (position - n_warmup) / max(1, self.n_steps - n_warmup)
            factor = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        net.set_learning_rate(net.lr * factor)


class WarmUp(Callback):
    """Learning rate that rises over the first steps of the life of a net and then stays.

    Parameters
    ----------
    n_steps : int, default=100
        Number of batches in which it rises.
    """

    def __init__(self, n_steps: int = 100):
        self.n_steps = n_steps

    def initialize(self):
        self.step_ = 0
        return self

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.step_ += 1
            net.set_learning_rate(net.lr * min(1.0, self.step_ / self.n_steps))


class BestWeights(Callback):
    """Keeps the weights of the best epoch, in memory, and ends training when it lies far back.

    The weights before the first epoch are a candidate too. Where training falls below them at
    first, patience measures its gains from where it fell to: it may still come back.

    Parameters
    ----------
    patience : int or None
        Number of epochs without improvement after which training ends; None never ends it.
    tol : float, default=1e-4
        Improvement in nats that restarts the patience; any improvement is kept.

    Attributes
    ----------
    best_epoch_ : int
        Epoch of the best weights, 0 for those before the first epoch.
    epoch_ : int
        Epoch that was judged last.
    initial_loss_ : float
        Hold-out loss before the first epoch, NaN without a hold-out.
    stop_ : bool
        Whether training should end now.
    """

    def __init__(self, patience: int | None, tol: float = 1e-4):
        self.patience = patience
        self.tol = tol

    def on_train_begin(self, net, **kwargs):
        self.has_holdout_ = net.holdout is not None
        self.initial_loss_ = net.holdout_loss() if self.has_holdout_ else math.nan
        self.best_loss_ = self.initial_loss_ if self.has_holdout_ else math.inf
        self.mark_ = self.best_loss_
        self.mark_epoch_ = self.epoch_ = 0
        self.stop_ = False
        self.worst_ = self.initial_loss_
        self._keep(net, 0)

    def on_epoch_end(self, net, **kwargs):
        epoch = self.epoch_ = len(net.history)
        # While the divergence of a variational module warms up, losses say little.
        warm = getattr(net.module_, "warmth", 1.0) >= 1.0
        loss = net.history[-1].get("valid_loss" if self.has_holdout_ else "train_loss", math.nan)
        if loss < self.best_loss_ or not math.isfinite(self.best_loss_):
            self.best_loss_ = loss if warm or self.has_holdout_ else math.inf
            self._keep(net, epoch)
        # skorch's own relative threshold never fires on the negative losses of densities.
        if loss < self.mark_ - self.tol or not (math.isfinite(self.mark_) and warm):
            self.mark_, self.mark_epoch_ = loss, epoch
        elif loss > self.worst_ and epoch <= (self.patience or 0):
            self.mark_ = self.worst_ = loss
        self.stop_ = self.patience is not None and epoch - self.mark_epoch_ >= self.patience

    def on_train_end(self, net, **kwargs):
        # Without a hold-out the training loss would choose the most overfitted epoch.
        if self.has_holdout_:
            self.restore(net)
        else:
            self.best_epoch_ = len(net.history)

    def restore(self, net) -> None:
        """Put the best weights back into the module."""
        net.module_.load_state_dict(self.state_)

    def _keep(self, net, epoch: int) -> None:
        self.state_ = _weights(net)
        self.best_epoch_ = epoch


class StreamWeights(Callback):
    """Keeps, of all weights along a stream of chunks, those that score best on rows held out.

    After each pass over a chunk there are three candidates: what was kept so far, the weights
    where the path of training stands, and an average over the last part of the path. The path goes
    on from where it stands, as it may lead through worse weights to better ones. Where it scores
    higher than the average, which lags behind, that starts anew from it. Without rows that were
    held out the average is kept.

    Parameters
    ----------
    path : dict of Tensor or None, default=None
        Weights from which the path goes on; None takes those that the module begins with, which
        are the first to be kept.
    horizon : int, default=500
        Number of steps that the average forgets in.
    sharpness : float, default=8.0
        Before the horizon is reached, the average is over about the last ``1 / (1 + sharpness)``
        of the steps.

    Attributes
    ----------
    kept_ : dict of Tensor
        Best weights.
    best_epoch_ : int
        Epoch, counted from the beginning of the stream, at whose end they were kept; 0 for the
        weights before.
    epoch_ : int
        Epoch that was judged last.
    stop_ : bool
        Whether training should end now: never.

    References
    ----------
    Shamir, Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013.
    """

    def __init__(self, path: dict | None = None, horizon: int = 500, sharpness: float = 8.0):
        self.path = path
        self.horizon = horizon
        self.sharpness = sharpness

    def initialize(self):
        self.kept_ = None
        self.best_epoch_, self.n_averaged_, self.stop_ = 0, 0, False
        return self

    def on_train_begin(self, net, **kwargs):
        self.epoch_ = len(net.history)
        if self.kept_ is None:
            self.kept_ = _weights(net)
            self.average_ = self._parameters(net)
            if self.path is not None:
                net.module_.load_state_dict(self.path)
        self.kept_loss_ = math.inf if net.holdout is None else self._judged(net, self.kept_)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if not training:
            return
        self.n_averaged_ += 1
        share = (1 + self.sharpness) / (self.n_averaged_ + self.sharpness)
        share = max(share, 1 / self.horizon)
        for name, value in self._parameters(net, copy=False).items():
            self.average_[name].lerp_(value, share)

    def on_epoch_end(self, net, **kwargs):
        self.epoch_ = len(net.history)
        path = _weights(net)
        average = {**path, **{name: value.clone() for name, value in self.average_.items()}}
        if net.holdout is None:
            self.kept_, self.best_epoch_ = average, self.epoch_
            return
        loss, average_loss = self._judged(net, path), self._judged(net, average)
        if loss < average_loss:
            self.average_, self.n_averaged_ = self._parameters(net), 0
            average, average_loss = path, loss
        if average_loss < self.kept_loss_:
            self.kept_, self.kept_loss_, self.best_epoch_ = average, average_loss, self.epoch_
        net.history.record("valid_loss", self.kept_loss_)

    def _judged(self, net, weights: dict) -> float:
        """Loss of some weights on the rows held out, without leaving the path."""
        path = _weights(net)
        net.module_.load_state_dict(weights)
        loss = net.holdout_loss()
        net.module_.load_state_dict(path)
        return math.inf if math.isnan(loss) else loss

    @staticmethod
    def _parameters(net, copy: bool = True) -> dict:
        named = net.module_.named_parameters()
        return {name: p.detach().clone() if copy else p.detach() for name, p in named}


class DivergenceWarmUp(Callback):
    """Lets the `warmth` of a variational module rise linearly to one.

    Parameters
    ----------
    n_steps : int
        Number of batches until then.
    """

    def __init__(self, n_steps: int):
        self.n_steps = n_steps

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            net.module_.warmth = min(1.0, (net.course.position_ + 1) / self.n_steps)

    def on_train_end(self, net, **kwargs):
        net.module_.warmth = 1.0


class Monitor(Callback):
    """Records the means over an epoch of what a module says of its last training batch."""

    def on_epoch_begin(self, net, **kwargs):
        self.totals_, self.n_rows_ = {}, 0

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.n_rows_ += len(batch[0])
            for name, value in net.module_.monitored.items():
                self.totals_[name] = self.totals_.get(name, 0.0) + len(batch[0]) * value

    def on_epoch_end(self, net, **kwargs):
        for name, total in self.totals_.items():
            net.history.record(name, float(total) / self.n_rows_)


class EpochBar(Callback):
    """One progress bar over all epochs, with the mean log densities reached.

    Parameters
    ----------
    max_epochs : int
        Length of the bar.
    """

    def __init__(self, max_epochs: int):
        self.max_epochs = max_epochs

    def on_train_begin(self, net, **kwargs):
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=self.max_epochs, unit="epoch", desc="fit")

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        shown = {"train": row.get("train_loss"), "hold-out": row.get("valid_loss")}
        self.bar_.set_postfix({k: f"{-v:.3f}" for k, v in shown.items() if v is not None})
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.bar_.close()


def _weights(net) -> dict:
    """A copy of all weights."""
    return {k: v.detach().clone() for k, v in net.module_.state_dict().items()}


def finite(value: torch.Tensor) -> bool:
    """Whether a scalar tensor is finite."""
    return math.isfinite(value.item())
