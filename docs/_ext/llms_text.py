"""`llms.txt`: all pages with a sentence each, as links to their Markdown twins.

The twins are those that the Markdown builder writes; `make docs` puts them beside the HTML pages.
What that builder does not know of nodes is told here.
"""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import desc_content
from sphinx_gallery.directives import imgsgnode

_HEAD = """# flowkit

> Exact, interpretable deep density estimation with scikit-learn's interface: fit a table, then ask
> how likely any row is, draw new rows, and find the rows that do not belong.
"""
_GROUPS = [
    ("Pages", ""),
    ("User guide", "guide/"),
    ("Estimators", "estimators/"),
    ("Tutorials", "gallery/"),
    ("Benchmarks", "benchmarks/"),
    ("API", "api/"),
]


def _summary(doctree):
    """The first sentence below the title."""
    for paragraph in doctree.findall(nodes.paragraph):
        # Not those of notes and cards.
        if isinstance(paragraph.parent, nodes.section | desc_content):
            sentence, full_stop, _ = " ".join(paragraph.astext().split()).partition(". ")
            return sentence + full_stop.strip()
    return ""


def text_of(env):
    """The whole of `llms.txt`."""
    groups = {prefix: [] for _, prefix in _GROUPS}
    for docname in sorted(env.found_docs):
        prefix = next((p for _, p in reversed(_GROUPS) if p and docname.startswith(p)), "")
        title = env.titles[docname].astext()
        groups[prefix].append(f"- [{title}]({docname}.md): {_summary(env.get_doctree(docname))}")
    parts = [f"## {heading}\n\n" + "\n".join(groups[prefix]) for heading, prefix in _GROUPS]
    return "\n\n".join([_HEAD.strip(), *parts]) + "\n"


def _write(app, error):
    if error is None and app.builder.format == "html":
        Path(app.outdir, "llms.txt").write_text(text_of(app.env))


def _type(translator, node):
    translator.add(f" : {node.astext()}")
    raise nodes.SkipNode


def _paragraph(translator, node):
    translator.ensure_eol(2)


def _picture(translator, node):
    """A picture, which lies where those of the HTML pages lie."""
    up = "../" * translator.builder.current_doc_name.count("/")
    translator.add(f"![{node.get('alt', '')}]({up}_images/{Path(node['uri']).name})", prefix_eol=2)
    raise nodes.SkipNode


def _boxed(translator, node):
    """What stands in a box, below its title in bold."""
    translator.add(f"**{node.pop(0).astext()}.**", prefix_eol=2, suffix_eol=2)


def _as_it_is(translator, node):
    pass


def setup(app):
    app.add_node(nodes.classifier, override=True, markdown=(_type, None))
    app.add_node(nodes.abbreviation, override=True, markdown=(_as_it_is, _as_it_is))
    app.add_node(nodes.label, override=True, markdown=(_as_it_is, _as_it_is))
    app.add_node(nodes.admonition, override=True, markdown=(_boxed, _paragraph))
    for node in (nodes.image, imgsgnode):
        app.add_node(node, override=True, markdown=(_picture, None))
    for node in (nodes.caption, nodes.citation):
        app.add_node(node, override=True, markdown=(_paragraph, _paragraph))
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
