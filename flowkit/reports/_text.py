"""A report in Markdown."""

from __future__ import annotations

from ._blocks import Items, Section, Table, Text


def markdown(title: str, lead: str, sections: list[Section]) -> str:
    """A report in Markdown, without pictures.

    Parameters
    ----------
    title, lead : str
        Heading, and what comes below it.
    sections : list of Section
        The rest.
    """
    parts = [f"# {_line(title)}", _line(lead)]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [text for block in section.blocks if (text := _block(block))]
    return "\n\n".join(parts) + "\n"


def _block(block):
    if isinstance(block, Text):
        return _line(block.text)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Items):
        return "\n\n".join(_item(item) for item in block.items)
    return ""


def _table(table):
    lines = [table.header, tuple("---" for _ in table.header), *table.rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _item(item):
    mark = f" ({item.mark})" if item.mark else ""
    lines = "\n".join(f"- {_line(line)}" for line in item.lines)
    return f"**{_line(item.title)}**{mark}\n\n{lines}"


def _cell(text):
    return _line(text).replace("|", "\\|")


def _line(text):
    """Text in one line, that Markdown does not take for markup."""
    text = " ".join(str(text).split())
    for mark in "\\`*_<":
        text = text.replace(mark, f"\\{mark}")
    return text
