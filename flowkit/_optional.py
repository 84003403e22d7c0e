"""Optional packages, imported only where they are needed."""

from __future__ import annotations

import sys
from types import ModuleType

from .exceptions import MissingDependencyError

# Extras of this package that install them; others are installed by their own names.
_EXTRAS = {
    "PIL": "plot",
    "accelerate": "distributed",
    "dask": "distributed",
    "gensim": "gensim",
    "matplotlib": "plot",
    "onnx": "onnx",
    "pyarrow": "parquet",
    "pyod": "pyod",
    "skl2onnx": "onnx",
}
_NAMES = {"PIL": "Pillow"}


def require(module: str, caller: str, instead: str = "") -> ModuleType:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        Dotted name.
    caller : str
        What needs it, for the error.
    instead : str, default=''
        What can be done without it, for the error.

    Returns
    -------
    module
        The module.

    Raises
    ------
    MissingDependencyError
        If it cannot be imported.
    """
    package = module.split(".")[0]
    try:
        # The package first: its modules may be loaded still where it is hidden.
        __import__(package)
        __import__(module)
    except ImportError as error:
        what = f'"flowkit-density[{_EXTRAS[package]}]"' if package in _EXTRAS else package
        raise MissingDependencyError(
            f"{caller} needs {_NAMES.get(package, package)}, which cannot be imported. Install it "
            f"with pip install {what}{instead and ', or '}{instead}."
        ) from error
    return sys.modules[module]
