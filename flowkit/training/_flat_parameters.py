"""The parameters of a module as one vector, which an optimiser changes in one call."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatParameters:
    """One vector that holds all trained parameters of a module, which become views of it.

    Optimisers and norms cost as much for each of fifty small tensors as for one large one.

    Parameters
    ----------
    module : Module
        Whose parameters are meant, all of one device and type.

    Attributes
    ----------
    vector : Parameter of shape (n_parameters,)
        The values; its gradient is that of the last `gather`.
    """

    def __init__(self, module: nn.Module):
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        with torch.no_grad():
            values = torch.cat([p.reshape(-1) for p in self._parameters])
            for p, view in zip(self._parameters, self._views(values), strict=True):
                p.data = view
        self.vector = nn.Parameter(values)

    def _views(self, values: Tensor) -> list[Tensor]:
        parts = values.split([p.numel() for p in self._parameters])
        return [part.view(p.shape) for part, p in zip(parts, self._parameters, strict=True)]

    def forget_gradients(self) -> None:
        """Let the next backward pass write gradients instead of adding to them."""
        for p in self._parameters:
            p.grad = None

    def gather(self) -> Tensor:
        """Make the gradients of the parameters that of the vector; zeros where there are none."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        self.vector.grad = torch.cat([part.reshape(-1) for part in parts])
        return self.vector.grad
