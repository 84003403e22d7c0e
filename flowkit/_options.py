"""Which of the options at hand a constructor takes, read off its signature."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


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
    return {name: value for name, value in options.items() if name in names}
