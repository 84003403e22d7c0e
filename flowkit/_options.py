"""Which of the options at hand a constructor takes, read off its signature."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .exceptions import UnknownNameError

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def option_names(constructor: Callable) -> set[str]:
    """Names of the options that a constructor takes; of which bases, `taken` says."""
    if isinstance(constructor, functools.partial):
        constructor = constructor.func
    names = set()
    for cls in constructor.__mro__:
        if "__init__" not in vars(cls):
            continue
        parameters = inspect.signature(cls.__init__).parameters.values()
        names |= {parameter.name for parameter in parameters if parameter.kind in _BY_NAME}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names


def refuse_unknown(options: Mapping[str, Any], constructors: Iterable[Callable]) -> None:
    """Refuse options that none of several constructors takes.

    Raises
    ------
    UnknownNameError
        If there is one; the message gives the nearest name.
    """
    known = set().union(*map(option_names, constructors))
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {sorted(known)}."
            raise UnknownNameError(f"no constructor takes an option {name!r}: {meant}")


def taken(constructor: Callable, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a constructor takes, so that each class is offered all and gets its own.

    Parameters
    ----------
    constructor : class or functools.partial of one
        What is to be called. A class whose ``__init__`` passes ``**options`` on takes those of
        the next ``__init__`` among its bases too.
    options : mapping of str
        Options by name.

    Returns
    -------
    dict of str
        Those of the options that the constructor names.

    Examples
    --------
    >>> from flowkit._options import taken
    >>> class Base:
    ...     def __init__(self, width=1): ...
    >>> class Child(Base):
    ...     def __init__(self, height=1, **options): ...
    >>> taken(Child, {"width": 2, "height": 3, "depth": 4})
    {'width': 2, 'height': 3}
    """
    names = option_names(constructor)
    return {name: value for name, value in options.items() if name in names}
