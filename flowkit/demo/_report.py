"""How sections write and draw: tables of text, figures and their colours."""

from __future__ import annotations

import textwrap
import warnings

from .._optional import require

# Colours that the colour-blind tell apart: ours, those of others, what is drawn, what is wrong.
OURS, OTHERS, DRAWN = "#0072B2", ("#E69F00", "#009E73", "#CC79A7"), "#D55E00"
INK, MUTED = "#1b2a41", "#66758a"
_WIDTH = 96


def paragraph(text: str) -> str:
    """Text in lines of a readable length."""
    return textwrap.fill(" ".join(text.split()), _WIDTH)


def aligned(rows: list[list[str]], left: int = 1) -> str:
    """Rows of cells as a table, the first `left` columns aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "   ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


def with_remarks(function, *arguments):
    """What a function returns, and what it warns of, to be printed as the text that it is."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments)
    return result, list(dict.fromkeys(str(warning.message) for warning in caught))


def new_figure(width: float, height: float):
    """A figure of so many inches, that no window shows."""
    figure = require("matplotlib.figure", "the demo")
    return figure.Figure(figsize=(width, height), layout="constrained")


def headline(figure, text: str) -> None:
    """What a figure shows, above it."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)


def plain(ax) -> None:
    """Axes without the lines that tell nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8, colors=MUTED)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set_fontsize(9)
    ax.title.set(fontsize=10, color=INK)
