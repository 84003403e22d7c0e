"""Parameters of one name in a density, and in all that it holds."""

from __future__ import annotations

from collections.abc import Callable


def names_of(density, name: str, is_unset: Callable[[object], bool]) -> list[str]:
    """Names under which a density, and what it holds, has a parameter that is not set.

    Parameters
    ----------
    density : estimator
        Any one.
    name : str
        Name of the parameter.
    is_unset : callable
        Whether a value of the parameter means that it is not set.

    Returns
    -------
    list of str
        Such as ``flowdensity__verbose`` in a pipeline.
    """
    return [
        path
        for path, value in density.get_params(deep=True).items()
        if path.split("__")[-1] == name and is_unset(value)
    ]
