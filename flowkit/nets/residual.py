"""Residual perceptrons in one step of autograd, with the gradient by hand.

Autograd would walk through some forty nodes a network, each of which costs more than the product of
two small matrices. Rows come last throughout.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .._compiled import applies_to, array_of
from .._once_differentiable import once_differentiable
from .layers import Dropout, activation


def residual_net(x: Tensor, parameters: Sequence[Tensor], dropout: Dropout) -> Tensor:
    """An affine layer, then ``h + affine(dropout(relu(h)))`` of each but the last, which adds none.

    Parameters
    ----------
    x : Tensor of shape (in, n) or (n_groups, in, n)
        Input.
    parameters : sequence of Tensor
        Weight (out, in) and bias (out,) of at least two layers, one after the other; with groups,
        their axis comes first, with one entry where they share weights.
    dropout : Dropout
        Applied to what is rectified.

    Returns
    -------
    Tensor of shape (out, n) or (n_groups, out, n)
        Output.
    """
    if torch.is_grad_enabled() and applies_to(x):
        return _ResidualNet.apply(x, dropout, *parameters)
    h = _affine(x, *parameters[:2])
    for k in range(2, len(parameters) - 2, 2):
        h = h + _affine(dropout(activation(h)), *parameters[k : k + 2])
    return _affine(dropout(activation(h)), *parameters[-2:])


def fused_net(
    x: Tensor, parameters: Sequence[Tensor], dropout: Dropout
) -> tuple[Tensor, list[Tensor], float]:
    """`residual_net` by compiled activations, without a gradient.

    Parameters
    ----------
    x, parameters, dropout
        As above.

    Returns
    -------
    out : Tensor
        Output.
    inputs : list of Tensor
        What each layer was given.
    scale : float
        What dropout multiplied by.
    """
    threshold = dropout.threshold if dropout.training else 0
    scale = 256 / (256 - threshold)
    inputs, h = [x], _affine(x, *parameters[:2])
    for k in range(2, len(parameters) - 2, 2):
        inputs.append(_activated(h, dropout, threshold, scale))
        h += _affine(inputs[-1], *parameters[k : k + 2])
    inputs.append(_activated(h, dropout, threshold, scale))
    return _affine(inputs[-1], *parameters[-2:]), inputs, scale


def fused_net_gradient(
    grad: Tensor,
    inputs: Sequence[Tensor],
    weights: Sequence[Tensor],
    scale: float,
    wants_x: bool = True,
) -> tuple[Tensor | None, list[Tensor]]:
    """Gradient of `fused_net`.

    Parameters
    ----------
    grad : Tensor
        Gradient by the output.
    inputs, scale
        As `fused_net` returned them.
    weights : sequence of Tensor
        Weights of the layers.
    wants_x : bool, default=True
        Whether the gradient by the input is wanted.

    Returns
    -------
    by_x : Tensor or None
        Gradient by the input.
    by_parameters : list of Tensor
        Gradients by weights and biases, in the order of `fused_net`.
    """
    from ._fused_activation import add_gradient

    by_parameters, total = [], None
    for k in range(len(weights) - 1, 0, -1):
        by_parameters += _by_layer(grad, inputs[k], weights[k])
        by_input = _product(weights[k].mT, grad)
        total = torch.zeros_like(by_input) if total is None else total
        add_gradient(_flat(by_input), _flat(inputs[k]), scale, _flat(total))
        grad = total
    by_parameters += _by_layer(grad, inputs[0], weights[0])
    return _product(weights[0].mT, grad) if wants_x else None, by_parameters[::-1]


class _ResidualNet(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, dropout, *parameters):
        out, inputs, ctx.scale = fused_net(x, parameters, dropout)
        ctx.save_for_backward(*inputs, *parameters[::2])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        saved, n_layers = ctx.saved_tensors, len(ctx.saved_tensors) // 2
        inputs, weights = saved[:n_layers], saved[n_layers:]
        wants_x = ctx.needs_input_grad[0]
        by_x, by_parameters = fused_net_gradient(grad, inputs, weights, ctx.scale, wants_x)
        return by_x, None, *by_parameters


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if weight.ndim == 2:
        return torch.addmm(bias[:, None], weight, x)
    # Folding shared weights into the rows instead takes as long.
    return torch.baddbmm(bias[:, :, None], weight.expand(x.shape[0], -1, -1), x)


def _product(a: Tensor, b: Tensor) -> Tensor:
    return torch.mm(a, b) if a.ndim == 2 else torch.bmm(a.expand(len(b), -1, -1), b)


def _by_layer(grad: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients by bias and weight of a layer."""
    by_weight, by_bias = _product(grad, x.mT), grad.sum(-1)
    if weight.ndim == 3 and len(weight) < len(by_weight):
        # Groups that share weights.
        return by_bias.sum(0, keepdim=True), by_weight.sum(0, keepdim=True)
    return by_bias, by_weight


def _activated(h: Tensor, dropout: Dropout, threshold: int, scale: float) -> Tensor:
    from ._fused_activation import activate

    draws = dropout.draws(h) if threshold else h.new_empty(0, dtype=torch.uint8)
    out = torch.empty_like(h)
    activate(_flat(h), draws.numpy(), threshold, scale, _flat(out))
    return out


def _flat(tensor: Tensor):
    return array_of(tensor.view(-1))
