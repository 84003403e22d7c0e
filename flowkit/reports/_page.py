"""A report as one page of HTML that needs nothing else."""

from __future__ import annotations

import re
from html import escape
from importlib import resources

from ._blocks import Items, Pictures, Section, Table, Text

_FRAME_HEIGHT = 720


def page(title: str, lead: str, sections: list[Section]) -> str:
    """A report in HTML.

    Parameters
    ----------
    title, lead : str
        Heading, and what comes below it.
    sections : list of Section
        The rest.
    """
    style = resources.files("flowkit.reports").joinpath("page.css").read_text(encoding="utf-8")
    anchors = [f"s{i}" for i in range(len(sections))]
    links = "".join(
        f'<a href="#{anchor}">{escape(section.title)}</a>'
        for anchor, section in zip(anchors, sections, strict=True)
    )
    body = "".join(
        f'<section id="{anchor}"><h2>{escape(section.title)}</h2>'
        f"{''.join(map(_block, section.blocks))}</section>"
        for anchor, section in zip(anchors, sections, strict=True)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{style}</style></head><body><main><h1>{escape(title)}</h1>"
        f'<p class="lead">{escape(lead)}</p><nav>{links}</nav>{body}</main></body></html>\n'
    )


def framed(html: str) -> str:
    """A page within another one, such as a notebook, whose style it leaves alone."""
    return (
        f'<iframe srcdoc="{escape(html, quote=True)}" sandbox title="report" '
        f'style="width: 100%; height: {_FRAME_HEIGHT}px; border: 1px solid #8888"></iframe>'
    )


def _block(block):
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Items):
        name = "items quiet" if all(item.is_quiet for item in block.items) else "items"
        return f'<div class="{name}">{"".join(map(_item, block.items))}</div>'
    return _pictures(block)


def _table(table):
    def row(cells, tag):
        inner = "".join(
            f"<{tag}{' class=right' if j >= table.left else ''}>{escape(cell)}</{tag}>"
            for j, cell in enumerate(cells)
        )
        return f"<tr>{inner}</tr>"

    rows = "".join(row(cells, "td") for cells in table.rows)
    head = row(table.header, "th")
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _item(item):
    mark = f'<span class="mark">{escape(item.mark)}</span>' if item.mark else ""
    head = f"<h3>{escape(item.title)}{mark}</h3>"
    lines = "".join(f"<p>{escape(line)}</p>" for line in item.lines)
    more = _prose(item.more)
    if item.is_quiet:
        inner = f"<details><summary>{head}</summary>{lines}{more}</details>"
    else:
        if more:
            more = f"<details><summary>What this means</summary>{more}</details>"
        inner = f"{head}{lines}{more}"
    return f'<article class="{escape(item.mark.replace(" ", "-") or "plain")}">{inner}</article>'


def _pictures(block: Pictures):
    legend = "".join(
        f'<span class="key {name}">{escape(text)}</span>' for name, text in block.legend
    )
    figures = "".join(f"<figure>{picture}</figure>" for picture in block.pictures)
    return f'<div class="legend">{legend}</div><div class="pictures">{figures}</div>'


def _prose(text: str) -> str:
    """The page of a check: paragraphs, lists, bold and code; its heading is there already."""
    parts = []
    for part in text.strip().split("\n\n"):
        lines = part.splitlines()
        if not part or part.startswith("# "):
            continue
        if all(line.startswith("- ") for line in lines):
            parts.append("<ul>" + "".join(f"<li>{_marked(li[2:])}</li>" for li in lines) + "</ul>")
        else:
            parts.append(f"<p>{_marked(' '.join(lines))}</p>")
    return "".join(parts)


def _marked(text):
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)
