"""What a report is made of, before it is HTML or Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; columns of numbers are aligned to the right."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left: int = 1


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other, in SVG, with what their colours mean below."""

    pictures: list[str]
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Item:
    """A heading with lines below, and text that is shown when asked for; quiet ones hide both."""

    title: str
    mark: str
    lines: tuple[str, ...]
    more: str = ""
    is_quiet: bool = False


@dataclass(frozen=True)
class Items:
    """Several items."""

    items: list[Item]


Block = Text | Table | Pictures | Items


@dataclass(frozen=True)
class Section:
    """A part of a report under a heading."""

    title: str
    blocks: list[Block] = field(default_factory=list)
