"""``flowkit sample``: rows drawn from a density."""

from __future__ import annotations

import argparse

from ..exceptions import InvalidParameterError
from ..nested import draw_from
from ..validation import container_of
from ._columns import names_of
from ._given import values_given
from ._models import load_model
from ._tables import check_output, write_table


def sample(options: argparse.Namespace) -> None:
    """Write rows that are drawn from a density.

    Parameters
    ----------
    options : Namespace
        What the command was given.
    """
    check_output(options.output)
    model = load_model(options.model)
    if not hasattr(model, "sample"):
        raise InvalidParameterError(
            f"{type(model).__name__} cannot be drawn from: fit a density, as by `flowkit fit` "
            "without --estimator detector."
        )
    if options.given:
        given = values_given(options.given, model)
        drawn = model.sample(options.rows, random_state=options.seed, given=given)
    else:
        drawn = draw_from(model, options.rows, options.seed, dtype=None)
    columns = dict(zip(names_of(drawn), container_of(drawn).columns(), strict=True))
    write_table(columns, options.output, options.format)
