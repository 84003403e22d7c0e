"""Curves in small panels: what is reached on the way, or with each of several budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS, WIDTH, HEIGHT, DPI = 4, 2.9, 2.5, 90
# Below the worst end, in units of the distance of that from the best one.
MARGIN = 0.25


@dataclass
class Line:
    """What one method reaches: points on the way, or of budgets before, and where it ends."""

    method: str
    points: Sequence[Sequence[float]]
    end: Sequence[float]


@dataclass
class Panel:
    """Lines over one table; `truth` is a level that none can exceed, `levels` have names."""

    title: str
    lines: list[Line] = field(default_factory=list)
    truth: float | None = None
    levels: dict[str, float] = field(default_factory=dict)


def draw_panels(
    panels: Sequence[Panel],
    colours: dict[str, str],
    xlabel: str,
    ylabel: str,
    path: Path,
    draw: Callable | None = None,
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
    draw : callable or None, default=None
        Draws a panel; None takes what a fit reaches on its way, `draw_budgets` several fits.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = min(COLUMNS, len(panels) + 1)
    n_rows = -(-(len(panels) + 1) // n_columns)
    figure = Figure(figsize=(n_columns * WIDTH, n_rows * HEIGHT), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        (draw or _draw)(axis, panel, colours)
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter("")
        axis.set_title(panel.title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.25)
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


def draw_budgets(axis, panel: Panel, colours: dict[str, str]) -> None:
    """A dot for each fit, log values, and the levels of a panel as dotted lines with their names.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Where to draw.
    panel : Panel
        What.
    colours : dict of str
        Of each method.
    """
    from matplotlib.ticker import MultipleLocator, ScalarFormatter

    for line in panel.lines:
        way, colour = [*line.points, line.end], colours[line.method]
        axis.plot(*zip(*way, strict=True), "o-", color=colour, lw=1.2, ms=4)
    for i, (name, level) in enumerate(panel.levels.items()):
        axis.axhline(level, color="0.5", lw=0.8, ls=":")
        # Names of neighbours stand in turns, so that they can be read.
        place = {"xycoords": ("axes fraction", "data"), "va": "bottom", "fontsize": 6}
        axis.annotate(name, (0.02 + 0.3 * (i % 3), level), color="0.3", **place)
    values = [*panel.levels.values(), *(y for line in panel.lines for _, y in line.points)]
    values += [line.end[1] for line in panel.lines]
    times = [x for line in panel.lines for x, _ in [*line.points, line.end]]
    # More than a decade, so that one of its powers of ten is there.
    stretch = max(1.2, (20 * min(times) / max(times)) ** 0.5)
    axis.set_xlim(min(times) / stretch, max(times) * stretch)
    axis.set_yscale("log")
    axis.set_ylim(min(values) / 1.05, max(values) * 1.1)
    step = 0.5 if max(values) / min(values) < 3 else 1.0
    axis.yaxis.set_major_locator(MultipleLocator(step))
    axis.yaxis.set_minor_locator(MultipleLocator(step))
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter("")
