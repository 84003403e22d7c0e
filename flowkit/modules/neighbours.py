"""Pixels given the residuals of their neighbours: noise as smooth as what a decoder leaves."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, ShapeError
from .likelihoods import Likelihood


class NeighbourLikelihood(Likelihood):
    """Pixels one after the other, each given how far earlier neighbours are from their means.

    A linear map of the residuals of the neighbours, the same everywhere in the image, moves the
    location of a pixel. Where the likelihood has a trained scale, a map of the sizes of these
    residuals, and a number for each pixel, move the logarithm of that. The density is a product
    over pixels, and exact. All maps are initialised at zero, where pixels are independent.

    Parameters
    ----------
    likelihood : Likelihood
        Density of independent pixels.
    image_shape : tuple of int
        Height, width and number of channels; rows hold values in this order, which is also that
        in which one value is earlier than another.
    radius : int, default=2
        How many pixels away neighbours are at most, in rows and in columns.

    Raises
    ------
    InvalidParameterError
        If `radius` is less than one.
    ShapeError
        If images of that shape have another number of values.

    Notes
    -----
    In training, the decoder follows the gradient of independent pixels, and the maps that of
    `log_prob`. If all followed the latter, a few neighbours would explain what the latent should:
    densities would be higher, and reconstructions far worse.

    `mean` is that of pixels whose neighbours are as expected.

    Examples
    --------
    >>> import torch
    >>> from flowkit.modules import BernoulliLikelihood, NeighbourLikelihood
    >>> likelihood = NeighbourLikelihood(BernoulliLikelihood(6), (2, 3, 1))
    >>> likelihood.log_prob(torch.ones(1, 6), torch.zeros(1, 6)).item()
    -4.158883094787598
    """

    # A few numbers that keep up with networks.
    learning_rate_factor = 12.0

    def __init__(self, likelihood: Likelihood, image_shape: tuple[int, int, int], radius: int = 2):
        super().__init__(likelihood.n_features)
        if radius < 1:
            raise InvalidParameterError(f"radius must be at least 1, got {radius}.")
        height, width, n_channels = image_shape
        if height * width * n_channels != self.n_features:
            raise ShapeError(
                f"images of shape {tuple(image_shape)} have {height * width * n_channels} values, "
                f"the likelihood has {self.n_features} columns; they must be equal."
            )
        self.likelihood, self.radius = likelihood, radius
        self.image_shape = height, width, n_channels
        self.n_outputs, self.has_scale = likelihood.n_outputs, likelihood.has_scale
        shape = n_channels, n_channels, radius + 1, 2 * radius + 1
        self.location_map = nn.Parameter(torch.zeros(shape))
        if self.has_scale:
            self.scale_map = nn.Parameter(torch.zeros(shape))
            self.scale_shift = nn.Parameter(torch.zeros(self.n_features))
        earlier = torch.ones(shape)
        earlier[:, :, -1, radius:] = 0
        earlier[:, :, -1, radius] = torch.ones(n_channels, n_channels).tril(-1)
        self.register_buffer("earlier", earlier, persistent=False)

    def start(self, mean, deviation):
        return self.likelihood.start(mean, deviation)

    def parameters_of(self, outputs):
        return self.likelihood.parameters_of(outputs)

    def mean_by_column(self, *parameters):
        return self.likelihood.mean_by_column(*parameters)

    def log_prob(self, x, outputs):
        return self._log_prob(x, self.parameters_of(outputs))

    def training_log_prob(self, x, outputs):
        independent = self.likelihood.log_prob(x, outputs)
        parameters = [p.detach() for p in self.parameters_of(outputs)]
        return independent + (self._log_prob(x, parameters) - independent.detach())

    def sample(self, outputs, generator=None):
        parameters = self.parameters_of(outputs)
        mean, r = self.mean_by_column(*parameters), self.radius
        noise = self.likelihood.draw_noise(mean, generator)
        height, width, n_channels = self.image_shape
        residuals = mean.new_zeros(len(mean), height + r, width + 2 * r, n_channels)
        maps = [m.permute(2, 3, 1, 0).flatten(0, 2) for m in self._maps()]
        x = torch.empty_like(mean)
        for i in range(self.n_features):
            pixel, channel = divmod(i, n_channels)
            row, column = divmod(pixel, width)
            window = residuals[:, row : row + r + 1, column : column + 2 * r + 1].flatten(1)
            changes = (
                given @ m[:, channel] for given, m in zip(_sizes(window), maps, strict=False)
            )
            own = self._shifted([p[:, i] for p in parameters], changes, i)
            x[:, i] = self.likelihood.draw_by_column(noise[:, i], *own)
            residuals[:, row + r, column + r, channel] = x[:, i] - mean[:, i]
        return x

    def _log_prob(self, x, parameters):
        residuals = (x - self.mean_by_column(*parameters)).unflatten(1, self.image_shape)
        # Beyond the borders there is nothing to be far from.
        padded = F.pad(residuals.permute(0, 3, 1, 2), (self.radius, self.radius, self.radius, 0))
        changes = (
            F.conv2d(given, m).permute(0, 2, 3, 1).flatten(1)
            for given, m in zip(_sizes(padded), self._maps(), strict=False)
        )
        given = self._shifted(parameters, changes)
        return self.likelihood.log_prob_by_column(x, *given).sum(1)

    def _maps(self) -> list[Tensor]:
        """That of the location and that of the scale, if there is one."""
        maps = [self.location_map, self.scale_map] if self.has_scale else [self.location_map]
        return [m * self.earlier for m in maps]

    def _shifted(self, parameters, changes, columns=slice(None)) -> list[Tensor]:
        location, *scale = parameters
        change, *of_scale = changes
        if self.has_scale:
            scale = [scale[0] + of_scale[0] + self.scale_shift[columns]]
        return [location + change, *scale]


def _sizes(residuals: Tensor) -> tuple[Tensor, Tensor]:
    """Residuals, and their sizes."""
    return residuals, residuals.abs()
