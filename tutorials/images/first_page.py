"""The picture of the first page: a table, its density and new rows.

    python tutorials/images/first_page.py

writes ``first_page.png`` beside this file, or to the path that is given.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_wine

from flowkit import FlowDensity

X_LABEL, Y_LABEL = "flavanoids", "color_intensity"
LIMITS = ((0.0, 5.6), (0.0, 14.0))
# A usual wine, and one whose two values are each usual but not together.
MARKED = np.array([[2.6, 3.3], [2.6, 9.5]])
# Below the highest log density by so many nats, all is drawn alike.
DEPTH = 12.0
INK, MUTED, ROWS, STRANGE = "#1b2a41", "#66758a", "#2f6690", "#d1495b"


def log_density_map(density, n=240):
    """Axes of a grid over the picture, and the log density at its points."""
    x, y = (np.linspace(*limits, n) for limits in LIMITS)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return x, y, density.score_samples(grid).reshape(n, n)


def draw_map(figure, ax, density):
    """The density as a map with contours, and the two wines with their scores."""
    x, y, values = log_density_map(density)
    top = np.ceil(values.max())
    levels = np.linspace(top - DEPTH, top, 13)
    image = ax.contourf(x, y, values, levels, cmap="YlGnBu", extend="min")
    lines = {"linewidths": 0.7, "linestyles": "solid", "alpha": 0.6}
    ax.contour(x, y, values, levels[1::2], colors="white", **lines)
    bar = figure.colorbar(image, ax=ax, fraction=0.05, pad=0.02, ticks=levels[::3])
    bar.set_label("log density, nats", color=MUTED, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=MUTED, length=0)
    for row, score, name, color in zip(
        MARKED, density.score_samples(MARKED), ("usual", "strange"), (INK, STRANGE), strict=True
    ):
        ax.plot(*row, "o", color=color, markersize=8, markeredgecolor="white", markeredgewidth=1.2)
        ax.annotate(
            f"{name}: {score:.1f} nats",
            row,
            xytext=(0, 11),
            textcoords="offset points",
            ha="center",
            color=color,
            fontsize=10,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none"},
        )


def draw_rows(ax, rows, color):
    ax.scatter(*rows.T, s=16, color=color, alpha=0.75, linewidths=0)


def draw(X, density):
    """The three panels."""
    figure = Figure(figsize=(12.5, 4.2), layout="constrained", facecolor="white")
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    draw_rows(axes[0], X, ROWS)
    draw_map(figure, axes[1], density)
    draw_rows(axes[2], density.sample(len(X), random_state=0), "#3a9d8f")
    titles = (
        ("A table", f"X, {len(X)} wines; density = FlowDensity()"),
        ("How likely is a row?", "density.fit(X).score_samples(rows)"),
        ("New rows", f"density.sample({len(X)})"),
    )
    for ax, (title, code) in zip(axes, titles, strict=True):
        ax.set(xlim=LIMITS[0], ylim=LIMITS[1], xlabel=X_LABEL)
        ax.set_title(title, loc="left", fontsize=14, fontweight="bold", color=INK, pad=24)
        ax.text(
            0, 1.03, code, transform=ax.transAxes, fontsize=8.5, color=MUTED, family="monospace"
        )
        ax.tick_params(colors=MUTED, labelsize=8, length=0)
        ax.xaxis.label.set_color(MUTED)
        for side in ax.spines.values():
            side.set_color("#d5dbe3")
    axes[0].set_ylabel(Y_LABEL, color=MUTED)
    return figure


def main(path):
    X = load_wine(as_frame=True).data[[X_LABEL, Y_LABEL]].to_numpy()
    density = FlowDensity(random_state=0).fit(X)
    draw(X, density).savefig(path, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_suffix(".png"))
