"""The average of the weights along the path of training."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """Average of the weights of a module over the last steps, the later the heavier.

    It begins at the present weights, and covers about the last ``1 / (1 + sharpness)`` of the
    steps, or of `horizon` steps where that is less.

    Parameters
    ----------
    module : nn.Module
        Whose parameters are averaged.
    sharpness : float, default=8.0
        What narrows the average.
    horizon : int or None, default=None
        Number of steps that it forgets in; None for any.

    Attributes
    ----------
    values : dict of Tensor
        The average, by name of the parameter.

    References
    ----------
    Shamir, Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013.
    """

    def __init__(self, module: nn.Module, sharpness: float = 8.0, horizon: int | None = None):
        self.parameters = {name: p.detach() for name, p in module.named_parameters()}
        self.sharpness, self.horizon = sharpness, horizon
        self.path = None
        self.restart()

    def restart(self) -> None:
        """Begin anew at the present weights."""
        self.values = {name: p.clone() for name, p in self.parameters.items()}
        self.n_steps, self.path = 0, None

    def add_step(self) -> None:
        """Take the present weights in."""
        self.n_steps += 1
        share = (1 + self.sharpness) / (self.n_steps + self.sharpness)
        if self.horizon is not None:
            share = max(share, 1 / self.horizon)
        torch._foreach_lerp_(list(self.values.values()), list(self.parameters.values()), share)

    def put_in(self) -> None:
        """Give the module the average for weights, until `take_out`; what it caches is kept."""
        if self.path is None:
            self.path = [p.clone() for p in self.parameters.values()]
            self._set(self.values.values())

    def take_out(self) -> None:
        """Give the module the weights of the path back, if it has the average."""
        if self.path is not None:
            self._set(self.path)
            self.path = None

    def _set(self, values) -> None:
        for parameter, value in zip(self.parameters.values(), values, strict=True):
            parameter.copy_(value)
