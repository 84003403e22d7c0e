"""Which pixels of an image are predicted from which, from coarse grids to fine ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Squared distances, in pixels of a grid, of what a pixel is predicted from, of what tells the
# activity around it, and of the values of its own phase in the channels before.
_REACH, _AROUND, _OWN_REACH = 20, 10, 8

# A phase: where its pixels lie in squares of two by two, and what is known there by then.
_PHASES = {
    "diagonal": ((1, 1), {(0, 0)}),
    "horizontal": ((0, 1), {(0, 0), (1, 1)}),
    "vertical": ((1, 0), {(0, 0), (1, 1), (0, 1)}),
}


@dataclass(frozen=True)
class Phase:
    """Pixels that are predicted at once, channel by channel.

    Parameters
    ----------
    level : int
        Depth in the recursion on the coarse grid, 0 for the finest.
    kind : str
        'diagonal', 'horizontal' or 'vertical'; 'root' for the last pixel.
    columns : ndarray of int of shape (n_channels, n_pixels)
        Columns of the pixels, channels in the order of their prediction.
    places : ndarray of shape (2, n_pixels)
        Row and column of the pixels in the image, from -1 to 1.
    known : ndarray of int of shape (n_channels, n_known, n_pixels)
        Columns of the pixels of other phases that are known by then, nearest first.
    own : ndarray of int of shape (n_channels - 1, n_own, n_pixels)
        Columns of the pixels of the same phase in the channels before, nearest first.
    steps : ndarray of int of shape (2, n_nearest)
        Rows and columns from a pixel to those of `known` that are nearest.
    n_around : int
        How many of `known` are near.
    """

    level: int
    kind: str
    columns: np.ndarray
    places: np.ndarray
    known: np.ndarray
    own: np.ndarray
    steps: np.ndarray
    n_around: int


def lifting_phases(height: int, width: int, channels: int) -> Iterator[Phase]:
    """Phases of images, the finest first; the way back goes from the last to the first."""
    grid = np.arange(height * width * channels).reshape(height, width, channels)
    # Green is nearest to brightness, which the other two channels follow.
    grid = grid[:, :, [1, 0, 2]] if channels == 3 else grid
    rows, columns = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in (height, width))
    level = 0
    while grid.shape[:2] != (1, 1):
        # The last phase of a level first, as it is predicted from the others.
        for kind in reversed(_PHASES):
            phase = _phase(level, kind, grid, rows, columns)
            if phase.columns.size:
                yield phase
        grid, rows, columns = grid[::2, ::2], rows[::2], columns[::2]
        level += 1
    own = grid[0, 0, :-1].reshape(-1, 1, 1)
    nothing, no_steps = np.empty((channels, 0, 1), dtype=int), np.empty((2, 0), dtype=int)
    yield Phase(level, "root", grid[0, 0][:, None], np.zeros((2, 1)), nothing, own, no_steps, 0)


def _phase(level, kind, grid, rows, columns):
    target, given = _PHASES[kind]
    height, width = grid.shape[:2]
    i, j = np.meshgrid(
        np.arange(target[0], height, 2), np.arange(target[1], width, 2), indexing="ij"
    )
    i, j = i.ravel(), j.ravel()

    def take(offsets):
        """Columns (n_channels, n_offsets, n_pixels); beyond the edge what its mirror shows."""
        steps = np.array(offsets, dtype=int).reshape(-1, 2)
        at_rows = _mirrored(i + steps[:, :1], height)
        return grid[at_rows, _mirrored(j + steps[:, 1:], width)].transpose(2, 0, 1)

    around = _offsets(_REACH, height, width)
    known = [o for o in around if ((target[0] + o[0]) % 2, (target[1] + o[1]) % 2) in given]
    own = [o for o in _offsets(_OWN_REACH, height, width) if o[0] % 2 == o[1] % 2 == 0]
    squares = [a * a + b * b for a, b in known]
    return Phase(
        level,
        kind,
        grid[i, j].T,
        np.stack([rows[i], columns[j]]),
        take(known),
        take(own)[:-1],
        np.array([o for o, s in zip(known, squares, strict=True) if s == squares[0]]).T,
        sum(s <= _AROUND for s in squares),
    )


def _offsets(reach, height, width):
    """Steps within a circle, the shortest first; none along an edge of one pixel."""
    far = int(reach**0.5)
    vertical, horizontal = (range(-far, far + 1) if n > 1 else (0,) for n in (height, width))
    found = [(a, b) for a in vertical for b in horizontal if a * a + b * b <= reach]
    return sorted(found, key=lambda o: o[0] ** 2 + o[1] ** 2)


def _mirrored(index, n):
    """Mirrored at the first and the last pixel, which keeps even pixels even."""
    if n == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * n - 2)
    return np.minimum(index, 2 * n - 2 - index)
