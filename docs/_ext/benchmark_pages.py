"""One page a study, made of the sections of benchmarks/README.md when the site is built.

What flowkit loses comes first, from `docs/losses.md`, then a figure of the recorded results, then
the section as it stands.
"""

import re
from pathlib import Path

import rank_figure

_ROOT = Path(__file__).parents[2]
_STUDIES = _ROOT / "benchmarks"
# Kept apart from the sections below them, which are pages of their own.
_PARENT = "Outliers"

_FIGURE = """```{{figure}} {path}
:alt: {alt}

{caption}
```
"""


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def sections(text, level=2):
    """Headings of a level, and what stands below each."""
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    return parts[0], dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2]), strict=True))


def studies(text):
    """The introduction, and the text of each study by its title."""
    introduction, pages = sections(text)
    for title, body in sections(pages.pop(_PARENT), level=3)[1].items():
        pages[title] = body
    return introduction, pages


def with_links(text, titles):
    """The text with links that lead to the same place from a page of the site."""
    pages = {slug(title): f"{slug(title)}.md" for title in titles}
    pages[slug(_PARENT)] = "oddbench.md"
    text = re.sub(r"\]\(#([\w-]+)\)", lambda m: f"]({pages[m[1]]})", text)
    text = text.replace("](results/", "](../../benchmarks/results/")
    text = text.replace("](../docs/", "](../").replace("](../README.md)", "](../index.md)")
    return text.replace("](#", "](index.md#")


def page(title, body, losses, figure):
    """Text of the page of a study: losses, figure, section."""
    parts = [f"# {title}"]
    if losses:
        parts.append(f":::{{admonition}} Where flowkit loses\n:class: caution\n\n{losses}\n:::")
    if figure:
        about = {"alt": figure.alt, "caption": figure.caption}
        parts.append(_FIGURE.format(path=figure.path.name, **about))
    # Levels below the title of the page.
    parts.append(re.sub(r"^###+ ", "## ", body, flags=re.MULTILINE))
    return "\n\n".join(parts) + "\n"


def write_pages(folder):
    """Write all pages and their figures into a folder."""
    folder.mkdir(exist_ok=True)
    introduction, bodies = studies((_STUDIES / "README.md").read_text())
    _, losses = sections((_ROOT / "docs" / "losses.md").read_text())
    unknown = set(losses) - set(bodies)
    if unknown:
        raise ValueError(f"docs/losses.md has studies that benchmarks/README.md lacks: {unknown}")
    for title, body in bodies.items():
        figure = rank_figure.draw(title, folder)
        text = page(title, body, losses.get(title), figure)
        _write(folder / f"{slug(title)}.md", with_links(text, bodies))
    contents = "\n".join(f"{slug(title)}" for title in bodies)
    index = f"{introduction}\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"
    _write(folder / "index.md", with_links(index, bodies))


def _write(path, text):
    # Sphinx reads again what is newer.
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def setup(app):
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "benchmarks"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
