"""Which levels and which locations make rows surprising."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError
from ._axes import colorbar_of_panel, extent
from ._checks import check_count
from ._display import Display
from ._pictures import as_pictures, draw_picture, rows_seen, size_of
from ._style import DIVERGING, LABEL_SIZE, TITLE_SIZE, number, text_width

_FRAME_STYLE = {"facecolor": "none", "edgecolor": "0.6", "linewidth": 1, "zorder": 3}
# Inches: height of an image, width and height of a strip, free space beside and above, whole width.
_EDGE, _CHAIN_WIDTH, _STRIP_HEIGHT = 1.3, 5.0, 0.22
_GAP, _MAX_WIDTH = (0.95, 0.7), 8.0
# Free pixels between pictures, in their widths; height of a chain, in strips of its maps.
_SPACE, _STRIPS = 0.12, 4
# Standard deviations at the end of the colours.
_LIMIT = 4.0


class LatentPyramidDisplay(Display):
    """Where, and at which scale, rows are more surprising than others.

    It is recommended to use `LatentPyramidDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Every row has a panel: the image, then a map of each level on the lattice of that level, whose
    cells span what lies between its latents. Red is where the row is less likely than the
    reference rows are on average, blue where it is more likely. The unit of the colours is the
    standard deviation of the log density of a cell over the reference rows, one for each level, so
    that ordinary rows are pale on all levels. Numbers beside the names of the levels are nats; they
    add up to the surprise in the title. Chains are drawn as a line, above a strip of cells for each
    level, the coarsest at the bottom.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows to show.
    maps : ndarray of shape (n_rows, n_levels, height, width) or (n_rows, n_levels, n_features)
        Their log density by level and location, as the method `score_levels` of an estimator
        returns it.
    reference : ndarray of shape (n_levels, height, width) or (n_levels, n_features)
        Mean maps of the rows with which these are compared.
    deviations : ndarray of shape (n_levels,)
        Standard deviation of the cells of each level over these rows, in nats.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, n_channels)``; None for chains.

    Attributes
    ----------
    surprise_ : ndarray of shape (n_rows, n_levels)
        Nats that the reference has more than the row, by level.
    ax_ : None
        There is not one for all.
    axes_ : ndarray of matplotlib Axes
        One for each row.
    figure_ : matplotlib Figure
        Figure of these axes.
    pictures_ : list of matplotlib `AxesImage` or `Line2D`
        The rows.
    maps_ : list of list of matplotlib `AxesImage`
        Per row, one map of each level.
    colorbar_ : matplotlib `Colorbar` or None
        The one of all maps.

    See Also
    --------
    LatentPyramidDisplay.from_estimator : Draw rows as a fitted estimator sees them.
    ReceptiveFieldDisplay : How far the latents of each level reach.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import LatentPyramidDisplay, RGFlowDensity
    >>> X = load_digits().data[:300]
    >>> density = RGFlowDensity(image_shape=(8, 8), max_epochs=2, random_state=0).fit(X)
    >>> display = LatentPyramidDisplay.from_estimator(density, X[:3], reference=X)
    >>> [image.get_array().shape for image in display.maps_[0]]
    [(8, 8), (4, 4)]
    """

    _needs = "score_levels"
    _owners = "RGFlowDensity has it"

    def __init__(self, *, rows, maps, reference, deviations, image_shape=None):
        self.rows = rows
        self.maps = maps
        self.reference = reference
        self.deviations = deviations
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls, estimator, X, *, reference=None, max_rows=4, colorbar=True, ax=None, **kwargs
    ):
        """Draw rows as a fitted estimator sees them.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `score_levels`, or holds an estimator that has: a `Pipeline`, a search such
            as `GridSearchCV`, a `TransformedDensity` or an outlier detector. Rows are shown as
            that estimator sees them.
        X : array-like of shape (n_rows, n_features)
            Rows, of which the first are shown.
        reference : array-like of shape (n_others, n_features), default=None
            Rows to compare them with, at least two; None for all of X.
        max_rows : int, default=4
            Largest number of rows shown.
        colorbar : bool, default=True
            See `plot`.
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : LatentPyramidDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no levels, a parameter is out of its range, or there are fewer
            than two rows to compare with.
        InvalidDataError
            If rows have another number of features than the estimator was fitted on.
        """
        inside = cls._within(estimator)
        fitted = inside.estimator
        check_count("max_rows", max_rows, 1)
        X = rows_seen(inside, X)
        others = X if reference is None else rows_seen(inside, reference)
        if len(others) < 2:
            raise InvalidParameterError(
                "rows are compared with at least two others, got "
                f"{'one row of X' if reference is None else 'one row of reference'}: give training "
                "rows as the reference."
            )
        usual = fitted.score_levels(others).maps
        return cls(
            rows=X[:max_rows],
            maps=fitted.score_levels(X[:max_rows]).maps,
            reference=usual.mean(0),
            deviations=[
                float(np.sqrt(_cells(usual[:, h], h).var(0).mean())) for h in range(usual.shape[1])
            ],
            image_shape=fitted.image_shape,
        ).plot(ax, colorbar=colorbar, **kwargs)

    def plot(self, ax=None, *, colorbar=True, **kwargs):
        """Plot the maps.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            One axes, which gives way to the panels, or one for each row; a new figure by default.
        colorbar : bool, default=True
            Whether the first panel gets a colour bar, which is that of all maps.
        **kwargs : dict
            Passed to `Axes.imshow` for the maps.

        Returns
        -------
        display : LatentPyramidDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If there are fewer axes than rows.
        """
        lack = np.asarray(self.reference) - np.asarray(self.maps)
        self.surprise_ = lack.reshape(*lack.shape[:2], -1).sum(2)
        cells = [
            [
                _cells(row[h][None], h)[0] / (deviation or 1.0)
                for h, deviation in enumerate(self.deviations)
            ]
            for row in lack
        ]
        pictures = as_pictures(np.asarray(self.rows), self.image_shape)
        n_levels = lack.shape[1]
        boxes, (width, height) = self._boxes(*size_of(pictures[0]), n_levels)
        if self.image_shape is None:
            size = _CHAIN_WIDTH, _STRIP_HEIGHT * height / boxes[1][3]
        else:
            size = _EDGE * width / height, _EDGE
        self._use_panels(
            ax,
            len(pictures),
            size=size,
            gap=_GAP,
            max_width=max(_MAX_WIDTH, size[0] + 2 * _GAP[0]),
        )
        self.pictures_, self.maps_ = [], []
        limits = pictures.min(), pictures.max()
        style = {"cmap": DIVERGING, "vmin": -_LIMIT, "vmax": _LIMIT, "aspect": "auto", **kwargs}
        for i, panel in enumerate(self.axes_):
            self.pictures_.append(draw_picture(panel, pictures[i], boxes[0][:2], limits, {}))
            self.maps_.append(
                [
                    _draw_cells(panel, level, 2**h, box, style)
                    for h, (level, box) in enumerate(zip(cells[i], boxes[1:], strict=True))
                ]
            )
            panel.set(xlim=(-0.5, width + 0.5), ylim=(height + 0.5, -0.5))
            self._label(panel, boxes, self.surprise_[i])
            total = number(np.sum(self.maps[i]), 1)
            surprise = number(self.surprise_[i].sum(), 1, signed=True)
            title = f"log density {total}, surprise {surprise} nats"
            if text_width(title, TITLE_SIZE) > extent(panel)[0]:
                title = title.replace(", ", ",\n")
            panel.set_title(title, fontsize=TITLE_SIZE, loc="left", pad=4)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = colorbar_of_panel(
                self.axes_[0],
                self.maps_[0][0],
                "surprise\n(standard deviations)",
                box=(1.02, 0, 0.02, 1),
                extend="both",
            )
        return self

    def _boxes(self, width, height, n_levels):
        """Left, top, width and height of the picture and of each map, and the size of all."""
        if self.image_shape is None:
            strip = height / _STRIPS
            boxes = [(0, height + (0.3 + h) * strip, width, strip) for h in range(n_levels)]
            return [(0, 0, width, height), *boxes], (width, boxes[-1][1] + strip)
        boxes = [(i * (1 + _SPACE) * width, 0, width, height) for i in range(n_levels + 1)]
        return boxes, (boxes[-1][0] + width, height)

    def _label(self, panel, boxes, surprise):
        """Names of the maps, and their sums."""
        numbers = [number(value, 1, signed=True) for value in surprise]
        if self.image_shape is None:
            names = ["row", *(f"level {h}: {nats}" for h, nats in enumerate(numbers))]
            panel.set_yticks([top + height / 2 for _, top, _, height in boxes], names)
            panel.set(xticks=[], aspect="auto")
        else:
            names = ["image", *(f"level {h}\n{nats}" for h, nats in enumerate(numbers))]
            panel.set_xticks([left + width / 2 for left, _, width, _ in boxes], names)
            panel.set(yticks=[], aspect="equal", anchor="W")
        panel.tick_params(length=0, pad=3, labelsize=LABEL_SIZE)
        panel.spines[:].set_visible(False)


def _cells(maps, level):
    """What maps of shape (n_rows, height, width) or (n_rows, n_features) hold at the own sites."""
    # All other sites hold zeros.
    return maps[(slice(None), *[slice(None, None, 2**level)] * (maps.ndim - 1))]


def _draw_cells(panel, cells, step, box, style):
    """A map in its box; cells that reach beyond the image are cut there."""
    from matplotlib.patches import Rectangle

    left, top, width, height = box
    frame = panel.add_patch(Rectangle((left, top), width, height, **_FRAME_STYLE))
    across = step * cells.shape[-1]
    down = height if cells.ndim == 1 else step * cells.shape[0]
    image = panel.imshow(
        np.atleast_2d(cells), extent=(left, left + across, top + down, top), **style
    )
    image.set_clip_path(frame)
    return image
