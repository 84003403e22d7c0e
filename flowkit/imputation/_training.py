"""The density that an imputer trains: by default, and on rows in which values are missing."""

from __future__ import annotations

from sklearn.utils import get_tags

from ..estimators import FlowDensity
from ..exceptions import InvalidParameterError
from ..tables import TableDensity
from ..validation import container_of, is_missing_value, typed_errors


def default_density(X):
    """The density that None stands for: one of numbers, or of a table if X holds anything else."""
    flow = FlowDensity(missing="marginalize")
    return TableDensity(flow) if _holds_others(X) else flow


def _holds_others(X):
    container = container_of(X)
    if not container.is_frame:
        return False
    return any(
        not is_missing_value(value) and not _is_number(value)
        for _, column in container.columns_of_other_types()
        for value in column
    )


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def on_incomplete_rows(density) -> None:
    """Let a density, and those within it, be trained on incomplete rows, where they know how to.

    Parameters
    ----------
    density : estimator
        A clone of what was given; its parameters ``missing`` of None become 'marginalize'.
    """
    parameters = density.get_params()
    for name in sorted(parameters):
        if name.split("__")[-1] == "missing" and parameters[name] is None:
            density.set_params(**{name: "marginalize"})


def takes_incomplete_rows(density) -> bool:
    """Whether a density can be fitted to rows in which values are missing."""
    return get_tags(density).input_tags.allow_nan


def refuse_complete_only(density, X) -> None:
    """Refuse a density that cannot learn from incomplete rows, if there are some in X.

    Raises
    ------
    InvalidParameterError
        If it is one.
    """
    if takes_incomplete_rows(density):
        return
    with typed_errors():
        is_incomplete = container_of(X).missing().any()
    if is_incomplete:
        raise InvalidParameterError(
            f"density {density} cannot be fitted to rows with missing values, and X holds some: "
            "use one that can, such as FlowDensity(missing='marginalize'), or fit the imputer to "
            "complete rows."
        )
