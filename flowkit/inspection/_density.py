"""A density drawn over one feature or two."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from .._seeds import check_random_state
from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested import can_be_drawn_from, draw_from
from ._checks import check_choice, check_count
from ._display import Display
from ._slices import rows_for

_METHODS = ("contourf", "contour", "pcolormesh")
_N_LEVELS = 12
_COLOURS = "Blues"
# White faces show on the dark peak of the colours, black edges on their bright floor.
_DATA_STYLE = {"s": 12, "color": "white", "edgecolors": "black", "linewidths": 0.5}
_SAMPLE_STYLE = {"s": 12, "color": "tab:orange", "marker": "x", "linewidths": 0.9}


class DensityDisplay(Display):
    """Log density over two features as a surface, or density of one feature as a curve.

    It is recommended to use `DensityDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Parameters
    ----------
    xx0 : ndarray of shape (grid_resolution, grid_resolution) or (grid_resolution,)
        First output of :func:`numpy.meshgrid`, or the points of the curve of a single feature.
    xx1 : ndarray of shape (grid_resolution, grid_resolution) or None
        Second output of :func:`numpy.meshgrid`; None for a single feature.
    log_density : ndarray of the shape of `xx0`
        Log density at these points, in nats.
    data : ndarray of shape (n_rows, 2) or (n_rows, 1), default=None
        Rows to draw with the density.
    samples : ndarray of shape (n_samples, 2) or (n_samples, 1), default=None
        Rows drawn from the density, to draw with it.
    xlabel : str, default=None
        Label of the x axis.
    ylabel : str, default=None
        Label of the y axis of a surface.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the density.
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
    figure_ : matplotlib Figure
        Figure of these axes.
    surface_ : matplotlib `QuadContourSet` or `QuadMesh`, or None
        The surface of two features.
    colorbar_ : matplotlib `Colorbar` or None
        Colour bar of the surface.
    curve_ : matplotlib `Line2D` or None
        The curve of one feature.
    data_ : matplotlib `PathCollection` or `BarContainer`, or None
        Points, or the histogram of one feature, of the data.
    samples_ : matplotlib `PathCollection` or list of `Polygon`, or None
        Points, or the histogram of one feature, of the samples.

    See Also
    --------
    DensityDisplay.from_estimator : Draw the density of a fitted estimator.
    TrainingCurveDisplay : Log densities reached while an estimator was trained.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from flowkit import DensityDisplay, FlowDensity
    >>> X, _ = make_moons(200, noise=0.1, random_state=0)
    >>> density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> display = DensityDisplay.from_estimator(density, X, n_samples=50, random_state=0)
    >>> display.log_density.shape
    (100, 100)
    >>> display.ax_.get_xlabel()
    'feature 0'
    """

    _needs = "score_samples"
    _owners = "densities and outlier detectors have it"

    def __init__(self, *, xx0, xx1, log_density, data=None, samples=None, xlabel=None, ylabel=None):
        self.xx0 = xx0
        self.xx1 = xx1
        self.log_density = log_density
        self.data = data
        self.samples = samples
        self.xlabel = xlabel
        self.ylabel = ylabel

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        features=(0, 1),
        grid_resolution=100,
        margin=0.1,
        show_data=True,
        n_samples=0,
        random_state=None,
        plot_method="contourf",
        depth=10.0,
        colorbar=True,
        xlabel=None,
        ylabel=None,
        ax=None,
        data_kw=None,
        sample_kw=None,
        **kwargs,
    ):
        """Draw the density of a fitted estimator.

        With more than two features the surface is a *slice*, not a marginal: two features vary
        and all others are fixed at their median in `X`, categories of a `TableDensity` at the most
        frequent level. The slice is not normalised, and data and samples, drawn at the values of
        their two features, need not follow it.

        Parameters
        ----------
        estimator : estimator instance
            Fitted; has `score_samples`, as scikit-learn's own density estimators have, and, for
            samples, `sample`.
        X : {array-like, dataframe} of shape (n_rows, n_features)
            Rows that determine the extent of the plot and the values of the fixed features.
        features : tuple of two int or str, default=(0, 1)
            Names of the two features on the axes, or positions where no feature has such a name.
            Ignored where `X` has one feature. Categories are no axes.
        grid_resolution : int, default=100
            Number of points along each axis.
        margin : float, default=0.1
            How far the plot reaches beyond the data on each side, as a share of their range.
        show_data : bool, default=True
            Whether to draw the rows of `X`.
        n_samples : int, default=0
            Number of samples of the estimator to draw.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness of the samples.
        plot_method : {'contourf', 'contour', 'pcolormesh'}, default='contourf'
            See `plot`.
        depth : float, default=10.0
            See `plot`.
        colorbar : bool, default=True
            See `plot`.
        xlabel : str, default=None
            Label of the x axis; the name of the feature by default.
        ylabel : str, default=None
            Label of the y axis of a surface; the name of the feature by default.
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        data_kw : dict, default=None
            See `plot`.
        sample_kw : dict, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : DensityDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range or names no feature, or the estimator lacks a
            method.
        InvalidDataError
            If `X` has another number of features than the estimator was fitted on.
        """
        cls._require(estimator)
        _check_grid(grid_resolution, margin)
        rows = rows_for(estimator, X)
        columns = _columns(features, rows, X)
        rows.refuse_categories(columns)
        grid = np.meshgrid(
            *(rows.on_axis(j, _axis(rows.numbers[:, j], grid_resolution, margin)) for j in columns)
        )
        log_density = estimator.score_samples(rows.cut(grid, columns))
        names = [rows.names[j] for j in columns]
        samples = cls._draw(estimator, n_samples, random_state, rows.dtype)
        display = cls(
            xx0=grid[0],
            xx1=grid[1] if len(grid) == 2 else None,
            log_density=np.asarray(log_density, dtype=np.float64).reshape(grid[0].shape),
            data=rows.numbers[:, columns] if show_data else None,
            samples=None if samples is None else samples[:, columns].astype(np.float64),
            xlabel=names[0] if xlabel is None else xlabel,
            ylabel=names[-1] if ylabel is None and len(names) == 2 else ylabel,
        )
        return display.plot(
            plot_method=plot_method,
            depth=depth,
            colorbar=colorbar,
            ax=ax,
            data_kw=data_kw,
            sample_kw=sample_kw,
            **kwargs,
        )

    @classmethod
    def _draw(cls, estimator, n_samples, random_state, dtype):
        check_count("n_samples", n_samples, 0)
        if n_samples == 0:
            return None
        if not can_be_drawn_from(estimator):
            cls._require_member(
                estimator,
                "sample",
                "densities that can be drawn from, such as FlowDensity, have it",
            )
        return draw_from(estimator, int(n_samples), check_random_state(random_state), dtype)

    def plot(
        self,
        ax=None,
        *,
        plot_method="contourf",
        depth=10.0,
        colorbar=True,
        xlabel=None,
        ylabel=None,
        data_kw=None,
        sample_kw=None,
        **kwargs,
    ):
        """Plot the density.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        plot_method : {'contourf', 'contour', 'pcolormesh'}, default='contourf'
            Method of the axes that draws a surface.
        depth : float, default=10.0
            How many nats below its highest point the surface is drawn in the lowest colour.
        colorbar : bool, default=True
            Whether a surface gets a colour bar.
        xlabel : str, default=None
            Overwrites the label of the x axis.
        ylabel : str, default=None
            Overwrites the label of the y axis.
        data_kw : dict, default=None
            Passed to `Axes.scatter` for the data of a surface, to `Axes.hist` for those of a
            curve.
        sample_kw : dict, default=None
            Likewise for the samples.
        **kwargs : dict
            Passed to `plot_method` for a surface, to `Axes.plot` for a curve.

        Returns
        -------
        display : DensityDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If `plot_method` or `depth` is out of range.
        InvalidDataError
            If the density is nowhere positive.
        """
        _check_plot(plot_method, depth)
        self._use_axes(ax)
        self.surface_ = self.colorbar_ = self.curve_ = None
        if self.xx1 is None:
            self._plot_curve(data_kw or {}, sample_kw or {}, kwargs)
        else:
            self._plot_surface(plot_method, depth, colorbar, kwargs)
            self._scatter(data_kw or {}, sample_kw or {})
        self.ax_.set_xlabel(self.xlabel if xlabel is None else xlabel)
        default = "density" if self.xx1 is None and self.ylabel is None else self.ylabel
        self.ax_.set_ylabel(default if ylabel is None else ylabel)
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend()
        return self

    def _plot_curve(self, data_kw, sample_kw, curve_kw):
        self.data_ = self.samples_ = None
        if self.data is not None:
            style = {"bins": 30, "color": "0.8", "label": "data", **data_kw}
            self.data_ = self.ax_.hist(self.data[:, 0], density=True, **style)[2]
        if self.samples is not None:
            style = {"bins": 30, "histtype": "step", "color": "tab:red", "label": "samples"}
            self.samples_ = self.ax_.hist(
                self.samples[:, 0], density=True, **{**style, **sample_kw}
            )[2]
        style = {"label": "density", **curve_kw}
        (self.curve_,) = self.ax_.plot(self.xx0, np.exp(self.log_density), **style)

    def _plot_surface(self, plot_method, depth, colorbar, surface_kw):
        finite = np.isfinite(self.log_density)
        if not finite.any():
            raise InvalidDataError(
                "the log density is not finite at any point of the grid: choose other features, "
                "or rows of X inside the support."
            )
        top = self.log_density[finite].max()
        floor = max(top - depth, self.log_density[finite].min())
        style = {"cmap": _COLOURS, "zorder": -1}
        if plot_method == "pcolormesh":
            style |= {"vmin": floor, "vmax": top, "shading": "nearest"}
        else:
            style |= {"levels": _levels(floor, top)}
        style |= surface_kw
        # Everything below the floor, the outside of the support too, has the lowest colour.
        shown = np.where(finite, np.maximum(self.log_density, floor), floor)
        self.surface_ = getattr(self.ax_, plot_method)(self.xx0, self.xx1, shown, **style)
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.surface_, ax=self.ax_, label="log density (nats)"
            )

    def _scatter(self, data_kw, sample_kw):
        # Points must not move the edges of the surface.
        self.ax_.set_xlim(self.xx0.min(), self.xx0.max())
        self.ax_.set_ylim(self.xx1.min(), self.xx1.max())
        self.data_ = self.samples_ = None
        if self.data is not None:
            style = _styled({**_DATA_STYLE, "label": "data"}, data_kw)
            self.data_ = self.ax_.scatter(*self.data.T, **style)
        if self.samples is not None:
            style = _styled({**_SAMPLE_STYLE, "label": "samples"}, sample_kw)
            self.samples_ = self.ax_.scatter(*self.samples.T, **style)


def _levels(floor, top):
    """Round levels from the floor to the top."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(_N_LEVELS).tick_values(floor, top)


def _styled(default, given):
    """The default style, overruled by what was given."""
    # Matplotlib refuses these two names of one thing together.
    dropped = {"color"} if "c" in given else set()
    return {k: v for k, v in default.items() if k not in dropped} | given


def _check_grid(grid_resolution, margin):
    check_count("grid_resolution", grid_resolution, 2)
    if not isinstance(margin, Real) or not 0 <= margin < np.inf:
        raise InvalidParameterError(f"margin must be a number >= 0, got {margin!r}.")


def _check_plot(plot_method, depth):
    check_choice("plot_method", plot_method, _METHODS)
    if not isinstance(depth, Real) or not depth > 0:
        raise InvalidParameterError(f"depth must be a number > 0, got {depth!r}.")


def _columns(features, rows, X):
    """Positions of the columns on the axes."""
    n_features = rows.numbers.shape[1]
    if n_features == 1:
        return [0]
    if isinstance(features, str) or not hasattr(features, "__len__") or len(features) != 2:
        raise InvalidParameterError(f"features must be two positions or names, got {features!r}.")
    names = list(getattr(X, "columns", []))
    columns = [names.index(f) if f in names else f for f in features]
    for column in columns:
        if not isinstance(column, Integral) or not 0 <= column < n_features:
            known = f"names {names} or " if names else ""
            raise InvalidParameterError(
                f"features must be {known}positions from 0 to {n_features - 1}, got {column!r}."
            )
    if columns[0] == columns[1]:
        raise InvalidParameterError(f"features must be two different ones, got {features!r}.")
    return columns


def _axis(values, resolution, margin):
    low, high = np.nanmin(values), np.nanmax(values)
    reach = margin * (high - low) if high > low else 1.0
    return np.linspace(low - reach, high + reach, resolution)
