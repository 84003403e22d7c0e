"""Places to draw: panels, new figures with known margins, colour bars."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import InvalidParameterError
from ._style import LABEL_SIZE, POINTS_PER_INCH

_BESIDE = {"fraction": 0.05, "pad": 0.02, "aspect": 25}


def panels(ax, n: int, *, size, gap, max_width: float, n_columns: int | None = None) -> np.ndarray:
    """Axes of `n` small panels: those given, others in the area of one, or of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of matplotlib Axes or None
        At least `n` axes, one that gives way to the panels, or None for a new figure.
    n : int
        Number of panels, filled row by row.
    size : tuple of float
        Width and height of a panel of a new figure, in inches.
    gap : tuple of float
        Free inches beside and above each panel, and as many around all.
    max_width : float
        Width of a new figure above which panels start another row, in inches.
    n_columns : int, default=None
        Number of panels of a row, whatever the width.

    Returns
    -------
    ndarray of matplotlib Axes, of shape (n,)
        The panels.

    Raises
    ------
    InvalidParameterError
        If fewer axes than panels are given.
    """
    if np.iterable(ax):
        return given_panels(ax, n)
    if ax is None:
        import matplotlib.pyplot as plt

        most = max(1, int((max_width - gap[0]) / (size[0] + gap[0])))
        n_columns = n_columns or math.ceil(n / math.ceil(n / most))
        n_rows = math.ceil(n / n_columns)
        width = n_columns * (size[0] + gap[0]) + gap[0]
        height = n_rows * (size[1] + gap[1]) + gap[1]
        add = plt.figure(figsize=(width, height)).add_axes
    else:
        width, height = (length / POINTS_PER_INCH for length in extent(ax))
        n_columns = n_columns or max(
            range(1, n + 1),
            key=lambda k: min(
                ((width - gap[0]) / k - gap[0]) / size[0],
                ((height - gap[1]) / math.ceil(n / k) - gap[1]) / size[1],
            ),
        )
        n_rows = math.ceil(n / n_columns)
        ax.set_axis_off()
        add = ax.inset_axes
    # Texts keep their size in a small area, so gaps do too, and panels shrink.
    left, step_x = _steps(width, n_columns, gap[0])
    above, step_y = _steps(height, n_rows, gap[1])
    cells = [divmod(i, n_columns) for i in range(n)]
    return np.array(
        [
            add((left + j * step_x, 1 - (i + 1) * step_y, step_x - left, step_y - above))
            for i, j in cells
        ]
    )


def given_panels(axes, n: int) -> np.ndarray:
    """The first `n` of several axes.

    Raises
    ------
    InvalidParameterError
        If they are fewer.
    """
    given = np.ravel(axes)
    if len(given) < n:
        raise InvalidParameterError(
            f"ax must be one matplotlib Axes or at least {n} of them, got {len(given)}."
        )
    return given[:n]


def _steps(length, n, gap):
    """Gap, and distance from panel to panel, as shares of a length in inches."""
    gap = min(gap / length, 0.5 / n)
    return gap, (1 - gap) / n


def figure_with_margins(across: float, down: float, *, left, right, bottom, top) -> dict:
    """Options of a new figure whose axes and margins have a size in inches."""
    width, height = left + across + right, bottom + down + top
    grid = {
        "left": left / width,
        "right": 1 - right / width,
        "bottom": bottom / height,
        "top": 1 - top / height,
    }
    return {"figsize": (width, height), "gridspec_kw": grid}


def extent(ax) -> tuple[float, float]:
    """Width and height of axes, in points."""
    box = ax.get_window_extent()
    scale = POINTS_PER_INCH / ax.figure.dpi
    return box.width * scale, box.height * scale


def colorbar_beside(ax, mappable, label: str, **options):
    """A colour bar that takes its space from the axes."""
    bar = ax.figure.colorbar(mappable, ax=ax, **_BESIDE, **options)
    bar.set_label(label, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=LABEL_SIZE)
    return bar


def colorbar_of_panel(panel, mappable, label: str = "", *, box=(1.04, 0, 0.06, 1), **options):
    """A slim colour bar to the right of a panel, which keeps its size."""
    side = panel.inset_axes(box)
    bar = panel.figure.colorbar(mappable, cax=side, **options)
    bar.set_label(label, fontsize=LABEL_SIZE - 1)
    side.tick_params(labelsize=LABEL_SIZE - 1, length=2)
    return bar
