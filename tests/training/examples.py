"""The smallest module that trains, and its rows."""

from __future__ import annotations

import math

import torch
from skorch.callbacks import Callback

from flowkit.modules import DensityModule
from flowkit.training import Noise, Rows, TrainingOptions

N, D = 103, 2


def options(**changes):
    defaults = {
        "max_epochs": 5,
        "batch_size": 20,
        "learning_rate": 0.05,
        "weight_decay": 0.0,
        "patience": None,
        "tol": 1e-4,
        "noise": Noise(),
    }
    return TrainingOptions(**{**defaults, **changes})


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Shift(DensityModule):
    """Normal density with a free mean: the smallest thing that trains."""

    def __init__(self):
        super().__init__(D)
        self.mean = torch.nn.Parameter(torch.zeros(D))

    def log_prob(self, x, context=None):
        return -0.5 * ((x - self.mean) ** 2).sum(1) - math.log(2 * math.pi)


def rows(n=N, mean=1.0, seed=0):
    return Rows(mean + torch.randn(n, D, generator=generator(seed)))


class Recorder(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1
        self.last = net.history[-1]["train_loss"]


class Clock:
    """Time that passes only when it is asked for."""

    def __init__(self, seconds=1.0):
        self.now, self.seconds = 0.0, seconds

    def monotonic(self):
        self.now += self.seconds
        return self.now
