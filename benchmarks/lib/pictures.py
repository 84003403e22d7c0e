"""Pictures of images in rows and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def draw_columns(columns: dict[str, np.ndarray], path: Path, high: float) -> None:
    """A titled column of grey images for each entry.

    Parameters
    ----------
    columns : dict of ndarray of shape (n, height, width)
        By title.
    path : Path
        File to write.
    high : float
        Value that is white.
    """
    n = min(map(len, columns.values()))
    size = 2 * len(columns), 2 * n
    figure, axes = _pyplot().subplots(n, len(columns), figsize=size, squeeze=False, layout="tight")
    for column, (title, images) in zip(axes.T, columns.items(), strict=True):
        column[0].set_title(title)
        for axis, image in zip(column, images, strict=False):
            axis.imshow(image, cmap="gray", vmin=0, vmax=high)
            axis.set_axis_off()
    _save(figure, path)


def draw_rows(rows: np.ndarray, labels: list[str], title: str, path: Path) -> None:
    """A labelled row of grey images each; `rows` is (n_rows, n_columns, height, width)."""
    # A grey line between images.
    high = rows.max()
    images = np.pad(rows, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=high / 2)
    height = images.shape[2]
    grid = images.transpose(0, 2, 1, 3).reshape(len(rows) * height, -1)
    figure, axes = _pyplot().subplots(figsize=(rows.shape[1], len(rows)), layout="tight")
    axes.imshow(grid, cmap="gray", vmin=0, vmax=high)
    axes.set_xticks([])
    axes.set_yticks((np.arange(len(rows)) + 0.5) * height, labels)
    axes.set_title(title)
    _save(figure, path)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    _pyplot().close(figure)
