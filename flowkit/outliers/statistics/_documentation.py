"""The documentation of the parameter `statistic`, from the statistics themselves."""

from __future__ import annotations

import re
import textwrap

_WIDTH = 100
_NAMES, _LIST = "{statistic_names}", "{statistic_list}"


def describes_statistics(statistics: dict):
    """Decorator that fills the names and descriptions of statistics into a class docstring.

    Parameters
    ----------
    statistics : dict of str to type
        Classes of statistics by their name.

    Returns
    -------
    callable
        Replaces ``{statistic_names}``, and a line ``{statistic_list}`` by one item a statistic.
    """

    def fill(cls):
        # Docstrings are stripped under python -OO.
        if cls.__doc__:
            names = ", ".join(map(repr, statistics))
            text = cls.__doc__.replace(_NAMES, f"{{{names}}}")
            indent = re.search(rf"^( *){re.escape(_LIST)}$", text, re.MULTILINE).group(1)
            items = [_item(statistic, indent) for statistic in statistics.values()]
            cls.__doc__ = text.replace(indent + _LIST, "\n".join(items))
        return cls

    return fill


def _item(statistic, indent: str) -> str:
    rows = "" if statistic.takes_incomplete_rows else " Rows must be complete."
    return textwrap.fill(
        f"{statistic.name!r}: {statistic.description}{rows}",
        width=_WIDTH,
        initial_indent=f"{indent}- ",
        subsequent_indent=f"{indent}  ",
    )
