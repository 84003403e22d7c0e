"""How training went, epoch by epoch."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError
from ._display import Display

_CURVES = {"train_log_density": "training", "valid_log_density": "hold-out"}


class TrainingCurveDisplay(Display):
    """Mean log density of training rows and hold-out after each epoch, the best epoch marked.

    It is recommended to use `TrainingCurveDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    The training rows are measured during each epoch, with dropout and noise, so their curve can
    lie below that of the hold-out.

    Parameters
    ----------
    history : dict of ndarray
        The attribute `history_` of an estimator: `epoch`, `train_log_density` and
        `valid_log_density`, NaN where there is no value.
    best_epoch : int, default=None
        Epoch whose weights were kept; None marks none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
    figure_ : matplotlib Figure
        Figure of these axes.
    lines_ : dict of matplotlib `Line2D`
        The curves, under the names of their columns in `history`; a column that is all NaN has
        none.
    best_line_ : matplotlib `Line2D` or None
        Upright line at the best epoch.

    See Also
    --------
    TrainingCurveDisplay.from_estimator : Draw the training of a fitted estimator.
    DensityDisplay : The density itself.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from flowkit import FlowDensity, TrainingCurveDisplay
    >>> X, _ = make_moons(200, noise=0.1, random_state=0)
    >>> density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> display = TrainingCurveDisplay.from_estimator(density)
    >>> sorted(display.lines_)
    ['train_log_density', 'valid_log_density']
    """

    _needs = "history_"
    _owners = "estimators that are trained epoch by epoch, such as FlowDensity, have it"

    def __init__(self, *, history, best_epoch=None):
        self.history = history
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, with an attribute `history_`, or holds such an estimator: a `Pipeline`, a
            search such as `GridSearchCV`, a `TransformedDensity`, a `TableDensity` or an outlier
            detector, of whose densities the first such one is drawn.
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        **kwargs : dict
            Passed to `Axes.plot` for the curves.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator keeps no history of its training.
        """
        trained = cls._within(estimator).estimator
        best_epoch = getattr(trained, "best_epoch_", None)
        return cls(history=trained.history_, best_epoch=best_epoch).plot(ax, **kwargs)

    def plot(self, ax=None, *, xlabel=None, ylabel=None, **kwargs):
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        xlabel : str, default=None
            Overwrites the label of the x axis.
        ylabel : str, default=None
            Overwrites the label of the y axis.
        **kwargs : dict
            Passed to `Axes.plot` for the curves.

        Returns
        -------
        display : TrainingCurveDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If `history` lacks a column.
        """
        missing = sorted({"epoch", *_CURVES} - set(self.history))
        if missing:
            raise InvalidParameterError(f"history lacks {missing}, it has {sorted(self.history)}.")
        self._use_axes(ax)
        self.lines_ = {}
        for name, label in _CURVES.items():
            if np.isfinite(self.history[name]).any():
                (self.lines_[name],) = self.ax_.plot(
                    self.history["epoch"], self.history[name], **{"label": label, **kwargs}
                )
        self.best_line_ = None
        if self.best_epoch is not None:
            self.best_line_ = self.ax_.axvline(
                self.best_epoch, color="0.4", linestyle=":", label=f"best epoch: {self.best_epoch}"
            )
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.set_xlabel("epoch" if xlabel is None else xlabel)
        self.ax_.set_ylabel("mean log density (nats)" if ylabel is None else ylabel)
        self.ax_.legend()
        return self
