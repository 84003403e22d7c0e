"""Polynomials of the columns, one set for each order."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError


class Polynomials(nn.Module):
    """Orders 1 to `degree` of every column, element by element.

    Columns are clipped to an interval first, so that no power can explode. Legendre polynomials
    see that interval as [-1, 1] and have mean square one where values spread evenly over it;
    powers are those of the value divided by `high`.

    Parameters
    ----------
    degree : int
        Highest order.
    basis : {'legendre', 'power'}, default='legendre'
        Which polynomials.
    low, high : float, default=-3.0, 3.0
        Ends of the interval.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import Polynomials
    >>> Polynomials(3, "power", low=0.0, high=1.0)(torch.tensor([[0.5, 7.0]])).squeeze(2)
    tensor([[0.5000, 1.0000],
            [0.2500, 1.0000],
            [0.1250, 1.0000]])
    """

    def __init__(self, degree: int, basis: str = "legendre", low: float = -3.0, high: float = 3.0):
        super().__init__()
        if degree < 1:
            raise InvalidParameterError(f"degree must be at least 1, got {degree}.")
        if basis not in ("legendre", "power"):
            raise InvalidParameterError(f"basis must be 'legendre' or 'power', got {basis!r}.")
        if not (low < high and high > 0):
            raise InvalidParameterError(
                f"low must be below high, and high positive, got {low} and {high}."
            )
        self.degree, self.basis, self.low, self.high = degree, basis, low, high

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, d)`` to ``(degree, d, n)``."""
        x = x.t().clamp(self.low, self.high)
        if self.basis == "power":
            x = x / self.high
            return torch.stack([x**order for order in range(1, self.degree + 1)])
        x = (2 * x - (self.low + self.high)) / (self.high - self.low)
        before, now = torch.ones_like(x), x
        orders = []
        for n in range(1, self.degree + 1):
            orders.append(math.sqrt(2 * n + 1) * now)
            # Bonnet's recursion.
            before, now = now, ((2 * n + 1) * x * now - n * before) / (n + 1)
        return torch.stack(orders)
