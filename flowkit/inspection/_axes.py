"""Matplotlib, imported only when something is drawn."""

from __future__ import annotations

import math

import numpy as np

from .._optional import require
from ..exceptions import InvalidParameterError

_POINTS_PER_INCH = 72
# How much wider letters get that are fitted to a coarse grid of pixels.
_HINTING = 1.05


def require_axes(ax, caller: str, **options):
    """Return `ax`, or the axes of a new figure with these options where it is None.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    require_matplotlib(caller)
    if ax is not None:
        return ax
    # Not before: pyplot picks a window system, which given axes may do without.
    import matplotlib.pyplot as plt

    return plt.subplots(**options)[1]


def require_matplotlib(caller: str) -> None:
    """Refuse to draw without matplotlib.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    require("matplotlib", caller)


def require_panels(ax, n: int, caller: str, *, size, gap, max_width: float) -> np.ndarray:
    """Axes of `n` small panels: those given, others in the place of one, or of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of matplotlib Axes or None
        At least `n` axes, one that gives way to the panels, or None for a new figure.
    n : int
        Number of panels, filled row by row.
    caller : str
        Who asks, for the error.
    size : tuple of float
        Width and height of a panel of a new figure, in inches.
    gap : tuple of float
        Free inches beside and above each panel, and as many around all.
    max_width : float
        Width of a new figure above which panels start another row, in inches.

    Returns
    -------
    ndarray of matplotlib Axes, of shape (n,)
        The panels.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    InvalidParameterError
        If fewer axes than panels are given.
    """
    require_matplotlib(caller)
    if np.iterable(ax):
        given = np.ravel(ax)
        if len(given) < n:
            raise InvalidParameterError(
                f"ax must be one matplotlib Axes or at least {n} of them, got {len(given)}."
            )
        return given[:n]
    if ax is None:
        import matplotlib.pyplot as plt

        most = max(1, int((max_width - gap[0]) / (size[0] + gap[0])))
        n_columns = math.ceil(n / math.ceil(n / most))
        n_rows = math.ceil(n / n_columns)
        width = n_columns * (size[0] + gap[0]) + gap[0]
        height = n_rows * (size[1] + gap[1]) + gap[1]
        add = plt.figure(figsize=(width, height)).add_axes
    else:
        width, height = (length / _POINTS_PER_INCH for length in extent(ax))
        n_columns = max(
            range(1, n + 1),
            key=lambda k: min(
                ((width - gap[0]) / k - gap[0]) / size[0],
                ((height - gap[1]) / math.ceil(n / k) - gap[1]) / size[1],
            ),
        )
        n_rows = math.ceil(n / n_columns)
        ax.set_axis_off()
        add = ax.inset_axes
    # Texts keep their size in a small place, so gaps do too, and panels shrink.
    left, step_x = _steps(width, n_columns, gap[0])
    above, step_y = _steps(height, n_rows, gap[1])
    places = [divmod(i, n_columns) for i in range(n)]
    return np.array(
        [
            add((left + j * step_x, 1 - (i + 1) * step_y, step_x - left, step_y - above))
            for i, j in places
        ]
    )


def _steps(length, n, gap):
    """Gap, and distance from panel to panel, as shares of a length in inches."""
    gap = min(gap / length, 0.5 / n)
    return gap, (1 - gap) / n


def extent(ax) -> tuple[float, float]:
    """Width and height of axes, in points."""
    box = ax.get_window_extent()
    scale = _POINTS_PER_INCH / ax.figure.dpi
    return box.width * scale, box.height * scale


def text_width(text: str, size: float) -> float:
    """Most width that a line of text of a font size takes, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)
    return _HINTING * width
