"""The part of a lifting that holes in images reach, each image with a hole of its own."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

# Places of values are those in the images one after the other: row * n_features + column.


class LiftingCone:
    """Inference cone of holes: the pixels whose latents change with what is in them, and no others.

    A pixel is in the cone of its row if it is predicted from values in the hole, or if its
    activities know residuals of pixels that are. Pixels of all rows make one batch, and their
    columns are draws, or whatever else is tried in the holes. Everything outside is computed once,
    by `frame`.

    Parameters
    ----------
    lifting : Lifting
        The map.
    masks : Tensor of bool of shape (n_rows, n_features)
        Columns that change, of each row.

    Attributes
    ----------
    hole : Tensor of int of shape (n_hole,)
        Places of the values that change, row after row, and in each row as they are drawn: from
        coarse phases to fine ones.
    rows : Tensor of int of shape (n_hole,)
        Their rows.
    latents : Tensor of int of shape (n_latents,)
        Places of the latents that change.
    hole_latents : Tensor of int of shape (n_hole,)
        Which of these are those of the hole.
    links : Links
        Which latents are predicted from values in the hole.
    """

    def __init__(self, lifting, masks: Tensor):
        self.n_rows, self.n_features = masks.shape
        self._lifting = lifting
        found = _reached(lifting, masks)
        self.latents = torch.cat([pixels.columns.flatten() for pixels in found])
        self._sites = torch.cat([part.flatten() for p in found for part in (p.columns, p.index)])
        self._sites = self._sites.unique()
        changing = masks.flatten()[self.latents].nonzero()[:, 0]
        # Stable, so that a row's values stay in the order in which they are drawn.
        order = (self.latents[changing] // self.n_features).argsort(stable=True)
        self.hole_latents = changing[order]
        self.hole = self.latents[self.hole_latents]
        self.rows = self.hole // self.n_features
        self._hole_here = self._here(self.hole)
        number = torch.full((len(self._sites),), -1, device=masks.device)
        number[self._hole_here] = torch.arange(len(self.hole), device=masks.device)
        self._steps = [_Step(pixels, self._here, number) for pixels in found]
        sizes = torch.tensor([0, *(step.n_latents for step in self._steps)]).cumsum(0).tolist()
        links = [step.links(first) for step, first in zip(self._steps, sizes, strict=False)]
        self.links = Links(*(torch.cat(parts) for parts in zip(*links, strict=True)))

    def _here(self, places: Tensor) -> Tensor:
        return torch.searchsorted(self._sites, places)

    def frame(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the cone reads from rows, once.

        Parameters
        ----------
        x : Tensor of shape (n_rows, n_features)
            Rows; what they hold in the holes has no effect on what `forward` and `inverse` give.

        Returns
        -------
        values, residuals : Tensor of shape (n_sites, 1)
            For `forward` and `inverse`.
        """
        columns = x.t().contiguous()
        errors = _residuals(self._lifting, columns)
        return tuple(part.t().flatten()[self._sites, None] for part in (columns, errors))

    def forward(self, values: Tensor, kept: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Latents of the cone with these values in the holes.

        Parameters
        ----------
        values : Tensor of shape (n_hole, k)
            Values in the holes, k times.
        kept : tuple of Tensor
            From `frame`.

        Returns
        -------
        latents : Tensor of shape (n_latents, k)
            Latents.
        log_slopes : Tensor of shape (n_rows, k)
            Share of the cone in the log-determinant of each row.
        """
        columns, errors = (part.expand(-1, values.shape[1]) for part in kept)
        columns = columns.index_copy(0, self._hole_here, values)
        return self._through(columns, errors, None)[1:]

    def inverse(
        self, latents: Tensor, kept: tuple[Tensor, Tensor], slopes: list | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values in the holes that have these latents, given what is known around them.

        Parameters
        ----------
        latents : Tensor of shape (n_hole, k)
            Latents of the holes, k times.
        kept : tuple of Tensor
            From `frame`.
        slopes : list, default=None
            Gets a pair of tensors (n, k) for each part of `latents`: slopes of latents along their
            values, and along their predictions.

        Returns
        -------
        values : Tensor of shape (n_hole, k)
            Values in the holes.
        all_latents : Tensor of shape (n_latents, k)
            Latents of the cone, among them those given.
        log_slopes : Tensor of shape (n_rows, k)
            Share of what is known in the log-determinant of each row: of the cone without the hole.
        """
        columns, errors = (part.expand(-1, latents.shape[1]) for part in kept)
        columns, found, log_slopes = self._through(columns, errors, latents, slopes)
        return columns.index_select(0, self._hole_here), found, log_slopes

    def _through(self, columns, errors, given, slopes=None):
        found, total = [], columns.new_zeros(self.n_rows, columns.shape[1])
        for step in self._steps:
            columns, errors, latents, log_slopes = step.run(columns, errors, given, slopes)
            found.append(latents)
            total = total.index_add(0, step.rows, log_slopes)
        return columns, torch.cat(found), total


@dataclass(frozen=True)
class Links:
    """Weights of values in holes in linear predictions, a number for each that is not zero.

    Parameters
    ----------
    latent : Tensor of int of shape (n_links,)
        Which latent of the cone.
    value : Tensor of int of shape (n_links,)
        Which value of the holes.
    weight : Tensor of shape (n_links,)
        Weight of the value in the prediction of that latent.
    """

    latent: Tensor
    value: Tensor
    weight: Tensor


@dataclass(frozen=True)
class _Pixels:
    """Pixels of a phase in the cone: a row and a place of the phase of each."""

    phase: torch.nn.Module
    rows: Tensor
    pixels: Tensor
    columns: Tensor
    index: Tensor


def _residuals(lifting, columns):
    """Residuals of linear predictions, (d, n)."""
    errors = torch.zeros_like(columns)
    for phase in lifting.phases:
        places = phase.columns.flatten()
        residuals = columns[phase.columns] - phase.predict(phase.windows(columns))
        errors[places] = residuals.flatten(0, 1)
    return errors


def _reached(lifting, masks):
    """Pixels of each phase that are in the cone, from coarse to fine."""
    found, moved = [], torch.zeros_like(masks)
    for phase in reversed(lifting.phases):
        n_channels, n_near = len(phase.columns), phase.averages.shape[1]
        known = phase.index[: n_channels * phase.n_known]
        near = known.view(n_channels, phase.n_known, phase.index.shape[1])[:, :n_near]
        predicted = masks[:, phase.columns].any(1) | masks[:, phase.index].any(1)
        reached = predicted | moved[:, near.flatten(0, 1)].any(1)
        moved[:, phase.columns] |= predicted[:, None]
        rows, pixels = reached.nonzero().unbind(1)
        if len(rows):
            start = rows * masks.shape[1]
            places = start + phase.columns[:, pixels], start + phase.index[:, pixels]
            found.append(_Pixels(phase, rows, pixels, *places))
    return found


class _Step:
    """Pixels of a phase, mapped side by side.

    Parameters
    ----------
    pixels : _Pixels
        Which.
    here : callable
        Where places are in what the cone reads.
    number : Tensor of int of shape (n_sites,)
        Number in the hole of each value there; -1 for what is known.
    """

    def __init__(self, pixels: _Pixels, here, number: Tensor):
        columns, index = here(pixels.columns), here(pixels.index)
        self._part = _part(pixels.phase, pixels.pixels, index, columns)
        self._number = number
        n_channels, n_pixels = columns.shape
        self.n_latents = columns.numel()
        self.rows = pixels.rows.repeat(n_channels)
        free = [(number[places] >= 0).nonzero()[:, 0] for places in columns]
        self._free = [(at, number[places[at]]) for places, at in zip(columns, free, strict=True)]
        self._shape = n_channels, n_pixels

    def links(self, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """As `Links`, if latents are counted from a number on."""
        part, (n_channels, n_pixels) = self._part, self._shape
        value = self._number[part.index].expand(n_channels, -1, -1)
        shown = (value >= 0) & part.mask[:, :, None]
        channel, window, pixel = shown.nonzero().unbind(1)
        weight = part.weight[channel, window]
        return first + channel * n_pixels + pixel, value[shown], weight

    def run(self, columns: Tensor, errors: Tensor, given: Tensor | None, slopes: list | None):
        """Columns and residuals behind this step, and its latents and log slopes.

        With the latents `given` of the holes, their values are put into columns; log slopes are
        then those of what is known.
        """
        part, shape = self._part, (*self._shape, -1)
        context = part._given(columns, errors)
        x = columns.index_select(0, part.columns.flatten()).view(shape)
        latents, log_slopes = [], []
        for channel, (at, numbers) in enumerate(self._free):
            windows = part.windows(columns) if channel else context[0]
            context = windows, *context[1:]
            prediction = part.predict(windows)
            raw = part._raw(channel, context, prediction, x - prediction)
            location, own = prediction[channel], x[channel]
            drawn = given is not None and len(at)
            if drawn:
                z = given.index_select(0, numbers)
                values = part._map(z, location[at], raw[:, at], inverse=True)[0]
                own = own.index_copy(0, at, values)
                x = torch.cat((x[:channel], own[None], x[channel + 1 :]))
                columns = columns.index_copy(0, part.columns[channel], own)
            latent, log_slope = part._map(own, location, raw, inverse=False)
            if slopes is not None:
                slopes.append((log_slope.exp(), _slope_by_location(part, own, location, raw)))
            if drawn:
                latent, log_slope = latent.index_copy(0, at, z), log_slope.index_fill(0, at, 0.0)
            latents.append(latent)
            log_slopes.append(log_slope)
        residuals = x - part.predict(part.windows(columns))
        errors = errors.index_copy(0, part.columns.flatten(), residuals.flatten(0, 1))
        return columns, errors, torch.cat(latents), torch.cat(log_slopes)


def _part(phase, pixels: Tensor, index: Tensor, columns: Tensor):
    """A phase of some of its pixels, each any number of times; networks are those of the phase."""
    part = copy.copy(phase)
    here = {name: getattr(phase, name)[:, pixels] for name in ("bias", "usual", "places")}
    # The copy has the dictionaries of the phase itself.
    part._buffers = {**phase._buffers, **here, "index": index, "columns": columns}
    part.fixed_centre = phase.centre
    return part


@torch.enable_grad()
def _slope_by_location(part, x, location, raw):
    location = location.detach().requires_grad_()
    latent, _ = part._map(x.detach(), location, raw.detach(), inverse=False)
    return torch.autograd.grad(latent.sum(), location)[0]
