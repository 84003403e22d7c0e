"""``flowkit score``: how likely each row of a table is."""

from __future__ import annotations

import argparse

from sklearn.base import is_outlier_detector

from ._columns import check_target
from ._models import load_model, read_selection
from ._tables import check_output, write_table


def score(options: argparse.Namespace) -> None:
    """Write the score of each row.

    Parameters
    ----------
    options : Namespace
        What the command was given.
    """
    check_output(options.output)
    model = load_model(options.model)
    name = "score" if is_outlier_detector(model) else "log_density"
    check_target(options.target, ("row", name))
    table = read_selection(options, options.data, model)
    columns = {"row": table.row_labels, name: model.score_samples(table.rows).tolist()}
    if table.target is not None:
        columns[options.target] = table.target
    write_table(columns, options.output, options.format)
