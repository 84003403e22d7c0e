"""A small picture in SVG: a frame with ticks and labels, into which shapes are drawn.

Colours are those of classes in the style of the page, so that pictures follow light and dark.
"""

from __future__ import annotations

from html import escape

import numpy as np

from ._numbers import shown, ticks

_RIGHT, _TOP, _BOTTOM = 12, 24, 34
# Free pixels on the left, beside ticks, and for the label of the axis.
_MARGIN, _LABEL = 12, 16
# Width of a letter of a tick, in pixels.
_LETTER = 6.0


class Axes:
    """A frame of a picture.

    Parameters
    ----------
    xlim, ylim : tuple of float
        Ends of the axes.
    title, xlabel, ylabel : str, default=''
        Texts.
    size : tuple of int, default=(280, 190)
        Width and height in pixels.
    xticks, yticks : list of (float, str), default=None
        Places and texts of ticks; None for round numbers.
    """

    def __init__(
        self,
        xlim,
        ylim,
        *,
        title="",
        xlabel="",
        ylabel="",
        size=(280, 190),
        xticks=None,
        yticks=None,
    ):
        self.size, self.xlim, self.ylim = size, _wide(xlim), _wide(ylim)
        xticks = _told(self.xlim) if xticks is None else xticks
        yticks = _told(self.ylim) if yticks is None else yticks
        left = _MARGIN + _LETTER * max((len(text) for _, text in yticks), default=0)
        left += _LABEL if ylabel else 0
        self.box = left, _TOP, size[0] - _RIGHT, size[1] - _BOTTOM
        self.parts = [self._text(left, 14, title, "title")] if title else []
        self._draw_frame(xlabel, ylabel, xticks, yticks)

    def x(self, values):
        """Places of values, in pixels from the left."""
        low, high = self.xlim
        left, _, right, _ = self.box
        return left + (np.asarray(values, dtype=float) - low) / (high - low) * (right - left)

    def y(self, values):
        """Places of values, in pixels from above."""
        low, high = self.ylim
        _, top, _, bottom = self.box
        return bottom - (np.asarray(values, dtype=float) - low) / (high - low) * (bottom - top)

    def line(self, x, y, name: str) -> None:
        """A line through points, those that are not finite left out."""
        kept = np.isfinite(x) & np.isfinite(y)
        points = " ".join(
            f"{a:.1f},{b:.1f}"
            for a, b in zip(self.x(np.asarray(x)[kept]), self.y(np.asarray(y)[kept]), strict=True)
        )
        self.parts.append(f'<polyline class="line {name}" points="{points}"/>')

    def bars(self, left, right, height, name: str) -> None:
        """Upright bars from zero."""
        base = float(self.y(0.0))
        for a, b, top in zip(self.x(left), self.x(right), self.y(height), strict=True):
            if base - top > 0.05:
                self.parts.append(
                    f'<rect class="bar {name}" x="{a:.1f}" y="{top:.1f}" width="{b - a:.1f}" '
                    f'height="{base - top:.1f}"/>'
                )

    def steps(self, edges, height, name: str) -> None:
        """The outline of bars that touch."""
        x = np.repeat(edges, 2)
        y = np.concatenate([[0.0], np.repeat(height, 2), [0.0]])
        self.line(x, y, name)

    def dots(self, x, y, name: str, radius: float = 1.6) -> None:
        """Dots at points within the frame."""
        inside = (
            (np.asarray(x) >= self.xlim[0])
            & (np.asarray(x) <= self.xlim[1])
            & (np.asarray(y) >= self.ylim[0])
            & (np.asarray(y) <= self.ylim[1])
        )
        places = zip(self.x(x)[inside], self.y(y)[inside], strict=True)
        # One path of round ends is a third of the size of as many circles.
        path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in places)
        self.parts.append(f'<path class="dots {name}" stroke-width="{2 * radius:g}" d="{path}"/>')

    def span(self, low, high, y, name: str) -> None:
        """A level line between two numbers, as far as it is within the frame."""
        if high < self.xlim[0] or low > self.xlim[1]:
            return
        a, b = self.x(np.clip([low, high], *self.xlim))
        place = float(self.y(y))
        self.parts.append(
            f'<line class="line {name}" x1="{a:.1f}" x2="{b:.1f}" y1="{place:.1f}" '
            f'y2="{place:.1f}"/>'
        )

    def upright(self, x, name: str, text: str = "") -> None:
        """An upright line, with a text beside its foot."""
        place, (left, top, right, bottom) = float(self.x(x)), self.box
        self.parts.append(
            f'<line class="line {name}" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" '
            f'y2="{bottom}"/>'
        )
        if text:
            on_left = place > (left + right) / 2
            anchor, shift = ("end", -4) if on_left else ("start", 4)
            self.parts.append(self._text(place + shift, bottom - 5, text, "tick", anchor))

    def svg(self, label: str) -> str:
        """The picture.

        Parameters
        ----------
        label : str
            What is in it, for those who do not see it.
        """
        width, height = self.size
        return (
            f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
            f'aria-label="{escape(label, quote=True)}">{"".join(self.parts)}</svg>'
        )

    def _draw_frame(self, xlabel, ylabel, xticks, yticks):
        left, top, right, bottom = self.box
        for value, text in _spaced(xticks, self.x):
            place = float(self.x(value))
            self.parts.append(
                f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{bottom}"/>'
            )
            # Texts at the ends stay within the picture.
            half = _LETTER * len(text) / 2
            place = min(max(place, half), self.size[0] - half)
            self.parts.append(self._text(place, bottom + 13, text, "tick", "middle"))
        for value, text in yticks:
            place = float(self.y(value))
            self.parts.append(
                f'<line class="grid" x1="{left}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>'
            )
            self.parts.append(self._text(left - 5, place + 3.5, text, "tick", "end"))
        if xlabel:
            self.parts.append(
                self._text((left + right) / 2, bottom + 28, xlabel, "label", "middle")
            )
        if ylabel:
            middle = (top + bottom) / 2
            turned = f' transform="rotate(-90 11 {middle:.1f})"'
            self.parts.append(self._text(11, middle, ylabel, "label", "middle", turned))

    @staticmethod
    def _text(x, y, text, name, anchor="start", more=""):
        return (
            f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
            f"{escape(str(text))}</text>"
        )


def _told(limits):
    return [(value, shown(value)) for value in ticks(*limits)]


def _spaced(xticks, place):
    """Ticks whose texts do not touch."""
    kept, end = [], -np.inf
    for value, text in xticks:
        half = len(text) * _LETTER / 2
        if place(value) - half > end:
            kept.append((value, text))
            end = place(value) + half + _LETTER
    return kept


def _wide(limits):
    low, high = map(float, limits)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
