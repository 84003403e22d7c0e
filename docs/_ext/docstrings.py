"""Docstrings as pages need them: members of flowkit's own, and shapes whose names end in `_`."""

import re

# scikit-learn makes these for each class, in the module of the class.
_ROUTING = re.compile(r"set_\w+_request|get_metadata_routing")
_TYPED = re.compile(r"(\s*\*\*[\w, *]+\*\* : )(.*)")


def _skip(app, what, name, member, skip, options):
    """Leave out what classes inherit from scikit-learn and torch."""
    module = getattr(getattr(member, "fget", member), "__module__", None) or "flowkit"
    if not module.startswith("flowkit") or _ROUTING.fullmatch(name):
        return True
    return None


def _escape(app, what, name, obj, options, lines):
    """A shape such as ``(n_features_in_,)`` is no link."""
    for i, line in enumerate(lines):
        if match := _TYPED.fullmatch(line):
            lines[i] = match[1] + re.sub(r"(\w)_(?=\W|$)", r"\1\\_", match[2])


def setup(app):
    app.connect("autodoc-skip-member", _skip)
    # After numpydoc.
    app.connect("autodoc-process-docstring", _escape, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
