"""``flowkit fit``: a model of a table, in a file."""

from __future__ import annotations

import argparse

from .._replacing import check_place
from ..files import model_card, save
from ._models import new_density, new_detector, read_selection


def fit(options: argparse.Namespace) -> None:
    """Fit a density or a detector to a table, save it, and tell what it is.

    Parameters
    ----------
    options : Namespace
        What the command was given.
    """
    check_place(options.output)
    X = read_selection(options, options.data).rows
    make = new_detector if options.estimator == "detector" else new_density
    model = make(options, X).fit(X)
    save(model, options.output)
    if hasattr(model, "report"):
        print(f"{model.report()}\n")
    print(f"{model_card(options.output)}\nfile: {options.output}")
