"""Inverse hyperbolic sine of columns with heavy tails."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..exceptions import ShapeError
from ._base import Elementwise


class Arcsinh(Elementwise):
    """``z = (arcsinh((x - location) / scale) - centre) / width`` of chosen columns.

    About linear within `scale` of `location` and logarithmic beyond on both sides, so that columns
    that spread over many orders of magnitude get an even scale. The other columns stay as they
    are, and so do all until `start` chooses. Nothing is trained.

    Parameters
    ----------
    n_features : int
        Number of columns.

    References
    ----------
    Burbidge, Magee, Robb, "Alternative Transformations to Handle Extreme Values of the Dependent
    Variable", JASA 83 (1988) 123-127.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Arcsinh
    >>> bent = Arcsinh(2)
    >>> one = torch.ones(2)
    >>> bent.start(0 * one, 1e-3 * one, 0 * one, one, torch.tensor([True, False]))
    >>> bent(torch.tensor([[1.0, 1.0], [1000.0, 1000.0]]))[0].round()
    tensor([[   8.,    1.],
            [  15., 1000.]])
    """

    def __init__(self, n_features: int):
        super().__init__(n_features)
        for name, value in {"location": 0.0, "scale": 1.0, "centre": 0.0, "width": 1.0}.items():
            self.register_buffer(name, torch.full((n_features,), value))
        self.register_buffer("bent", torch.zeros(n_features, dtype=torch.bool))

    @torch.no_grad()
    def start(
        self, location: Tensor, scale: Tensor, centre: Tensor, width: Tensor, bent: Tensor
    ) -> None:
        """Set location and scale of the bend, and what the result is centred and divided by.

        Parameters
        ----------
        location, scale, centre, width : Tensor of shape (n_features,)
            Finite numbers; `scale` and `width` positive.
        bent : bool Tensor of shape (n_features,)
            Which columns are mapped; the others stay as they are.

        Raises
        ------
        ShapeError
            If a shape is another.
        """
        given = {
            "location": location,
            "scale": scale,
            "centre": centre,
            "width": width,
            "bent": bent,
        }
        for name, value in given.items():
            buffer = getattr(self, name)
            if value.shape != buffer.shape:
                raise ShapeError(
                    f"expected {name} of shape {tuple(buffer.shape)}, got {tuple(value.shape)}."
                )
            buffer.copy_(value)

    def _log_slope(self, u: Tensor) -> Tensor:
        log_slope = -torch.log(torch.hypot(u, torch.ones_like(u)))
        return torch.where(self.bent, log_slope - (self.scale * self.width).log(), 0.0)

    def _forward_by_column(self, x, context):
        u = (x - self.location) / self.scale
        z = (torch.asinh(u) - self.centre) / self.width
        return torch.where(self.bent, z, x), self._log_slope(u)

    def _inverse_by_column(self, z, context):
        # Beyond this there is no number left.
        limit = math.log(torch.finfo(z.dtype).max) - 1
        u = torch.sinh((z * self.width + self.centre).clamp(-limit, limit))
        x = torch.where(self.bent, self.location + self.scale * u, z)
        return x, -self._log_slope(u)
