"""Code in the text of pages that is a public name of flowkit links to its page."""

import importlib

from docutils import nodes
from sphinx.addnodes import pending_xref

_ROOMS = [
    "inspection",
    "outliers",
    "datasets",
    "distributed",
    "exchange",
    "conditions",
    "exceptions",
]


def public_names():
    """Full names by what the text calls them; a short name is that of the first room with it."""
    names = {}
    for room in ["", *(f".{room}" for room in _ROOMS)]:
        module = importlib.import_module(f"flowkit{room}")
        for name in module.__all__:
            full = f"{module.__name__}.{name}"
            names.setdefault(name, full)
            names[full.removeprefix("flowkit.")] = names[full] = full
    # Words of other meanings in the text.
    for word in ["load", "save", "predict", "transform", "score_samples", "decision_function"]:
        names.pop(word, None)
    return names


def _link(app, doctree):
    if app.env.docname.startswith("api/"):
        return
    for literal in list(doctree.findall(nodes.literal)):
        full = app.flowkit_names.get(literal.astext().removesuffix("()"))
        if full is None or isinstance(literal.parent, nodes.title | nodes.reference | pending_xref):
            continue
        link = pending_xref(
            "", refdomain="py", reftype="obj", reftarget=full, refdoc=app.env.docname, refwarn=False
        )
        literal.replace_self(link)
        link += literal


def setup(app):
    app.flowkit_names = public_names()
    app.connect("doctree-read", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
