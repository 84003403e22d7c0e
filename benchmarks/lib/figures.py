"""Curves in small panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS, WIDTH, HEIGHT, DPI = 4, 2.9, 2.5, 90
# Below the worst end, in units of the distance of that from the best one.
MARGIN = 0.25


@dataclass
class Line:
    """What one method reaches: points on the way, and where it ends."""

    method: str
    points: Sequence[Sequence[float]]
    end: Sequence[float]


@dataclass
class Panel:
    """Lines over one table; `truth` is a level that none can exceed."""

    title: str
    lines: list[Line] = field(default_factory=list)
    truth: float | None = None


def draw_panels(
    panels: Sequence[Panel], colours: dict[str, str], xlabel: str, ylabel: str, path: Path
) -> None:
    """One colour a method, log times, a dot where a fit ends.

    Parameters
    ----------
    panels : sequence of Panel
        In the order of the figure.
    colours : dict of str
        Of each method, in the order of the legend.
    xlabel, ylabel : str
        Of all panels.
    path : pathlib.Path
        File to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = min(COLUMNS, len(panels) + 1)
    n_rows = -(-(len(panels) + 1) // n_columns)
    figure = Figure(figsize=(n_columns * WIDTH, n_rows * HEIGHT), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel, colours)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles = [axes[0].plot([], [], color=c, marker="o", ms=4)[0] for c in colours.values()]
    axes[len(panels)].legend(handles, colours, loc="center", fontsize=8, frameon=False)
    figure.supxlabel(xlabel, fontsize=9)
    figure.supylabel(ylabel, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=DPI)


def _draw(axis, panel: Panel, colours: dict[str, str]) -> None:
    for line in panel.lines:
        way = [*line.points, line.end]
        colour = colours[line.method]
        axis.step(*zip(*way, strict=True), where="post", color=colour, lw=1.2)
        axis.plot(*line.end, "o", color=colour, ms=4)
    ends = [line.end[1] for line in panel.lines]
    high = max(ends) if panel.truth is None else panel.truth
    room = MARGIN * (high - min(ends)) or 1.0
    axis.set_ylim(min(ends) - room, high + room / 2)
    if panel.truth is not None:
        axis.axhline(panel.truth, color="0.5", lw=0.8, ls=":")
        place = {"xycoords": ("axes fraction", "data"), "va": "bottom", "fontsize": 7}
        axis.annotate("truth", (0.02, panel.truth), color="0.4", **place)
    axis.set_xscale("log")
    axis.set_title(panel.title, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
