"""What all Displays share: axes, and the search for what they need of an estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._optional import require
from ..exceptions import InvalidParameterError
from ..nested import Unwrapped, find
from ._axes import panels


class Display:
    """A plot of something fitted, in scikit-learn's Display convention.

    Subclasses implement three methods. The constructor stores the arrays to draw, all of them
    keyword-only. ``from_estimator(estimator, ..., *, ax=None, **kwargs)`` is a class method: it
    finds by `_within` what has the arrays, maybe inside a wrapper, and returns ``cls(...).plot(ax,
    ...)``. Scores are those of the wrapper itself, for which there is `_require`. ``plot(ax=None,
    *, ..., **kwargs)`` draws into the axes that `_use_axes` or `_use_panels` give, keeps what it
    draws in attributes that end in an underscore, and returns ``self``.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the axes.
    ax_ : matplotlib Axes or None
        The axes; None where there is one for each of several panels.
    axes_ : ndarray of matplotlib Axes
        All axes that are drawn into.
    """

    # Method or attribute that is drawn, and which estimators have it.
    _needs: ClassVar[str]
    _owners: ClassVar[str]

    @classmethod
    def _require(cls, estimator) -> None:
        """Refuse what is not fitted, or lacks itself what the display needs.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InvalidParameterError
            If it lacks the method or attribute.
        """
        check_is_fitted(estimator)
        cls._require_member(estimator, cls._needs, cls._owners)

    @classmethod
    def _within(cls, estimator) -> Unwrapped:
        """What has what the display needs: a fitted estimator, or the one that it holds.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InvalidParameterError
            If neither has it.
        """
        check_is_fitted(estimator)
        inside = find(estimator, cls._needs)
        cls._require_member(inside.estimator, cls._needs, cls._owners)
        return inside

    @classmethod
    def _require_member(cls, estimator, member: str, owners: str) -> None:
        if not hasattr(estimator, member):
            kind = "attribute" if member.endswith("_") else "method"
            raise InvalidParameterError(
                f"{type(estimator).__name__} has no {kind} {member!r}: only {owners}, and "
                f"{cls.__name__} needs it."
            )

    def _require_matplotlib(self) -> None:
        """Refuse to draw, or to measure texts, without matplotlib.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        require("matplotlib", f"{type(self).__name__}.plot")

    def _use_axes(self, ax, new_figure: Callable[[], dict] | None = None):
        """Set `ax_` to the given axes, or to those of a new figure, and return them.

        Parameters
        ----------
        ax : matplotlib Axes or None
            What `plot` was given.
        new_figure : callable, default=None
            Returns the options of `matplotlib.pyplot.subplots`. Called where a figure is made; None
            for one of the usual size whose margins fit its labels.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        InvalidParameterError
            If several axes are given.
        """
        self._require_matplotlib()
        if np.iterable(ax):
            raise InvalidParameterError(f"ax must be one matplotlib Axes, got {len(ax)} of them.")
        if ax is None:
            # Not before: pyplot picks a window system, which given axes may do without.
            import matplotlib.pyplot as plt

            options = {"layout": "constrained"} if new_figure is None else new_figure()
            ax = plt.subplots(**options)[1]
        self.ax_, self.axes_, self.figure_ = ax, np.array([ax]), ax.figure
        return ax

    def _use_panels(self, ax, n: int, **layout) -> np.ndarray:
        """Set `axes_` to those of `n` panels, as `panels` gives them, and return them.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        InvalidParameterError
            If fewer axes than panels are given.
        """
        self._require_matplotlib()
        return self._set_panels(panels(ax, n, **layout))

    def _set_panels(self, axes: np.ndarray) -> np.ndarray:
        self.ax_, self.axes_, self.figure_ = None, axes, axes[0].figure
        return axes


def names_within(inside: Unwrapped, X) -> list[str] | None:
    """Names of the columns of X as an estimator behind transformers sees them.

    None where X has no names, no transformer is on the way, or one tells none.
    """
    names = getattr(X, "columns", None)
    if names is None or not inside.transformers:
        return None
    return inside.get_feature_names(list(names))
