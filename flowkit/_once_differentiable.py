"""Backward passes by hand that refuse second derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

from .exceptions import SecondDerivativeError


def once_differentiable(backward: Callable) -> Callable:
    """Decorator of the backward pass of a `torch.autograd.Function`: second derivatives raise.

    torch's own decorator lets them through as zeros where the way back is not walked.

    Parameters
    ----------
    backward : callable
        Computes gradients by hand.

    Returns
    -------
    callable
        The same, without a record of its own.

    Raises
    ------
    SecondDerivativeError
        If gradients are asked for with ``create_graph=True``.
    """

    @functools.wraps(backward)
    def only_once(ctx, *grads):
        if torch.is_grad_enabled():
            raise SecondDerivativeError(
                "second derivatives by torch.autograd: gradients are computed by hand and have "
                "none of their own. Use torch.func, e.g. torch.func.hessian(f)(x), or ask without "
                "create_graph=True."
            )
        return backward(ctx, *grads)

    return only_once
