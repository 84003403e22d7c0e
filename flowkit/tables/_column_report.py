"""What each column of a table was taken for, as text or as a table."""

from __future__ import annotations

from .._optional import require

_HEADER = ("column", "kind", "why", "details")


def report_lines(names, kinds, codecs) -> list[tuple[str, ...]]:
    """Name, kind, its reason, and details of each column.

    Parameters
    ----------
    names : list of str
        Names of the columns.
    kinds : list of ColumnKind
        Their kinds.
    codecs : list of Codec
        Their maps.
    """
    return [
        (name, kind.name, kind.why, codec.details())
        for name, kind, codec in zip(names, kinds, codecs, strict=True)
    ]


def report_text(lines) -> str:
    """Lines of a report below each other, their parts in columns."""
    table = [_HEADER, *lines]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)


def report_frame(lines):
    """Lines of a report as a DataFrame.

    Raises
    ------
    MissingDependencyError
        If pandas is not installed.
    """
    pd = require("pandas", "report(as_frame=True)", "set as_frame=False for text")
    return pd.DataFrame(lines, columns=list(_HEADER))
