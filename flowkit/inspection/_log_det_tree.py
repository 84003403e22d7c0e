"""Where in the tree of a fractal flow the volume changes."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ._axes import colorbar_beside, colorbar_of_panel, extent, figure_with_margins
from ._display import Display, names_within
from ._style import DIVERGING, LABEL_SIZE, POINTS_PER_INCH, TITLE_SIZE, number, text_width

# From top to bottom, and the names of their rows.
_KINDS = {"mixing": "mixing", "coupling": "couplings {}", "block": "blocks", "leaf": "leaves"}
# Points that a line of numbers needs across, and free points beside it.
_LINE = 10
_PADDING = 4
# Inches: narrowest and widest column, width of all columns, height of a row, room around them.
_COLUMN_WIDTHS = (0.3, 1.6)
_TREE_WIDTHS = (4.5, 12.0)
_ROW_HEIGHT = 0.5
_LEFT, _RIGHT, _TOP, _BOTTOM = 1.2, 0.65, 0.4, 0.2
_MAP_SIZE, _MAP_GAP, _MAX_WIDTH = (1.4, 1.4), (0.85, 0.5), 10.0
_ROUNDING = 1e-9
# Share of the largest colour from which on it is dark.
_DARK = 0.6


class LogDetTreeDisplay(Display):
    """Shares of the nodes of a tree in the log-determinant of a fractal flow.

    It is recommended to use `LogDetTreeDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Every row of the picture is a level of the tree, the mixing of all columns on top and the
    leaves at the bottom. A node spans its columns, and its colour and number are its mean share
    over the rows, in nats: red where volume grows on the way to the latent, blue where it shrinks.
    All shares sum to the mean log-determinant in the title. Those of leaves hold the logarithm of
    their column's scale, so they depend on units; a `reference` takes out what all rows have in
    common. Images have a map for each level instead, on which the share of a node is spread
    evenly over its pixels; mixing, if there is any, is in the title alone.

    Parameters
    ----------
    shares : ndarray of shape (n_rows, n_nodes)
        Shares in nats, as the method `log_det_tree` of an estimator returns them.
    levels : ndarray of shape (n_nodes,)
        Depth of each node.
    kinds : list of str
        What each node is: 'mixing', 'coupling', 'block' or 'leaf'.
    features : list of tuple
        Names or numbers of the columns that each node covers; leaves are in the order of the
        columns.
    reference : ndarray of shape (n_nodes,), default=None
        Shares that are subtracted; None for none.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, n_channels)`` if columns are pixels.

    Attributes
    ----------
    values_ : ndarray of shape (n_nodes,)
        Mean share of each node, less the reference.
    ax_ : matplotlib Axes or None
        Axes with the tree; None for images.
    axes_ : ndarray of matplotlib Axes
        Axes with the tree or, for images, one for each map.
    figure_ : matplotlib Figure
        Figure of these axes.
    nodes_ : matplotlib `PolyCollection` or None
        Rectangles of the nodes.
    maps_ : list of matplotlib `AxesImage`, or None
        Maps of images, in nats per pixel.
    colorbars_ : list of matplotlib `Colorbar`
        One for the tree or for each map.

    See Also
    --------
    LogDetTreeDisplay.from_estimator : Draw the tree of a fitted estimator.
    TopicDisplay : What the prior of the same flow describes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FractalFlowDensity, LogDetTreeDisplay
    >>> X = load_iris(as_frame=True).data
    >>> density = FractalFlowDensity(n_topics=3, max_epochs=3, random_state=0).fit(X)
    >>> display = LogDetTreeDisplay.from_estimator(density, X)
    >>> display.kinds[:2], display.features[-1]
    (['mixing', 'coupling'], ('petal width (cm)',))
    >>> display.values_.shape == (len(display.kinds),)
    True
    """

    _needs = "log_det_tree"
    _owners = "FractalFlowDensity has it, which is a tree of bijections"

    def __init__(self, *, shares, levels, kinds, features, reference=None, image_shape=None):
        self.shares = shares
        self.levels = levels
        self.kinds = kinds
        self.features = features
        self.reference = reference
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, X, *, reference=None, colorbar=True, ax=None, **kwargs):
        """Draw the tree of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `log_det_tree`, or holds an estimator that has: a `Pipeline`, a search such
            as `GridSearchCV`, a `TransformedDensity` or an outlier detector. The log-determinant
            is that of this estimator alone, without what comes before it.
        X : {array-like, dataframe} of shape (n_rows, n_features)
            Rows whose shares are averaged.
        reference : {array-like, dataframe} of shape (n_others, n_features), default=None
            Rows whose mean shares are subtracted, to show in what the rows of X differ from them.
        colorbar : bool, default=True
            See `plot`.
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : LogDetTreeDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no tree.
        InvalidDataError
            If rows have another number of features than the estimator was fitted on.
        """
        inside = cls._within(estimator)
        fitted = inside.estimator
        tree = {**fitted.log_det_tree(inside.transform(X))}
        if (names := names_within(inside, X)) is not None:
            # The first node covers all columns, in order.
            name_of = dict(zip(tree["features"][0], names, strict=True))
            tree["features"] = [tuple(name_of[j] for j in node) for node in tree["features"]]
        if reference is not None:
            reference = fitted.log_det_tree(inside.transform(reference)).shares.mean(0)
        return cls(**tree, reference=reference, image_shape=fitted.image_shape).plot(
            ax, colorbar=colorbar, **kwargs
        )

    def plot(self, ax=None, *, colorbar=True, **kwargs):
        """Plot the tree.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            Axes to plot on; for images one axes, which gives way to the maps, or one for each map.
            By default those of a new figure, large enough for all names.
        colorbar : bool, default=True
            Whether the tree or each map gets a colour bar.
        **kwargs : dict
            Passed to `matplotlib.collections.PolyCollection`, or to `Axes.imshow` for images.

        Returns
        -------
        display : LogDetTreeDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If there are fewer axes than maps.
        InvalidDataError
            If names of columns are not unique.
        """
        self.values_ = np.mean(self.shares, axis=0)
        if self.reference is not None:
            self.values_ = self.values_ - self.reference
        self.nodes_ = self.maps_ = None
        self.colorbars_ = []
        leaves = [
            names[0]
            for names, kind in zip(self.features, self.kinds, strict=True)
            if kind == "leaf"
        ]
        column = {name: j for j, name in enumerate(leaves)}
        if len(column) < len(leaves):
            raise InvalidDataError(
                "names of columns must be unique, as the tree finds its columns by their names: "
                "rename those that share one."
            )
        columns = [[column[name] for name in names] for names in self.features]
        if self.image_shape is None:
            self._plot_tree(ax, columns, list(map(str, leaves)), colorbar, kwargs)
        else:
            self._plot_maps(ax, columns, colorbar, kwargs)
        return self

    def _rows(self):
        """Nodes of each row of the picture, from top to bottom."""
        order = list(_KINDS)
        keys = [(order.index(k), n) for k, n in zip(self.kinds, self.levels, strict=True)]
        return [[i for i, key in enumerate(keys) if key == row] for row in sorted(set(keys))]

    def _label(self, row):
        return _KINDS[self.kinds[row[0]]].format(self.levels[row[0]])

    def _title(self):
        n = len(self.shares)
        rows = "one row" if n == 1 else f"mean of {n} rows"
        less = "" if self.reference is None else ", less that of the reference"
        return f"log-determinant, {rows}{less}: {_nats(self.values_.sum())} nats"

    def _plot_tree(self, ax, columns, leaves, colorbar, polygon_kw):
        rows = self._rows()
        ax = self._use_axes(ax, lambda: _figure(len(rows), leaves))
        from matplotlib.collections import PolyCollection

        depth = {i: k for k, row in enumerate(rows) for i in row}
        corners = [
            [(x, y) for x, y in ((low, k), (high, k), (high, k + 1), (low, k + 1))]
            for i, c in enumerate(columns)
            for low, high, k in [(min(c), max(c) + 1, depth[i])]
        ]
        # Mixing is the same for all rows, and often by far the largest share.
        mixing = np.array([kind == "mixing" for kind in self.kinds])
        limit = _limit(self.values_[~mixing])
        style = {"cmap": DIVERGING, "edgecolors": "0.6", "linewidths": 0.6, "clim": (-limit, limit)}
        self.nodes_ = PolyCollection(corners, array=self.values_, **(style | polygon_kw))
        ax.add_collection(self.nodes_)
        ax.set(xlim=(0, len(leaves)), ylim=(len(rows), 0))
        if colorbar:
            beyond = "both" if np.abs(self.values_).max() > self.nodes_.norm.vmax else "neither"
            self.colorbars_ = [colorbar_beside(ax, self.nodes_, "share (nats)", extend=beyond)]
        width, height = extent(ax)
        width, height = width / len(leaves), height / len(rows)
        for corner, value in zip(corners, self.values_, strict=True):
            self._write(corner, value, width, height)
        flat = max(text_width(name, LABEL_SIZE) for name in leaves) + _PADDING <= width
        ax.set_xticks(np.arange(len(leaves)) + 0.5, leaves, rotation=0 if flat else 90)
        totals = [f"{self._label(row)}\n{_nats(self.values_[row].sum())}" for row in rows]
        ax.set_yticks(np.arange(len(rows)) + 0.5, totals)
        ax.tick_params(length=0, labelsize=LABEL_SIZE)
        ax.spines[:].set_visible(False)
        ax.set_title(self._title(), fontsize=TITLE_SIZE, loc="left")

    def _write(self, corner, value, width, height):
        """The number of a node, across or upright, where there is space."""
        (low, top), (high, _), *_ = corner
        text, room = _nats(value), (high - low) * width
        need = text_width(text, LABEL_SIZE) + _PADDING
        if need <= room and height >= _LINE:
            rotation = 0
        elif need <= height and room >= _LINE:
            rotation = 90
        else:
            return
        darkness = abs(2 * self.nodes_.norm(value) - 1)
        colour = "white" if darkness > _DARK else "black"
        self.ax_.text(
            (low + high) / 2,
            top + 0.5,
            text,
            ha="center",
            va="center",
            rotation=rotation,
            color=colour,
            fontsize=LABEL_SIZE,
        )

    def _plot_maps(self, ax, columns, colorbar, image_kw):
        # Mixing belongs to no pixel.
        rows = [row for row in self._rows() if self.kinds[row[0]] != "mixing"]
        self._use_panels(ax, len(rows), size=_MAP_SIZE, gap=_MAP_GAP, max_width=_MAX_WIDTH)
        self.maps_ = []
        for row, panel in zip(rows, self.axes_, strict=True):
            pixels = np.zeros(int(np.prod(self.image_shape)))
            for i in row:
                pixels[columns[i]] += self.values_[i] / len(columns[i])
            # Channels of a pixel add up.
            pixels = pixels.reshape(*self.image_shape[:2], -1).sum(2)
            limit = _limit(pixels)
            style = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit, **image_kw}
            self.maps_.append(panel.imshow(pixels, **style))
            total = f"{self._label(row)}: {_nats(self.values_[row].sum())}"
            panel.set_title(total, fontsize=LABEL_SIZE + 1, loc="left", pad=4)
            panel.set(xticks=[], yticks=[])
            if colorbar:
                bar = colorbar_of_panel(panel, self.maps_[-1], "nats per pixel")
                self.colorbars_.append(bar)
        # Above the title of the first map.
        style = {"xytext": (0, 22), "textcoords": "offset points", "fontsize": TITLE_SIZE}
        mixed = sum(v for v, k in zip(self.values_, self.kinds, strict=True) if k == "mixing")
        title = self._title() + (f", mixing {_nats(mixed)}" if abs(mixed) > _ROUNDING else "")
        self.axes_[0].annotate(title, (0, 1), xycoords="axes fraction", **style)


def _figure(n_rows, leaves):
    """Size and margins of a figure with room for all names."""
    longest = max(text_width(name, LABEL_SIZE) for name in leaves) / POINTS_PER_INCH
    low, high = _COLUMN_WIDTHS
    flat = longest + 0.1 <= high and len(leaves) * (longest + 0.1) <= _TREE_WIDTHS[1] / 1.5
    column = longest + 0.1 if flat else low
    tree = float(np.clip(len(leaves) * column, *_TREE_WIDTHS)) * 1.08
    below = _BOTTOM + (0.1 if flat else longest)
    return figure_with_margins(
        tree, n_rows * _ROW_HEIGHT, left=_LEFT, right=_RIGHT, bottom=below, top=_TOP
    )


def _limit(values):
    largest = float(np.abs(values).max())
    # Equal shares differ by rounding.
    return largest if largest > _ROUNDING else 1.0


def _nats(value):
    return number(value, 2, signed=True)
