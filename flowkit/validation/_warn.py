"""Warnings at the user's line, however deep in the library they are given."""

from __future__ import annotations

import inspect
import warnings

# Packages whose lines are not the user's: this one, and those that call it for the user.
_LIBRARIES = {__name__.partition(".")[0], "joblib", "sklearn", "skorch", "torch"}


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the first line, going outwards, that is no line of a library.

    Parameters
    ----------
    message : str
        What is the matter, and what to do.
    category : type of Warning
        Class of the warning.
    """
    # `skip_file_prefixes` of `warnings.warn` needs Python 3.12.
    frame, stacklevel = inspect.currentframe(), 1
    while frame.f_back is not None and _is_of_library(frame):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


def _is_of_library(frame) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES
