"""Figures of the pages, drawn when the site is built, into `docs/figures`."""

from pathlib import Path

import decision_figure
import display_figures
import working_figures


def draw_figures(folder):
    """Draw all figures into a folder."""
    folder.mkdir(exist_ok=True)
    decision_figure.draw(folder / "which_estimator.svg")
    # These take a fit: not again where they are.
    if not (folder / "training.svg").exists():
        working_figures.draw(folder)
    if not (folder / "displays").exists():
        display_figures.draw(folder / "displays")


def setup(app):
    app.connect("builder-inited", lambda app: draw_figures(Path(app.srcdir) / "figures"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
