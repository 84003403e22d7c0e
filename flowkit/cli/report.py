"""``flowkit report``: a page about a table and its density."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..outliers import DensityOutlierDetector
from ..reports import report
from ..reports.report import check_report_path
from ._models import load_model, new_density, read_selection, verbosity


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
    # A density gets used to strange rows of its training more easily than a detector does.
    detector = None
    if options.model is None:
        detector = DensityOutlierDetector(
            max_time=options.max_time, random_state=options.seed, verbose=verbosity(options)
        ).fit(X)
    title = f"Report of {Path(options.data).name}"
    told = report(model, X, detector=detector, title=title, random_state=options.seed)
    if options.output is None:
        print(told, end="")
    else:
        told.save(options.output)
        print(repr(told))
