"""Modules away from their start, rows of a domain, and contexts for them."""

from __future__ import annotations

import torch
from torch import nn


def perturbed(module: nn.Module, scale: float = 0.3, seed: int = 0) -> nn.Module:
    """The module in float64, its parameters moved away from the start."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.add_(scale * noise)
    return module


def rows_in(domain: str, n: int, d: int, scale: float = 1.5, seed: int = 1) -> torch.Tensor:
    """Float64 rows within a domain."""
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(n, d, dtype=torch.float64, generator=generator)
    if domain == "positive":
        return x.exp().clamp(1e-6, 1e6)
    if domain == "unit":
        return torch.sigmoid(x)
    return x


def context_for(n_context: int, n: int, seed: int = 2) -> torch.Tensor | None:
    """Float64 context of a case, None where it takes none."""
    if not n_context:
        return None
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, n_context, dtype=torch.float64, generator=generator)
