"""Networks of different kinds that are equally large."""

from __future__ import annotations

from collections.abc import Callable

CONDITIONERS = ("mlp", "kan")
MLP_WIDTHS = range(64, 257)
KAN_WIDTHS = range(8, 129)
TOLERANCE = 0.1


def equal_widths(size: Callable[[str, int], int]) -> dict[str, int]:
    """Widths of MLP and KAN that make them equally large.

    The MLP has the first of its widths for which some width of the KAN has as many parameters
    within 10 %: it may have to be widened, as widths end at 8.

    Parameters
    ----------
    size : callable
        Number of parameters of a conditioner of some width.
    """
    kan_sizes = {width: size("kan", width) for width in KAN_WIDTHS}

    def gap(first: int, second: int) -> float:
        return abs(first - second) / max(first, second)

    for mlp_width in MLP_WIDTHS:
        target = size("mlp", mlp_width)
        kan_width = min(kan_sizes, key=lambda width: gap(kan_sizes[width], target))
        if gap(kan_sizes[kan_width], target) <= TOLERANCE:
            break
    return {"mlp": mlp_width, "kan": kan_width}
