"""skorch callbacks that end trainings once a budget of CPU time is used up, or watch their clock.

The clock starts when a callback is made, so what an estimator initialises from counts too.
"""

from __future__ import annotations

import math
import time
from typing import Any

from skorch.callbacks import Callback

from flowkit import StopTraining

WARMUP = 0.05


class TimeLimit(Callback):
    """Ends a training with the epoch in which the budget is used up.

    Parameters
    ----------
    budget : float
        CPU seconds.
    """

    def __init__(self, budget: float):
        self.budget = budget
        self.end_ = time.process_time() + budget

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if time.process_time() > self.end_:
            raise StopTraining


class OwnTimeLimit(TimeLimit):
    """A budget of each of several trainings, whose clocks start with their first steps."""

    began = False

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        if not self.began:
            self.began, self.end_ = True, time.process_time() + self.budget


class Untrained(Callback):
    """Ends a training before its first step, which leaves what the module was initialised from."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        raise StopTraining


class Annealing(TimeLimit):
    """Ends a training, and lets the learning rate rise and fall to zero over the budget.

    It ends with the batch in which the budget is used up, as further ones would change nothing.
    """

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.begin_ = time.process_time()

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        share = (time.process_time() - self.begin_) / max(self.end_ - self.begin_, 1e-9)
        factor = min(1.0, share / WARMUP, 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
        net.set_learning_rate(net.lr * factor)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if training and time.process_time() > self.end_:
            raise StopTraining


class DivergenceWarmUp(Callback):
    """Lets the divergence of a variational module rise over a share of the budget.

    The estimator's own warm-up counts epochs, and nobody knows how many the budget has room for.

    Parameters
    ----------
    budget : float
        CPU seconds.
    share : float
        Of the budget, after which the weight of the divergence is one.
    """

    def __init__(self, budget: float, share: float):
        self.budget, self.share = budget, share
        self.end_ = time.process_time() + budget

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.begin_ = time.process_time()

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        warm = max(self.share * (self.end_ - self.begin_), 1e-9)
        net.module_.warmth = min(1.0, (time.process_time() - self.begin_) / warm)


class Clock(Callback):
    """Notes CPU seconds when training begins and after each epoch.

    Parameters
    ----------
    seconds : list of float
        Where to, as callbacks are copied.
    """

    def __init__(self, seconds: list[float]):
        # A list would be copied with the callback, its method is not.
        self.note = seconds.append
        self.begin, self.began = time.process_time(), False

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        if not self.began:
            self.began = True
            self.note(time.process_time() - self.begin)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.note(time.process_time() - self.begin)
