"""Lifting: images from coarse grids to fine ones, each pixel given what is known around it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from .._image_shape import check_image_shape
from ..exceptions import InvalidParameterError, ShapeError
from ._base import Bijection
from ._lifting_cone import LiftingCone
from ._lifting_phases import lifting_phases
from ._log_det_tree import Node
from .lifting_phase import LiftingPhase

# Images that are mapped at once where no gradients are kept.
_CHUNK = 64


class Lifting(Bijection):
    """Recursion on every second row and column of an image, which predicts the pixels between.

    ``F_l`` cuts a grid of pixels into four phases: every second row and column, which go through
    ``F_(l+1)``, and three more. The diagonal phase is predicted from the coarse one, the other two
    from what is known by then, and of each phase a channel from those before it: green, red, blue.
    The recursion ends with a single pixel. `forward` takes one pass for each phase, `inverse` one
    for each of its channels.

    A value is mapped by the distribution function of a mixture of logistic densities, then by the
    quantiles of the standard normal. Locations are relative to a linear prediction; scales follow
    the local activity and the residuals of neighbours; a small network of the neighbourhood moves
    both, and the weights. Prediction and scales are buffers, which fractal flows set to those of
    least squares; until then every value is mapped by itself.

    Parameters
    ----------
    n_features : int
        Number of columns.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)`` of images whose flattened values are
        the columns; edges of any length. None for one row of pixels.
    n_components : int, default=3
        Number of logistic densities; 0 for an affine map, which initially is the identity.
    n_boxes : int, default=0
        Number of uniform densities at fixed places besides these, for values that many pixels
        share, such as black.
    hidden_units : int, default=32
        Width of the networks.
    n_hidden_layers : int, default=2
        Number of hidden layers of those that see the neighbourhood.
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    affine_from : int or None, default=None
        Level from which on there are neither mixtures nor boxes, so that what is on the coarse
        grid keeps its clusters; None for none.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    References
    ----------
    Sweldens, "The lifting scheme: a construction of second generation wavelets", SIAM J. Math.
    Anal. 29 (1998).

    Salimans, Karpathy, Chen, Kingma, "PixelCNN++: improving the PixelCNN with discretized logistic
    mixture likelihood and other modifications", ICLR 2017: mixtures, and channels in order.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Lifting
    >>> lifting = Lifting(9, image_shape=(3, 3), n_components=0)
    >>> [(node.level, node.kind, node.columns) for node in lifting.nodes[:2]]
    [(0, 'vertical', (3,)), (0, 'vertical', (5,))]
    >>> lifting.log_det_tree(torch.zeros(2, 9)).shape
    torch.Size([2, 9])
    >>> lifting.levels.reshape(3, 3)
    array([[2, 0, 1],
           [0, 0, 0],
           [1, 0, 1]])

    Attributes
    ----------
    grid : tuple of int
        Number of pixels along each axis.
    n_channels : int
        Number of columns of a pixel.
    """

    # A cone is that of rows that have holes of their own.
    cone_of_rows = True

    def __init__(
        self,
        n_features: int,
        image_shape: tuple[int, ...] | None = None,
        n_components: int = 3,
        n_boxes: int = 0,
        hidden_units: int = 32,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        affine_from: int | None = None,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features)
        shape = check_image_shape((1, n_features) if image_shape is None else image_shape)
        if math.prod(shape) != n_features:
            raise InvalidParameterError(
                f"image_shape {tuple(image_shape)} has {math.prod(shape)} values, but rows have "
                f"{n_features} columns."
            )
        for name, value in (("n_components", n_components), ("n_boxes", n_boxes)):
            if value < 0:
                raise InvalidParameterError(f"{name} must be at least 0, got {value}.")
        if n_boxes and not n_components:
            raise InvalidParameterError("n_boxes needs n_components of at least 1, got 0.")
        sizes = {"hidden_units": hidden_units, "dropout": dropout, "generator": generator}
        affine_from = math.inf if affine_from is None else affine_from
        self.phases = nn.ModuleList(
            LiftingPhase(
                phase,
                *((n_components, n_boxes) if phase.level < affine_from else (0, 0)),
                n_hidden_layers,
                sizes,
            )
            for phase in lifting_phases(*shape)
        )
        self.grid = (n_features,) if image_shape is None else tuple(shape[:2])
        self.n_channels = shape[2]
        # Places in data of the columns of one phase after the other.
        order = torch.cat([phase.columns.reshape(-1) for phase in self.phases])
        self.register_buffer("position", order.argsort(), persistent=False)

    @property
    def nodes(self):
        return tuple(
            Node(phase.level, phase.kind, (column,))
            for phase in self.phases
            for column in phase.columns.reshape(-1).tolist()
        )

    @property
    def n_levels(self) -> int:
        """Number of levels, the last of which is a single pixel."""
        return self.phases[-1].level + 1

    @property
    def levels(self) -> np.ndarray:
        """Level of the latent of each column, ndarray of shape (n_features,)."""
        levels = np.empty(self.n_features, dtype=int)
        for phase in self.phases:
            levels[phase.columns.cpu().numpy()] = phase.level
        return levels

    def log_det_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to latent, with the share of each level and column in the log-determinant.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Data.

        Returns
        -------
        z : Tensor of shape (n, n_features)
            Latent.
        shares : Tensor of shape (n, n_levels, n_features)
            Nats, those of a column in the level of its latent; they sum to the log-determinant of
            `forward`.
        """
        z, by_node = self.forward_by_node(x)
        by_column = by_node.index_select(1, self.position)
        own = torch.from_numpy(np.arange(self.n_levels)[:, None] == self.levels).to(x.device)
        return z, torch.where(own, by_column[:, None], 0.0)

    def cone(self, masks: np.ndarray) -> LiftingCone:
        """Inference cone of holes: the latents that change with them, and the way back.

        Parameters
        ----------
        masks : ndarray of bool of shape (n_rows, n_features)
            True in the hole of each row.

        Returns
        -------
        LiftingCone
            Maps what is in the holes as the whole map would.

        Raises
        ------
        ShapeError
            If `masks` has another shape or type, or there is no hole in any row.
        """
        masks = np.asarray(masks)
        shape_fits = masks.ndim == 2 and masks.shape[1] == self.n_features
        if not shape_fits or masks.dtype != bool or not masks.any():
            raise ShapeError(
                f"masks must be bools of shape (n_rows, {self.n_features}) with a hole in some "
                f"row, got {masks.dtype} of shape {masks.shape}, {np.count_nonzero(masks)} of them "
                "true."
            )
        masks = torch.from_numpy(np.ascontiguousarray(masks))
        return LiftingCone(self, masks.to(self.position.device))

    def _shares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latent (d, n), and log slopes (d, n) in the order of `nodes`."""
        latent, shares = self.by_phase(x.t().contiguous())
        return torch.cat(latent).index_select(0, self.position), torch.cat(shares)

    def by_phase(self, columns: Tensor, level: int = 0) -> tuple[list[Tensor], list[Tensor]]:
        """Latents and log slopes, a tensor (n_channels n_pixels, n) for each phase from a level on.

        Parameters
        ----------
        columns : Tensor of shape (d, n)
            Images.
        level : int, default=0
            Level of the finest phase that is wanted.

        Returns
        -------
        latents, log_slopes : list of Tensor
            In the order of `phases`.
        """
        found, errors = [], torch.zeros_like(columns)
        for phase in reversed([phase for phase in self.phases if phase.level >= level]):
            latent, log_slope, residuals = phase.forward(columns, errors)
            found.append((latent.flatten(0, 1), log_slope.flatten(0, 1)))
            errors = errors.index_copy(0, phase.columns.reshape(-1), residuals.flatten(0, 1))
        latents, log_slopes = zip(*reversed(found), strict=True)
        return list(latents), list(log_slopes)

    def _in_chunks(self, function, x):
        # Windows of all images would fill the memory.
        if torch.is_grad_enabled() or len(x) <= _CHUNK:
            return function(x)
        parts = [function(part) for part in x.split(_CHUNK)]
        return tuple(torch.cat(found) for found in zip(*parts, strict=True))

    def _forward(self, x, context):
        def mapped(x):
            latent, shares = self._shares(x)
            return latent.t(), shares.sum(0)

        return self._in_chunks(mapped, x)

    def _forward_by_node(self, x, context):
        def mapped(x):
            latent, shares = self._shares(x)
            return latent.t(), shares.t()

        return self._in_chunks(mapped, x)

    def _inverse(self, z, context):
        return self._in_chunks(self._unmapped, z)

    def _unmapped(self, z):
        latent = z.t()
        columns, errors, total = torch.zeros_like(latent), torch.zeros_like(latent), 0.0
        for phase in reversed(self.phases):
            for channel in range(len(phase.columns)):
                places = phase.columns[channel]
                z = latent.index_select(0, places)
                x, log_slope, residuals = phase.inverse(columns, errors, z, channel)
                columns = columns.index_copy(0, places, x)
                total = total + log_slope.sum(0)
                errors = errors.index_copy(0, places, residuals)
        return columns.t(), total
