"""Pixels given the residuals of their neighbours: noise that is smooth where images are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from .likelihoods import Likelihood


class NeighbourLikelihood(Likelihood):
    """Pixels one after the other, each given how far its neighbours before it are off their mean.

    A linear map of the residuals of the neighbours, the same everywhere in the image, moves the
    location of a pixel, and one of their sizes moves the logarithm of its scale. Densities are
    products over pixels, and exact. The maps are initialised at zero: independent pixels.

    Parameters
    ----------
    likelihood : Likelihood
        Density of a pixel given its parameters.
    image_shape : tuple of int
        Height, width and number of channels; rows hold values in this order, in which one value
        is before another.
    radius : int, default=2
        Neighbours are at most as many pixels away, in rows and in columns.

    Raises
    ------
    InvalidParameterError
        If `radius` is less than one.

    Notes
    -----
    `mean` is that of pixels whose neighbours are as expected.

    Examples
    --------
    >>> import torch
    >>> from flowkit.modules import BernoulliLikelihood, NeighbourLikelihood
    >>> likelihood = NeighbourLikelihood(BernoulliLikelihood(6), (2, 3, 1))
    >>> likelihood.log_prob(torch.ones(1, 6), torch.zeros(1, 6))
    tensor([-4.1589], grad_fn=<SumBackward1>)
    """

    # Few numbers that have to keep up with networks.
    learning_rate_factor = 12.0

    def __init__(
        self, likelihood: Likelihood, image_shape: tuple[int, int, int], radius: int = 2
    ):
        super().__init__(likelihood.n_features)
        if radius < 1:
            raise InvalidParameterError(f"radius must be at least 1, got {radius}.")
        self.likelihood, self.image_shape, self.radius = likelihood, tuple(image_shape), radius
        self.n_outputs = likelihood.n_outputs
        n_channels = image_shape[2]
        shape = n_channels, n_channels, radius + 1, 2 * radius + 1
        self.location_map = nn.Parameter(torch.zeros(shape))
        self.scale_map = nn.Parameter(torch.zeros(shape))
        self.scale_shift = nn.Parameter(torch.zeros(likelihood.n_features))
        before = torch.ones(shape)
        before[:, :, -1, radius:] = 0
        before[:, :, -1, radius] = torch.ones(n_channels, n_channels).tril(-1)
        self.register_buffer("before", before, persistent=False)

    def start(self, mean, deviation):
        return self.likelihood.start(mean, deviation)

    def parameters_of(self, outputs):
        return self.likelihood.parameters_of(outputs)

    def log_prob(self, x, outputs):
        parameters = self.parameters_of(outputs)
        moved = self._moved(x - self._mean(*parameters), *parameters)
        return self.likelihood._log_prob(x, *moved).sum(1)

    def training_log_prob(self, x, outputs):
        independent = self.likelihood.log_prob(x, outputs)
        parameters = [p.detach() for p in self.parameters_of(outputs)]
        moved = self._moved(x - self._mean(*parameters), *parameters)
        given = self.likelihood._log_prob(x, *moved).sum(1)
        return independent + (given - independent.detach())

    def sample(self, outputs, generator=None):
        parameters = self.parameters_of(outputs)
        noise = self.likelihood._noise(parameters[0], generator)
        mean = self._mean(*parameters)
        height, width, n_channels = self.image_shape
        r, x = self.radius, torch.empty_like(mean)
        residuals = x.new_zeros(len(x), height + r, width + 2 * r, n_channels)
        maps = [m.permute(0, 2, 3, 1).flatten(1) for m in self._maps()]
        for i in range(self.n_features):
            row, column, channel = i // n_channels // width, i // n_channels % width, i % n_channels
            window = residuals[:, row : row + r + 1, column : column + 2 * r + 1].flatten(1)
            changes = window @ maps[0][channel], window.abs() @ maps[1][channel] + self.scale_shift[i]
            own = (p[:, i] for p in parameters)
            x[:, i] = self.likelihood._draw(
                noise[:, i], *(p + change for p, change in zip(own, changes, strict=False))
            )
            residuals[:, row + r, column + r, channel] = x[:, i] - mean[:, i]
        return x

    def _mean(self, *parameters):
        return self.likelihood._mean(*parameters)

    def _maps(self) -> tuple[Tensor, Tensor]:
        return self.location_map * self.before, self.scale_map * self.before

    def _moved(self, residuals: Tensor, *parameters: Tensor) -> list[Tensor]:
        """Parameters of each pixel given the residuals of all."""
        images = residuals.unflatten(1, self.image_shape).permute(0, 3, 1, 2)
        images = F.pad(images, (self.radius, self.radius, self.radius, 0))
        changes = [
            F.conv2d(values, kernel).permute(0, 2, 3, 1).flatten(1)
            for values, kernel in zip((images, images.abs()), self._maps(), strict=True)
        ]
        changes[1] = changes[1] + self.scale_shift
        return [p + change for p, change in zip(parameters, changes, strict=False)]
