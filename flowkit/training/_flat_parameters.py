"""The parameters of a module as one vector, which an optimiser changes in one call."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters


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
        self.vector = nn.Parameter(parameters_to_vector(self._parameters).detach())
        vector_to_parameters(self.vector.data, self._parameters)

    def forget_gradients(self) -> None:
        """Let the next backward pass write gradients instead of adding to them."""
        for p in self._parameters:
            p.grad = None

    def gather(self) -> Tensor:
        """Make the gradients of the parameters that of the vector; zeros where there are none."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        self.vector.grad = torch.cat([part.reshape(-1) for part in parts])
        return self.vector.grad
