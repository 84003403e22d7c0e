"""How all plots look: their colours, the sizes of their texts, and how they write numbers."""

from __future__ import annotations

# From unlike to like what is usual, and the ends of this scale.
DIVERGING, UNLIKELY, LIKELY = "RdBu_r", "#b2182b", "#2166ac"
TITLE_SIZE, LABEL_SIZE = 9, 8
POINTS_PER_INCH = 72
# How much wider letters get that are fitted to a coarse grid of pixels.
_HINTING = 1.05
# Size from which on decimals are left out.
_LARGE = 100


def number(value, digits: int | None = None, *, signed: bool = False) -> str:
    """A number as all plots write it, with a minus sign instead of a hyphen and no sign at zero.

    Parameters
    ----------
    value : float
        The number, which may be infinite.
    digits : int, default=None
        Number of decimals where the number is below 100; larger ones have none, but commas between
        thousands. None for four significant digits.
    signed : bool, default=False
        Whether positive numbers have a plus sign.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> number(1234.5, 1, signed=True), number(0.04, 1, signed=True), number(0.5, 2, signed=True)
    ('+1,234', '0.0', '+0.50')
    >>> number(float("inf"), signed=True), number(0.123456)
    ('+∞', '0.1235')
    """
    value = float(value)
    fixed = f".{digits}f" if abs(value) < _LARGE else ",.0f"
    text = format(value, ("+" if signed else "-") + (".4g" if digits is None else fixed))
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")


def percent(share) -> str:
    """A share of one, in percent with one decimal."""
    return f"{share:.1%}"


def counted(n: int, noun: str) -> str:
    """A number of things, with the noun in its number."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def text_width(text: str, size: float) -> float:
    """Most width that a line of text of a font size takes, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)
    return _HINTING * width


def shortened(text: str, room: float) -> str:
    """A label that takes no more points than there are, without its middle if need be."""
    kept, shown = len(text), text
    while kept > 2 and (width := text_width(shown, LABEL_SIZE)) > room:
        # Nearly there at once, as letters are about equally wide.
        kept = min(kept - 1, int(kept * room / width) + 1)
        # The end may hold what tells labels apart, as the bin of a column.
        shown = f"{text[: kept // 2]}…{text[-(kept - kept // 2) :]}"
    return shown
