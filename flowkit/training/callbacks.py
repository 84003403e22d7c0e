"""skorch callbacks: time and schedules, what modules monitor, progress bar."""

from __future__ import annotations

import math
import time

from skorch.callbacks import Callback

from .processes import current_processes


class Course(Callback):
    """Progress of training: by steps, or by time where a time limit comes first.

    Parameters
    ----------
    n_steps : int
        Number of batches in the whole training.
    max_time : float or None, default=None
        Seconds that it may take.

    Attributes
    ----------
    position_ : float
        Number of steps before the present one, or, if that is more, the fraction of `max_time` that
        has passed, times `n_steps`.
    """

    def __init__(self, n_steps: int, max_time: float | None = None):
        self.n_steps = n_steps
        self.max_time = max_time

    def on_train_begin(self, net, **kwargs):
        self.began_ = time.monotonic()
        self.n_begun_ = 0
        self.processes_ = current_processes()

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.position_ = max(self.n_begun_, self.n_steps * self._agreed_time_share())
            self.n_begun_ += 1

    def share(self) -> float:
        """Share of the training that is behind: of its steps, or of its time if that is more."""
        return max(self.n_begun_ / self.n_steps, self._time_share())

    def out_of_time(self) -> bool:
        """Whether training should end now."""
        return self._agreed_time_share() >= 1

    def _agreed_time_share(self) -> float:
        """That of one process for all, whose clocks differ."""
        return 0.0 if self.max_time is None else self.processes_.from_main(self._time_share())

    def _time_share(self) -> float:
        return 0.0 if self.max_time is None else (time.monotonic() - self.began_) / self.max_time


class WarmupCosine(Callback):
    """Learning rate that rises linearly over the warm-up and then falls along a cosine to zero.

    Parameters
    ----------
    n_steps : int
        Number of batches in the whole training.
    warmup : float, default=0.05
        Fraction of them in which the rate rises.
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
    """Learning rate that rises over the first steps of a stream and then stays.

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


class DivergenceWarmUp(Callback):
    """Raises `DensityModule.warmth` linearly to one.

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
    """Records the means over an epoch of what `DensityModule.monitored` says of each batch."""

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


class ProgressBar(Callback):
    """One progress bar over the training, with the time left and the mean log densities reached.

    It moves with the steps, or faster where time runs out before they are made. Early stopping may
    end it sooner.
    """

    def on_train_begin(self, net, **kwargs):
        from tqdm.auto import tqdm

        shape = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, at most {remaining} left{postfix}"
        self.bar_ = tqdm(total=1.0, desc="fit", bar_format=shape, smoothing=0, miniters=0)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.bar_.update(min(1.0, net.course.share()) - self.bar_.n)

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        shown = {"train": row.get("train_loss"), "hold-out": row.get("valid_loss")}
        shown = {k: f"{-v:.3f}" for k, v in shown.items() if v is not None}
        self.bar_.set_postfix({"epoch": row["epoch"], **shown})

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
