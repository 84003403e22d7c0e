"""The versions that wrote a file, beside those that read it."""

from __future__ import annotations

import platform

import numpy as np
import sklearn
import torch

from ..exceptions import DamagedFileError, FileVersionError, FileVersionWarning
from ..validation import warn

# What files look like; it grows with every change that earlier versions cannot read.
FORMAT = 1


def versions() -> dict[str, str]:
    """Versions of flowkit, of the libraries below it and of Python, by their names."""
    # Only here is the package complete.
    from .. import __version__

    return {
        "flowkit": __version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def check_format(number) -> None:
    """Refuse files of a later format.

    Raises
    ------
    FileVersionError
        If this version cannot read the format.
    """
    if type(number) is not int or number < 1:
        raise DamagedFileError("it states no version of its format.")
    if number > FORMAT:
        raise FileVersionError(
            f"it has format {number}, and this version of flowkit reads up to {FORMAT}. Load it "
            "with a later version of flowkit."
        )


def compare(written, strict: bool) -> None:
    """Warn of other major versions than those of now, or refuse them.

    Parameters
    ----------
    written : dict of str
        The versions that wrote a file.
    strict : bool
        Whether to refuse.

    Raises
    ------
    FileVersionError
        If `strict`, and one is another.
    """
    now = versions()
    if not isinstance(written, dict) or not set(now) <= set(written):
        raise DamagedFileError("it does not state the versions that wrote it.")
    # Python reads and computes the same in all of its versions.
    others = [
        f"{name} {written[name]!s:.20} (here {now[name]})"
        for name in now
        if name != "python" and _major(written[name]) != _major(now[name])
    ]
    if not others:
        return
    message = (
        f"it was written with {', '.join(others)}, so that scores may be others, or errors come "
        "up, without the file being wrong."
    )
    if strict:
        raise FileVersionError(f"{message} Load it with these versions, or with strict=False.")
    warn(f"the file is of other versions: {message}", FileVersionWarning)


def _major(version):
    """What may break between two versions: all but zero before the first dot."""
    parts = str(version).split(".")
    return parts[:2] if parts[0] == "0" else parts[:1]
