"""Steps of a flow in one step of autograd, each with its gradient by hand.

Every step of autograd costs some thirty microseconds, as much as the arithmetic of a small layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .._once_differentiable import once_differentiable


class FusedStep:
    """A map of columns ``(d, n)`` that knows its gradient.

    Attributes
    ----------
    parameters : list of Tensor
        What it is trained by.
    """

    parameters: list[Tensor]

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor, tuple]:
        """Map columns.

        Parameters
        ----------
        columns : Tensor of shape (d, n)
            Without gaps in memory, as all here.

        Returns
        -------
        columns : Tensor of shape (d, n)
            Mapped.
        log_det : Tensor of shape (n,) or ()
            Log-determinants.
        saved : tuple
            What the gradient needs.
        """
        raise NotImplementedError

    def backward(
        self, saved: tuple, grad: Tensor, grad_log_det: Tensor, wants_columns: bool
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Gradients by columns and parameters.

        Parameters
        ----------
        saved : tuple
            From `forward`.
        grad : Tensor of shape (d, n)
            Gradient by the mapped columns.
        grad_log_det : Tensor of shape (n,)
            Gradient by the log-determinants.
        wants_columns : bool
            Whether the gradient by the columns is wanted.

        Returns
        -------
        by_columns : Tensor of shape (d, n) or None
            Gradient by the columns.
        by_parameters : list of Tensor
            Gradients by the parameters.
        """
        raise NotImplementedError


def run(steps: Sequence[FusedStep], x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows mapped by one step after the other, and their log-determinants.

    Parameters
    ----------
    steps : sequence of FusedStep
        The steps.
    x : Tensor of shape (n, d)
        Rows.

    Returns
    -------
    z : Tensor of shape (n, d)
        Mapped rows.
    log_det : Tensor of shape (n,)
        Log-determinants.
    """
    parameters = [p for step in steps for p in step.parameters]
    if torch.is_grad_enabled():
        return _Chain.apply(x, steps, *parameters)
    z, log_det, _ = _forward(steps, x)
    return z, log_det


def _forward(steps, x):
    # Columns one after the other in memory: what networks and splines read and write.
    columns, saved, total = x.t().contiguous(), [], x.new_zeros(len(x))
    for step in steps:
        columns, log_det, kept = step.forward(columns)
        total += log_det
        saved.append(kept)
    return columns.t(), total, saved


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, steps, *parameters):
        z, log_det, ctx.saved = _forward(steps, x)
        ctx.steps = steps
        return z, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, grad_log_det):
        columns, grad_log_det = grad.t().contiguous(), grad_log_det.contiguous()
        by_parameters = []
        for i in range(len(ctx.steps) - 1, -1, -1):
            wants = i > 0 or ctx.needs_input_grad[0]
            step, saved = ctx.steps[i], ctx.saved[i]
            columns, grads = step.backward(saved, columns, grad_log_det, wants)
            by_parameters[:0] = grads
        return None if columns is None else columns.t(), None, *by_parameters
