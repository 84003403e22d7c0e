"""The estimators that commands fit, and the files that they come from."""

from __future__ import annotations

import sys

from sklearn.utils import get_tags

from ..estimators import FlowDensity
from ..exceptions import InvalidDataError
from ..files import load
from ..outliers import DensityOutlierDetector
from ..tables import TableDensity
from ..validation import container_of
from ._columns import Selection, declarations, names_of, select
from ._missing_codes import with_missing
from ._tables import read_table


def read_selection(options, path: str, model=None, may_lack: bool = False) -> Selection:
    """A table as the options of a command ask for it.

    Parameters
    ----------
    options : Namespace
        How to read it, and which columns the model does not see.
    path : str
        The file.
    model : estimator, default=None
        A fitted one, whose columns are picked by their names.
    may_lack : bool, default=False
        Whether it may lack columns that the model does not see.

    Raises
    ------
    InvalidDataError
        If values are missing that the model needs.
    """
    X = read_table(path, separator=options.separator, array=options.array, sheet=options.sheet)
    X = with_missing(X, options.missing)
    target, drop = options.target, options.drop
    if may_lack:
        names = names_of(X)
        target, drop = target if target in names else None, [n for n in drop if n in names]
    table = select(X, target=target, drop=drop, model=model)
    if model is not None and not get_tags(model).input_tags.allow_nan:
        missing = container_of(table.rows).missing().any(0)
        if missing.any():
            names = [name for name, some in zip(names_of(table.rows), missing, strict=True) if some]
            raise InvalidDataError(
                f"{path!r} lacks values of column {names[0]!r}, but the model was fitted to rows "
                "that have all: fill them in, leave out these rows, or fit a model to a table that "
                "lacks some as well."
            )
    return table


def load_model(path: str):
    """The estimator in a file."""
    return load(path)


def new_density(options, X) -> TableDensity:
    """A density of a table, not fitted.

    Parameters
    ----------
    options : Namespace
        Kinds of columns, limits of training and the seed.
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The rows that it is to be fitted to.
    """
    has_missing = bool(container_of(X).missing().any())
    limits = {} if options.max_epochs is None else {"max_epochs": options.max_epochs}
    flow = FlowDensity(
        missing="marginalize" if has_missing else None,
        max_time=options.max_time,
        verbose=verbosity(options),
        random_state=options.seed,
        **limits,
    )
    declared = {name: told or None for name, told in declarations(options.kinds, X).items()}
    kinds = declared.pop("kinds") or "auto"
    return TableDensity(flow, kinds=kinds, random_state=options.seed, **declared)


def new_detector(options, X) -> DensityOutlierDetector:
    """A detector that gives p-values, not fitted.

    It reads columns itself unless their kinds are declared or epochs limited, which its default
    densities do not take.

    Parameters
    ----------
    options : Namespace
        As for `new_density`.
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The rows that it is to be fitted to.
    """
    own = options.kinds or options.max_epochs is not None
    return DensityOutlierDetector(
        new_density(options, X) if own else None,
        calibrate="cv",
        max_time=options.max_time,
        random_state=options.seed,
        verbose=verbosity(options),
    )


def verbosity(options) -> int:
    """1 where someone watches progress bars, else 0."""
    return int(not options.quiet and sys.stderr.isatty())
