"""``flowkit report``: a page about a table and its density."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.utils import _safe_indexing

from ..outliers import DensityOutlierDetector
from ..outliers.reading import TableReading
from ..reports import report
from ..reports.report import check_report_path
from ..validation import container_of
from ._columns import declarations, names_of
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
    title = f"Report of {Path(options.data).name}"
    if model is None:
        X, left_out = without_identifiers(X, declarations(options.kinds, X)["kinds"])
        if left_out:
            title += f", without {', '.join(left_out)}"
        model = new_density(options, X).fit(X)
    # A density gets used to strange rows of its training more easily than a detector does.
    detector = None
    if options.model is None:
        detector = DensityOutlierDetector(
            max_time=options.max_time, random_state=options.seed, verbose=verbosity(options)
        ).fit(X)
    told = report(model, X, detector=detector, title=title, random_state=options.seed)
    if options.output is None:
        print(told, end="")
    else:
        told.save(options.output)
        print(repr(told))


def without_identifiers(X, declared: Iterable[str]):
    """A table without the columns that tell its rows apart, of which an IdentifierWarning tells.

    With text that hardly repeats, each new row would be impossible.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The table.
    declared : iterable of str
        Names of columns that stay, whatever they hold.

    Returns
    -------
    X : DataFrame or ndarray of shape (n_samples, n_kept)
        The table, or a copy without some columns.
    left_out : list of str
        Names of these, none of an array, whose other columns would get other names.
    """
    if container_of(X).labels is None:
        return X, []
    names = names_of(X)
    reading = TableReading(X, names)
    is_left_out = reading.is_left_out & ~np.isin(names, list(declared))
    if not is_left_out.any():
        return X, []
    reading.warn_of_identifiers()
    left_out = [names[j] for j in np.flatnonzero(is_left_out)]
    return _safe_indexing(X, np.flatnonzero(~is_left_out), axis=1), left_out
