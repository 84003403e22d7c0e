"""Diagrams of estimators in notebooks link to the pages of flowkit's site."""

from __future__ import annotations

import functools
import os
import sys
from importlib import metadata

_DISTRIBUTION, _VARIABLE = "flowkit-density", "FLOWKIT_DOCS"


class DocumentationLinks:
    """What scikit-learn's diagram asks for links: the page of a public class, '' of others.

    The address of the site is that of the environment variable ``FLOWKIT_DOCS``, or the one called
    *Documentation* in the metadata of the distribution; without either there are no links.
    """

    _doc_link_module = "flowkit"
    _doc_link_template = "{page}"

    def _doc_link_url_param_generator(self):
        site, name = os.environ.get(_VARIABLE) or _stated_site(), _public_name(type(self))
        return {"page": f"{site.rstrip('/')}/api/{name}.html" if site and name else ""}


@functools.cache
def _stated_site() -> str:
    """Address of the site in the metadata of the distribution; '' if there is none."""
    try:
        urls = metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return named.get("Documentation", "")


def _public_name(cls: type) -> str:
    """Full name of a class where users import it from; '' if they do not."""
    root, *room = cls.__module__.split(".")
    for place in (root, ".".join([root, *room[:1]])):
        module = sys.modules.get(place)
        if cls.__name__ in getattr(module, "__all__", ()) and vars(module)[cls.__name__] is cls:
            return f"{place}.{cls.__name__}"
    return ""
