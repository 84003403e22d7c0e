"""How Sphinx builds the site: `make docs`, or `make docs FAST=1` without running the tutorials."""

import os
import re
import sys
from pathlib import Path

# The gallery looks names of tutorials up, this one too, which exists on request alone.
from sklearn.experimental import enable_iterative_imputer  # noqa: F401

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT)]

import flowkit  # noqa: E402

project = "flowkit"
author = "The flowkit developers"
copyright = author
version = release = flowkit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinx_markdown_builder",
    "benchmark_pages",
    "docstrings",
    "drawn_figures",
    "llms_text",
    "mathml",
    "name_links",
]
exclude_patterns = ["losses.md", "_build", "_ext", "_templates", "gallery/*.ipynb", "gallery/*.py"]
templates_path = ["_templates"]

# `name` in docstrings links where it is one.
default_role = "py:obj"
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
# Sections of other files begin at the level that they have there.
suppress_warnings = ["myst.header", "config.cache"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "tutorials")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"/\d\d_",
    "ignore_pattern": re.escape(os.sep + "images" + os.sep),
    "within_subsection_order": "FileNameSortKey",
    "plot_gallery": "False" if os.environ.get("FAST") else "True",
    "abort_on_example_error": True,
    # Figures and what is printed, without the value of the last line.
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"flowkit {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "flowkit"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "back_to_top_button": False,
}
_NO_PAGES_BELOW = [
    "index",
    "getting_started",
    "which_estimator",
    "how_it_works",
    "coming_from",
    "scaling",
    "extending",
    "changelog",
]
html_sidebars = {page: [] for page in _NO_PAGES_BELOW}
