"""Matplotlib, imported only when something is drawn."""

from __future__ import annotations


def require_axes(ax, caller: str):
    """Return `ax`, or the axes of a new figure where it is None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install 'flowkit-density[plot]'."
        ) from error
    if ax is not None:
        return ax
    # Not before: pyplot picks a window system, which given axes may do without.
    import matplotlib.pyplot as plt

    return plt.subplots()[1]
