"""The tree over columns that fractal bijections recurse along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._image_shape import check_image_shape
from ..exceptions import InvalidParameterError


@dataclass(frozen=True)
class Level:
    """The nodes of one depth that are split: their halves, and those as images where they are.

    Parameters
    ----------
    left, right : tuple of ndarray
        Columns of both halves, one array a node.
    grid : tuple of int or None
        Height and width of the images whose channels the halves are.
    """

    left: tuple[np.ndarray, ...]
    right: tuple[np.ndarray, ...]
    grid: tuple[int, int] | None = None

    def columns(self, node: int) -> tuple[int, ...]:
        """Columns of a node, in their order."""
        return tuple(sorted((*self.left[node].tolist(), *self.right[node].tolist())))


def column_levels(n_features: int, n_levels: int) -> list[Level]:
    """Halve the columns, then the halves, `n_levels` times or until one column is left."""
    levels, nodes = [], [np.arange(n_features)]
    for _ in range(n_levels + 1):
        halves = [np.split(node, [len(node) // 2]) for node in nodes if len(node) > 1]
        if not halves:
            break
        levels.append(Level(*map(tuple, zip(*halves, strict=True))))
        nodes = [half for pair in halves for half in pair]
    return levels


def image_levels(image_shape: tuple[int, ...], n_levels: int) -> list[Level]:
    """Split images into the four grids of every second pixel, then each of these, and so on.

    One step of this quadtree is two of the binary tree: first the two diagonals of each two by two
    square, so that every pixel is coupled to its four neighbours, then the grids of each diagonal.
    """
    height, width, channels = check_image_shape(image_shape)
    if height % 2 or width % 2:
        raise InvalidParameterError(
            f"image_shape must have an even height and width, got {tuple(image_shape)}: crop or "
            "pad the images by one row or column."
        )
    nodes = [np.arange(height * width * channels).reshape(height, width, channels)]
    levels = []
    for _ in range(n_levels + 1):
        height, width = nodes[0].shape[:2]
        if height % 2 or width % 2:
            break
        grid = height // 2, width // 2
        phases = [[node[i::2, j::2] for i in (0, 1) for j in (0, 1)] for node in nodes]
        levels.append(
            Level(
                tuple(_planes(first, last) for first, _, _, last in phases),
                tuple(_planes(second, third) for _, second, third, _ in phases),
                grid,
            )
        )
        diagonals = [(p[a], p[b]) for p in phases for a, b in ((0, 3), (1, 2))]
        levels.append(
            Level(
                tuple(_planes(first) for first, _ in diagonals),
                tuple(_planes(second) for _, second in diagonals),
                grid,
            )
        )
        nodes = [phase for pair in diagonals for phase in pair]
    return levels


def _planes(*phases: np.ndarray) -> np.ndarray:
    """Columns of images in the order channel, row, column."""
    return np.concatenate([phase.transpose(2, 0, 1).ravel() for phase in phases])
