"""``flowkit report``: a page about a table and its density."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..reports import report
from ..reports.report import check_report_path
from ._models import load_model, new_density, read_selection


def write_report(options: argparse.Namespace) -> None:
    """Write a report of a table, by a new density or that of a model.

    Parameters
    ----------
    options : Namespace
        What the command was given.
    """
    if options.output is not None:
        check_report_path(options.output)
    model = None if options.model is None else load_model(options.model)
    X = read_selection(options, options.data, model).rows
    if model is None:
        model = new_density(options, X).fit(X)
    told = report(model, X, title=f"Report of {Path(options.data).name}", random_state=options.seed)
    if options.output is None:
        print(told, end="")
    else:
        told.save(options.output)
        print(repr(told))
