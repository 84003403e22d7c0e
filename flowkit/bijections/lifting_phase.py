"""Pixels of one phase of a lifting, given those known before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..nets import ResidualMLP
from ._lifting_phases import Phase
from ._logistic_mixture import mixture_forward, mixture_inverse

# Bounds of log scales, of shifts in units of a scale, and of what networks are shown.
LOG_SCALES, _MAX_SHIFT, _MAX_INPUT = (-11.0, 4.0), 8.0, 10.0


class LiftingPhase(nn.Module):
    """Pixels of one phase of one level given those known before.

    Parameters
    ----------
    phase : Phase
        Which pixels, and what they are predicted from.
    n_components, n_boxes, n_hidden_layers : int
        As in `Lifting`.
    sizes : dict
        Further options of the networks.

    Attributes
    ----------
    columns : Tensor of int of shape (n_channels, n_pixels)
        Columns of the pixels.
    weight : Tensor of shape (n_channels, n_windowed)
        Linear prediction from `windows`.
    bias : Tensor of shape (n_channels, n_pixels)
        Its constant at each place.
    floor : Tensor of shape ()
        Least activity that is told from none.
    usual : Tensor of shape (n_channels, n_pixels)
        Logarithm of the usual size of residuals at each place.
    steer : Tensor of shape (n_channels, n_raw, n_activities)
        What activities make of the mixture.
    boxes : Tensor of shape (n_boxes,)
        Centres of the boxes.
    box_width : Tensor of shape ()
        Their width.
    """

    def __init__(
        self, phase: Phase, n_components: int, n_boxes: int, n_hidden_layers: int, sizes: dict
    ):
        super().__init__()
        self.level, self.kind = phase.level, phase.kind
        self.n_components, self.n_boxes = n_components, n_boxes
        # Set where a copy holds some of the pixels alone.
        self.fixed_centre = None
        n_channels, n_pixels = phase.columns.shape
        self.n_known, self.n_own = phase.known.shape[1], phase.own.shape[1]
        index = (*phase.known, *phase.own)
        index = torch.cat([torch.from_numpy(part) for part in index])
        self.register_buffer("columns", torch.from_numpy(phase.columns), persistent=False)
        self.register_buffer("index", index, persistent=False)
        # Which of these channels before a channel give.
        n_windowed = len(index)
        given = n_channels * self.n_known + torch.arange(n_channels) * self.n_own
        mask = torch.arange(n_windowed) < given[:, None]
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("averages", _averages(phase), persistent=False)
        places = torch.from_numpy(phase.places).float()
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("weight", torch.zeros(n_channels, n_windowed))
        self.register_buffer("bias", torch.zeros(n_channels, n_pixels))
        self.register_buffer("usual", torch.zeros(n_channels, n_pixels))
        self.register_buffer("floor", torch.tensor(1e-3))
        n_raw = (3 * n_components or 2) + n_boxes
        self.register_buffer("steer", torch.zeros(n_channels, n_raw, self.n_activities))
        self.register_buffer("boxes", torch.zeros(n_boxes))
        self.register_buffer("box_width", torch.tensor(1.0))
        hidden_units = sizes["hidden_units"]
        n_shown = n_channels * (self.n_known + phase.n_around + 2) + len(places)
        self.trunk = None
        if self.n_known:
            options = {"n_hidden_layers": n_hidden_layers, **sizes}
            self.trunk = ResidualMLP(n_shown, hidden_units, **options)
        handed = hidden_units if self.n_known else len(places)
        self.heads = nn.ModuleList(
            ResidualMLP(
                handed + c * (self.n_own + 1) + self.n_activities,
                n_raw,
                n_hidden_layers=1,
                **sizes,
            )
            for c in range(n_channels)
        )

    @property
    def n_activities(self) -> int:
        """How many numbers tell of the activity around a value."""
        return 5 + (9 if self.n_known else 0) + 2 * (len(self.columns) - 1)

    @property
    def centre(self) -> Tensor:
        """Mean of `usual` over the places of all pixels, (n_channels,)."""
        return self.usual.mean(1) if self.fixed_centre is None else self.fixed_centre

    # ------------------------------------------------------------------ what is known

    def windows(self, columns: Tensor, places: Tensor | None = None) -> Tensor:
        """What values are predicted from, (n_windowed, n_pixels, n), of columns (d, n).

        With `places`, that of some of the pixels; likewise in the methods below.
        """
        index = _at(self.index, places)
        found = columns.index_select(0, index.reshape(-1))
        return found.view(*index.shape, columns.shape[1])

    def surroundings(
        self, windows: Tensor, errors: Tensor | None = None, places: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Means and log deviations of the pixels around, in each channel.

        Parameters
        ----------
        windows : Tensor of shape (n_windowed, n_pixels, n)
            What values are predicted from.
        errors : Tensor of shape (n_channels, n_around, n_pixels, n), default=None
            As `near_errors` returns them; zeros by default.
        places : Tensor of int, default=None
            Which pixels.

        Returns
        -------
        means : Tensor of shape (n_channels, n_pixels, n)
            Of the near pixels; zeros where none is known.
        log_deviations : Tensor of shape (6, n_channels, n_pixels, n)
            Of the nearest pixels, of the near ones, then the slopes of the nearest along columns
            and along rows, then the residuals of the nearest and of the near ones; the usual
            residual where none is known.
        """
        shape = len(self.columns), *windows.shape[1:]
        if not self.n_known:
            usual = _at(self.usual, places)[:, :, None].expand(shape)
            return torch.zeros_like(usual), usual.expand(6, *shape)
        known = self._known(windows)
        first, near = known[:, :1], known[:, : self.averages.shape[1]]
        # Differences keep the digits of small variances.
        near = (near - first).flatten(2)
        means, slopes = (self.averages @ near).split(2, 1)
        squares = self.averages[:2] @ near.square() - means.square()
        squares = [squares.clamp_min(0), slopes.square(), torch.zeros_like(slopes)]
        if errors is not None:
            squares[2] = self.averages[:2] @ errors.square().flatten(2)
        squares = torch.cat(squares, 1) + self.floor.square()
        log_deviations = 0.5 * squares.log().transpose(0, 1).reshape(6, *shape)
        return first[:, 0] + means[:, 1].view(shape), log_deviations

    def near_errors(self, errors: Tensor, places: Tensor | None = None) -> Tensor:
        """Residuals of the near pixels, (n_channels, n_around, n_pixels, n)."""
        n_channels, n_near = len(self.columns), self.averages.shape[1]
        index = _at(self.index[: n_channels * self.n_known], places)
        index = index.view(n_channels, self.n_known, -1)[:, :n_near]
        return errors.index_select(0, index.reshape(-1)).view(*index.shape, -1)

    def _known(self, windows):
        """Windows of other phases, (n_channels, n_known, n_pixels, n)."""
        n_channels = len(self.columns)
        known = windows[: n_channels * self.n_known]
        return known.view(n_channels, self.n_known, *windows.shape[1:])

    def predict(self, windows: Tensor, places: Tensor | None = None) -> Tensor:
        """Linear predictions, (n_channels, n_pixels, n)."""
        product = self.weight @ windows.flatten(1)
        return product.view(-1, *windows.shape[1:]) + _at(self.bias, places)[:, :, None]

    def activities(
        self,
        prediction: Tensor,
        means: Tensor,
        log_deviations: Tensor,
        residuals: Tensor,
        channel: int,
        places: Tensor | None = None,
    ) -> Tensor:
        """What tells of the activity around the values of a channel.

        Parameters
        ----------
        prediction : Tensor of shape (n_pixels, n)
            Linear prediction of the channel.
        means, log_deviations : Tensor
            As `surroundings` returns them.
        residuals : Tensor of shape (n_channels, n_pixels, n)
            Residuals of the linear prediction, of which those of the channels before are read.
        channel : int
            Which.

        Returns
        -------
        Tensor of shape (n_activities, n_pixels, n)
            The numbers; zeros for those that the channel lacks.
        """
        n_channels, (_, *shape) = len(self.columns), residuals.shape
        centre = self.centre
        usual = _at(self.usual[channel], places) - centre[channel]
        usual = usual[None, :, None].expand(1, *shape)
        level = (prediction / (1 + prediction.abs()))[None]
        parts = [torch.ones_like(usual), usual, usual.square(), level, level.square()]
        if self.n_known:
            deviations = log_deviations[:, channel] - centre[channel]
            every = (log_deviations[1] - centre[:, None, None]).mean(0)
            bend = self._log_size(prediction - means[channel]) - centre[channel]
            parts += [deviations, torch.stack((deviations[1].square(), every, bend))]
        size = self._log_size(residuals[:channel]) - centre[:channel, None, None]
        parts += [size, size.square()]
        n_lacking = 2 * (n_channels - 1 - channel)
        return torch.cat((*parts, usual.new_zeros(n_lacking, *shape)))

    def _log_size(self, values):
        return 0.5 * (values.square() + self.floor.square()).log()

    # ------------------------------------------------------------------ the map

    def _given(self, columns, errors):
        """What channels are mapped by, except what depends on channels before."""
        windows = self.windows(columns)
        errors = self.near_errors(errors) if self.n_known else None
        means, log_deviations = self.surroundings(windows, errors)
        around = log_deviations[1]
        scale = (-around.mean(0)).exp()
        places = self.places[:, :, None].expand(-1, -1, columns.shape[1])
        if self.trunk is None:
            return windows, means, log_deviations, scale, places
        known = (self._known(windows) - means[:, None]) * scale
        known = known.clamp(-_MAX_INPUT, _MAX_INPUT)
        levels = (self.centre[:, None, None] - around).clamp(-_MAX_INPUT, _MAX_INPUT)
        errors = (errors * scale).clamp(-_MAX_INPUT, _MAX_INPUT)
        shown = (known.flatten(0, 1), errors.flatten(0, 1), means, levels, places)
        shown = torch.cat(shown)
        handed = self.trunk.by_columns(shown.flatten(1)).view(-1, *scale.shape)
        return windows, means, log_deviations, scale, handed

    def _raw(self, channel, given, prediction, residuals):
        """Parameters of the map of a channel, (n_raw, n_pixels, n)."""
        windows, means, log_deviations, scale, handed = given
        activities = self.activities(prediction[channel], means, log_deviations, residuals, channel)
        first = len(self.columns) * self.n_known
        own = windows[first : first + channel * self.n_own].view(channel, self.n_own, *scale.shape)
        before = torch.cat((own - means[:channel, None], residuals[:channel, None]), 1) * scale
        before = before.clamp(-_MAX_INPUT, _MAX_INPUT).flatten(0, 1)
        shown = torch.cat((handed, before, activities))
        raw = self.heads[channel].by_columns(shown.flatten(1))
        return (raw + self.steer[channel] @ activities.flatten(1)).view(-1, *scale.shape)

    def _map(self, x, prediction, raw, inverse):
        """Values by the parameters (n_raw, ...) of their map."""
        k = max(self.n_components, 1)
        shift, log_scale = raw[:k], raw[k : 2 * k].clamp(*LOG_SCALES)
        shift = _MAX_SHIFT * torch.tanh(shift / _MAX_SHIFT)
        location = prediction + log_scale.exp() * shift
        if not self.n_components:
            location, log_scale = location[0], log_scale[0]
            if inverse:
                return location + log_scale.exp() * x, log_scale
            return (x - location) * (-log_scale).exp(), -log_scale
        weights = raw[2 * k :].log_softmax(0)
        through = mixture_inverse if inverse else mixture_forward
        return through(x, weights, location, log_scale, self.boxes, self.box_width)

    def forward(self, columns: Tensor, errors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latent, log slopes and residuals, (n_channels, n_pixels, n).

        Parameters
        ----------
        columns : Tensor of shape (d, n)
            Images.
        errors : Tensor of shape (d, n)
            Residuals of the phases before.
        """
        given = self._given(columns, errors)
        n_channels, n_pixels = self.columns.shape
        x = columns.index_select(0, self.columns.reshape(-1)).view(n_channels, n_pixels, -1)
        prediction = self.predict(given[0])
        residuals = x - prediction
        raw = [self._raw(c, given, prediction, residuals) for c in range(n_channels)]
        return *self._map(x, prediction, torch.stack(raw, 1), False), residuals

    def inverse(
        self, columns: Tensor, errors: Tensor, latent: Tensor, channel: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values, log slopes and residuals of a channel, (n_pixels, n).

        Parameters as in `forward`, and the latent of the channel; those before are in place.
        """
        given = self._given(columns, errors)
        n_channels, n_pixels = self.columns.shape
        x = columns.index_select(0, self.columns.reshape(-1)).view(n_channels, n_pixels, -1)
        prediction = self.predict(given[0])
        raw = self._raw(channel, given, prediction, x - prediction)
        x, log_slope = self._map(latent, prediction[channel], raw, True)
        return x, log_slope, x - prediction[channel]


def _at(values: Tensor, places: Tensor | None) -> Tensor:
    """Values of all pixels, or of some; pixels come last."""
    return values if places is None else values[..., places]


def _averages(phase: Phase) -> Tensor:
    """Weights (4, n_around) of means of the nearest and the near known pixels, then of slopes."""
    weights = torch.zeros(4, phase.n_around)
    n_nearest = phase.steps.shape[1]
    if n_nearest:
        weights[0, :n_nearest] = 1 / n_nearest
        weights[1] = 1 / phase.n_around
        weights[2:, :n_nearest] = torch.from_numpy(phase.steps) / n_nearest
    return weights
