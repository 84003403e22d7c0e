"""The parameters of a module as one vector, which an optimiser changes in one call."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from ..exceptions import InvalidParameterError

# What the optimiser's groups call the factor of their learning rate.
FACTOR = "learning_rate_factor"


class FlatParameters:
    """One vector that holds all trained parameters of a module, which become views of it.

    Optimisers and norms cost as much for each of fifty small tensors as for one large one.

    Parameters
    ----------
    module : Module
        Whose parameters are meant.

    Attributes
    ----------
    vector : Parameter of shape (n_parameters,)
        The values, those of equal rates side by side; its gradient is that of the last `gather`.
    groups : list of dict
        Parts of the vector for an optimiser, each with the ``learning_rate_factor`` of the modules
        whose parameters it holds, 1 unless they state one.

    Raises
    ------
    InvalidParameterError
        If parameters differ in dtype or device.
    """

    def __init__(self, module: nn.Module):
        by_factor = _by_factor(module)
        self._parameters = [p for factor in sorted(by_factor) for p in by_factor[factor]]
        kinds = sorted({f"{p.dtype} on {p.device}" for p in self._parameters})
        if len(kinds) > 1:
            raise InvalidParameterError(
                f"parameters of a module must be of one dtype and device, got {kinds}. Call "
                "module.to(dtype=..., device=...) first."
            )
        self.vector = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in self._parameters]))
        vector_to_parameters(self.vector.data, self._parameters)
        sizes = [sum(p.numel() for p in by_factor[factor]) for factor in sorted(by_factor)]
        self._parts = [nn.Parameter(part) for part in self.vector.data.split(sizes)]
        self.groups = [
            {"params": [part], FACTOR: factor}
            for part, factor in zip(self._parts, sorted(by_factor), strict=True)
        ]

    def forget_gradients(self) -> None:
        """Let the next backward pass write gradients instead of adding to them."""
        for p in self._parameters:
            p.grad = None

    def gather(self) -> Tensor:
        """Make the gradients of the parameters that of the vector; zeros where there are none."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        self.vector.grad = torch.cat([part.reshape(-1) for part in parts])
        gradients = self.vector.grad.split([part.numel() for part in self._parts])
        for part, gradient in zip(self._parts, gradients, strict=True):
            part.grad = gradient
        return self.vector.grad


def _by_factor(module: nn.Module) -> dict[float, list[nn.Parameter]]:
    """Trained parameters by the factor of their learning rate, each once."""
    factor_of = {}
    for part in module.modules():
        for p in part.parameters(recurse=False):
            if p.requires_grad:
                factor_of.setdefault(p, getattr(part, FACTOR, 1.0))
    return {
        factor: [p for p in factor_of if factor_of[p] == factor]
        for factor in set(factor_of.values())
    }
