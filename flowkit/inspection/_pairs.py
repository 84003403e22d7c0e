"""Rows beside draws, pair of columns by pair."""

from __future__ import annotations

import numpy as np

from .._seeds import check_random_state
from ..exceptions import InvalidParameterError
from ..nested import can_be_drawn_from, draw_from
from ..validation import container_of
from ._checks import check_count
from ._display import Display
from ._slices import rows_for
from ._style import LABEL_SIZE, TITLE_SIZE, shortened

_DATA, _SAMPLES, _CONTOURS = "0.45", "tab:orange", "tab:blue"
_SIZE, _GAP, _PAD = 1.5, 0.09, 0.04
# Most points that a panel shows, levels that an axis names, columns of their own accord, and room
# for a level.
_MAX_POINTS, _MAX_LEVELS, _MAX_COLUMNS, _ROOM = 1000, 6, 6, 45
# How far points of one level are spread, and how many nats contours are apart.
_JITTER, _STEP = 0.25, 1.5
_N_BINS, _N_CONTOURS = 24, 4


class PairDisplay(Display):
    """Rows below the diagonal, draws above it, and the histograms of both on it.

    It is recommended to use `PairDisplay.from_estimator` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    data : ndarray of shape (n_rows, n_shown)
        Rows as numbers, NaN where values are missing; levels by their position in `levels`.
    samples : ndarray of shape (n_samples, n_shown)
        Draws, likewise.
    names : list of str
        Names of the columns.
    levels : list of (list or None)
        The levels of each column that is a category; None for numbers.
    densities : dict, default=None
        ``(i, j)`` with ``i < j`` to points of both columns and their log densities in nats, three
        arrays of one shape, drawn as contours.

    Attributes
    ----------
    ax_ : None
        There is one panel for each pair.
    axes_ : ndarray of matplotlib Axes of shape (n_shown * n_shown,)
        The panels, row by row.
    figure_ : matplotlib Figure
        Figure of the panels.

    See Also
    --------
    DensityDisplay : The density over two columns.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity
    >>> from flowkit.inspection import PairDisplay
    >>> X = load_iris(as_frame=True).data
    >>> density = FlowDensity(max_epochs=3, random_state=0).fit(X)
    >>> display = PairDisplay.from_estimator(density, X, random_state=0)
    >>> display.data.shape, display.samples.shape, len(display.axes_)
    ((150, 4), (150, 4), 16)
    """

    _needs = "sample"
    _owners = "densities that can be drawn from, such as FlowDensity, have it"

    def __init__(self, *, data, samples, names, levels, densities=None):
        self.data = data
        self.samples = samples
        self.names = names
        self.levels = levels
        self.densities = densities

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        features=None,
        n_samples=None,
        show_density=False,
        grid_resolution=30,
        random_state=None,
        ax=None,
        **kwargs,
    ):
        """Draw rows beside draws of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `sample`.
        X : {array-like, dataframe} of shape (n_rows, n_features)
            Rows, such as those of training.
        features : list of int or str, default=None
            Names of the columns to show, or positions where no column has such a name. None is the
            first six.
        n_samples : int, default=None
            Number of draws; None is as many as there are rows.
        show_density : bool, default=False
            Whether to draw contours of the marginal density of each pair of numbers, for which the
            estimator needs `marginal`. Where marginals have no closed form this takes long.
        grid_resolution : int, default=30
            Number of points of these along each axis.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness of the draws.
        ax : matplotlib Axes, sequence of matplotlib Axes or None, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : PairDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range or names no column, or the estimator lacks a method.
        InvalidDataError
            If `X` has another number of features than the estimator was fitted on.
        """
        cls._require(estimator)
        if not can_be_drawn_from(estimator):
            raise InvalidParameterError(
                f"{type(estimator).__name__} cannot be drawn from: use a density that can, such as "
                "FlowDensity."
            )
        check_count("grid_resolution", grid_resolution, 2)
        rows = rows_for(estimator, X)
        n = len(rows.numbers) if n_samples is None else n_samples
        check_count("n_samples", n, 1)
        columns = _columns(features, rows.names)
        drawn = draw_from(estimator, int(n), check_random_state(random_state), None)
        own, theirs = container_of(rows.X).objects(), container_of(drawn).objects()
        pairs = [_numbered(own[j], theirs[j], np.isnan(rows.numbers[:, j]).all()) for j in columns]
        data, samples, levels = zip(*pairs, strict=True)
        densities = None
        if show_density:
            cls._require_member(estimator, "marginal", "densities of flowkit have it")
            densities = _densities(estimator, columns, data, levels, grid_resolution, X)
        return cls(
            data=np.column_stack(data),
            samples=np.column_stack(samples),
            names=[rows.names[j] for j in columns],
            levels=list(levels),
            densities=densities,
        ).plot(ax, **kwargs)

    def plot(self, ax=None, *, max_points=_MAX_POINTS, **kwargs):
        """Plot the pairs.

        Parameters
        ----------
        ax : matplotlib Axes, sequence of matplotlib Axes or None, default=None
            One axes that gives way to the panels, one for each pair, or None for a new figure.
        max_points : int, default=1000
            Most points of a panel: the first rows, and the first draws.
        **kwargs : dict
            Passed to `Axes.scatter`.

        Returns
        -------
        display : PairDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If `max_points` is no positive int, or there are fewer axes than pairs.
        """
        check_count("max_points", max_points, 1)
        k, style = len(self.names), {"s": 5, "linewidths": 0, "alpha": 0.6, **kwargs}
        panels = self._panels(ax, k).reshape(k, k)
        limits = [_limits(self.data[:, j], self.levels[j]) for j in range(k)]
        spread = [self._spread(rows[:max_points]) for rows in (self.data, self.samples)]
        for i in range(k):
            for j in range(k):
                panel = panels[i, j]
                panel.set_xlim(*limits[j])
                if i == j:
                    self._draw_histograms(panel, i, limits[i])
                else:
                    rows, colour = (spread[0], _DATA) if i > j else (spread[1], _SAMPLES)
                    panel.scatter(rows[:, j], rows[:, i], **{"color": colour, **style})
                    panel.set_ylim(*limits[i])
                    self._draw_contours(panel, i, j)
                self._label(panel, i, j, k)
        panels[0, 0].set_title("rows", color=_DATA, fontsize=TITLE_SIZE, loc="left")
        panels[0, -1].set_title("draws", color=_SAMPLES, fontsize=TITLE_SIZE, loc="right")
        return self

    def _panels(self, ax, k):
        if ax is not None:
            return self._use_panels(
                ax, k * k, size=(_SIZE, _SIZE), gap=(_GAP, _GAP), max_width=0, n_columns=k
            )
        self._require_matplotlib()
        import matplotlib.pyplot as plt

        size = (k * _SIZE + 0.6, k * _SIZE + 0.6)
        figure, axes = plt.subplots(k, k, figsize=size, layout="constrained", squeeze=False)
        figure.get_layout_engine().set(w_pad=_PAD, h_pad=_PAD, wspace=0, hspace=0)
        figure.align_labels(axes)
        return self._set_panels(axes.ravel())

    def _spread(self, rows):
        """Points of one level side by side, as most would hide each other."""
        rng = np.random.default_rng(0)
        noise = rng.uniform(-_JITTER, _JITTER, rows.shape)
        return rows + np.where([levels is not None for levels in self.levels], noise, 0.0)

    def _draw_histograms(self, panel, i, limits):
        levels = self.levels[i]
        edges = np.arange(-0.5, len(levels)) if levels else np.linspace(*limits, _N_BINS + 1)
        for rows, style in (
            (self.data, {"histtype": "stepfilled", "color": _DATA, "alpha": 0.5}),
            (self.samples, {"histtype": "step", "color": _SAMPLES, "linewidth": 1.3}),
        ):
            values = rows[:, i]
            values = values[(values >= edges[0]) & (values <= edges[-1])]
            panel.hist(values, edges, density=True, **style)

    def _draw_contours(self, panel, i, j):
        found = (self.densities or {}).get((min(i, j), max(i, j)))
        if found is not None:
            first, second, log_density = found
            x, y = (first, second) if j < i else (second, first)
            top = log_density[np.isfinite(log_density)].max()
            heights = top - _STEP * np.arange(_N_CONTOURS, 0, -1)
            shown = np.maximum(log_density, heights[0] - 1)
            panel.contour(x, y, shown, heights, colors=_CONTOURS, linewidths=0.7, linestyles="-")

    def _label(self, panel, i, j, k):
        from matplotlib.ticker import MaxNLocator

        panel.tick_params(labelsize=LABEL_SIZE - 1, length=2)
        for axis, column, is_outer in ((panel.xaxis, j, i == k - 1), (panel.yaxis, i, j == 0)):
            levels = self.levels[column]
            if axis is panel.yaxis and i == j:
                axis.set_ticks([])
            elif levels is None:
                axis.set_major_locator(MaxNLocator(3, prune="both"))
            else:
                named = range(len(levels)) if len(levels) <= _MAX_LEVELS else []
                axis.set_ticks(
                    list(named), [shortened(str(levels[level]), _ROOM) for level in named]
                )
            if not is_outer:
                axis.set_tick_params(labelbottom=False, labelleft=False)
        if i == 0 and j == k - 1:
            # The first panel of the row counts rows: its y axis has no room for these names.
            panel.tick_params(axis="y", left=False, right=True, labelright=True)
        if i == k - 1 and self.levels[j] is not None:
            panel.tick_params(axis="x", labelrotation=90)
        room = _SIZE * 72
        if i == k - 1:
            panel.set_xlabel(shortened(self.names[j], room), fontsize=LABEL_SIZE)
        if j == 0:
            panel.set_ylabel(shortened(self.names[i], room), fontsize=LABEL_SIZE)


def _columns(features, names):
    """Positions of the columns to show."""
    if features is None:
        return list(range(min(len(names), _MAX_COLUMNS)))
    if isinstance(features, str) or not np.iterable(features) or len(list(features)) < 2:
        raise InvalidParameterError(
            f"features must be a list of two or more names or positions, got {features!r}."
        )
    found = [names.index(one) if one in names else one for one in features]
    known = range(len(names))
    wrong = [one for one in found if isinstance(one, (bool, str)) or one not in known]
    if wrong:
        raise InvalidParameterError(
            f"features must be names {names} or positions from 0 to {len(names) - 1}, got "
            f"{wrong[0]!r}."
        )
    return [int(one) for one in found]


def _numbered(own, theirs, is_category):
    """Rows and draws of a column as numbers, and its levels where it is a category."""
    if not is_category:
        return _as_numbers(own), _as_numbers(theirs), None
    values = [[None if _is_missing(v) else v for v in column] for column in (own, theirs)]
    levels = sorted({v for column in values for v in column if v is not None}, key=str)
    place = {level: float(k) for k, level in enumerate(levels)}
    return (*(np.array([place.get(v, np.nan) for v in column]) for column in values), levels)


def _as_numbers(column):
    return np.array([np.nan if _is_missing(v) else float(v) for v in column])


def _is_missing(value):
    return value is None or value != value or str(value) in ("NaT", "<NA>")


def _limits(values, levels):
    if levels is not None:
        return -0.6, len(levels) - 0.4
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    margin = 0.07 * (high - low) or 0.5
    return low - margin, high + margin


def _densities(estimator, columns, data, levels, n_points, X):
    """Log densities of pairs of columns of numbers over a grid."""
    labels = container_of(X).labels
    found = {}
    for i in range(len(columns)):
        for j in range(i + 1, len(columns)):
            if levels[i] is None and levels[j] is None:
                pair = [columns[i], columns[j]]
                axes = [np.linspace(*_limits(data[k], None), n_points) for k in (i, j)]
                grid = np.meshgrid(*axes)
                points = np.column_stack([axis.ravel() for axis in grid])
                names = pair if labels is None else [labels[k] for k in pair]
                marginal = estimator.marginal(names)
                if labels is not None:
                    points = container_of(X[names]).like(points)
                scores = marginal.score_samples(points)
                found[i, j] = (*grid, scores.reshape(grid[0].shape))
    return found
