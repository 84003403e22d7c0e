"""What makes rows surprising, as bars, as a heat map or as images."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from ..exceptions import InvalidDataError, InvalidParameterError
from ..validation import container_of
from ._axes import colorbar_beside, extent, given_panels
from ._checks import check_choice
from ._display import Display, names_within
from ._pictures import as_pictures, draw_picture, require_pixels, size_of
from ._style import (
    DIVERGING,
    LABEL_SIZE,
    LIKELY,
    POINTS_PER_INCH,
    TITLE_SIZE,
    UNLIKELY,
    number,
    shortened,
    text_width,
)

_METHODS = ("auto", "bars", "heatmap")
# Most rows that have bars of their own unless these are asked for.
_MAX_BAR_ROWS = 4
# Inches: width of bars in a new figure and least one elsewhere, height of a bar, room around bars.
_BAR_WIDTH, _LEAST_BAR_WIDTH, _BAR_HEIGHT = 2.6, 1.2, 0.23
_ABOVE, _BELOW = 0.3, 0.45
_CELL_WIDTHS, _CELL_HEIGHT = (0.14, 0.45), 0.25
_IMAGE_WIDTH = 0.95
_MAX_NAME, _MAX_WIDTH = 2.8, 9.5
# Free pixels between pictures, in their widths.
_SPACE = 0.06
# Nats up to which colours are linear.
_LINEAR = 1.0


class ExplanationDisplay(Display):
    """What makes rows surprising: the effects of their columns, scales, nodes or topics, in nats.

    It is recommended to use `ExplanationDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    A few rows are drawn as bars, the most surprising part on top, with the value of the row beside
    the name of the column. More rows are drawn as a heat map with one column for each row and the
    parts in the order of their mean effect; its colours are linear up to one nat and logarithmic
    beyond. Rows that are images are drawn above maps of their pixels in these colours. Red is
    surprising, blue more likely than usual. Effects of infinity are drawn like the largest finite
    one.

    Parameters
    ----------
    effects : ndarray of shape (n_rows, n_parts)
        Effects in nats, as the method `explain` of a detector returns them.
    names : list of str
        Names of the parts.
    values : ndarray of shape (n_rows, n_parts), default=None
        Values of the rows, where parts are columns.
    row_names : list of str, default=None
        Names of the rows; their positions by default.
    scores : ndarray of shape (n_rows,), default=None
        Scores of the rows for the titles of bars; None for none.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, n_channels)`` if columns are pixels. Effects of
        channels are added.

    Attributes
    ----------
    ax_ : matplotlib Axes or None
        Axes with the heat map or the images; None for bars.
    axes_ : ndarray of matplotlib Axes
        One for each row with bars, otherwise one for all.
    figure_ : matplotlib Figure
        Figure of these axes.
    shown_ : list of list of int
        Positions of the parts that are drawn, from top to bottom: one list for each row with bars,
        a single one for a heat map, none for images.
    bars_ : list of matplotlib `BarContainer`, or None
        Bars of each row.
    heatmap_ : matplotlib `AxesImage` or None
        The heat map, of shape (n_shown, n_rows).
    maps_ : list of matplotlib `AxesImage`, or None
        Map of each image.
    colorbar_ : matplotlib `Colorbar` or None
        Colour bar of the heat map or of all maps.

    See Also
    --------
    ExplanationDisplay.from_estimator : Draw the explanations of a fitted detector.
    ScoreHistogramDisplay : Which rows need one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.mixture import GaussianMixture
    >>> from flowkit import DensityOutlierDetector, ExplanationDisplay
    >>> X = load_wine(as_frame=True).data
    >>> detector = DensityOutlierDetector(GaussianMixture(random_state=0)).fit(X)
    >>> odd = X.iloc[:1].assign(hue=3.0)
    >>> display = ExplanationDisplay.from_estimator(detector, odd, max_features=3)
    >>> display.axes_[0].get_yticklabels()[0].get_text()
    'hue = 3'
    >>> len(display.bars_[0])
    3
    """

    _needs = "explain"
    _owners = "DensityOutlierDetector has it"

    def __init__(
        self, *, effects, names, values=None, row_names=None, scores=None, image_shape=None
    ):
        self.effects = effects
        self.names = names
        self.values = values
        self.row_names = row_names
        self.scores = scores
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        by="features",
        image_shape=None,
        max_features=10,
        plot_method="auto",
        ax=None,
        **kwargs,
    ):
        """Draw the explanations of a fitted detector.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `explain` as DensityOutlierDetector does, or holds an estimator that has,
            such as a `Pipeline` or `GridSearchCV`. Rows are explained as that estimator sees them.
        X : {array-like, dataframe} of shape (n_rows, n_features)
            Rows, at least one.
        by : {'features', 'levels', 'tree', 'topics'}, default='features'
            What the surprise is split by; see `DensityOutlierDetector.explain`.
        image_shape : tuple of int, default=None
            Height, width and, if any, number of channels of rows that are images; with
            ``by='features'`` only. None for bars or a heat map.
        max_features : int or None, default=10
            See `plot`.
        plot_method : {'auto', 'bars', 'heatmap'}, default='auto'
            See `plot`.
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : ExplanationDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator explains nothing, or not in these parts, or a parameter is out of its
            range.
        """
        inside = cls._within(estimator)
        detector = inside.estimator
        if image_shape is not None and by != "features":
            raise InvalidParameterError(
                f"image_shape draws effects of pixels: it needs by='features', got {by!r}."
            )
        seen = inside.transform(X)
        effects = detector.explain(seen, by=by)
        scores = detector.score_samples(seen)
        index = container_of(X).row_labels
        return cls(
            effects=np.asarray(effects, dtype=np.float64),
            names=_names(inside, X, effects, by),
            values=np.asarray(seen, dtype=object) if by == "features" else None,
            row_names=[str(name) for name in index],
            scores=np.asarray(scores),
            image_shape=image_shape,
        ).plot(ax, max_features=max_features, plot_method=plot_method, **kwargs)

    def plot(self, ax=None, *, max_features=10, plot_method="auto", **kwargs):
        """Plot the explanations.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            One axes, which gives way to as many as there are rows with bars, or one for each of
            these. By default those of a new figure, large enough for all names.
        max_features : int or None, default=10
            Largest number of parts that are drawn, the most surprising ones of a row with bars and
            those of the largest mean effect in a heat map; None for all. Ignored for images.
        plot_method : {'auto', 'bars', 'heatmap'}, default='auto'
            'auto' draws bars for up to four rows and a heat map for more. Ignored for images.
        **kwargs : dict
            Passed to `Axes.barh` for bars, to `Axes.imshow` for a heat map or maps.

        Returns
        -------
        display : ExplanationDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range, there are fewer axes than rows with bars, or images
            of that shape are no rows.
        InvalidDataError
            If there are no rows.
        """
        _check_options(max_features, plot_method)
        self._require_matplotlib()
        effects = np.asarray(self.effects, dtype=np.float64)
        if not len(effects):
            raise InvalidDataError("there are no rows to explain.")
        self.bars_ = self.heatmap_ = self.maps_ = self.colorbar_ = None
        self.shown_ = []
        few = len(effects) <= _MAX_BAR_ROWS
        if self.image_shape is not None:
            self._plot_images(ax, effects, kwargs)
        elif plot_method == "bars" or (plot_method == "auto" and few):
            self._plot_bars(ax, effects, max_features, kwargs)
        else:
            self._plot_heatmap(ax, effects, max_features, kwargs)
        return self

    def _row_names(self):
        if self.row_names is None:
            return [str(i) for i in range(len(self.effects))]
        return list(self.row_names)

    def _plot_bars(self, ax, effects, max_features, bar_kw):
        lengths = _finite(effects)
        self.shown_ = [_most_surprising(row, max_features) for row in effects]
        labels = [[self._label(i, j) for j in shown] for i, shown in enumerate(self.shown_)]
        self._set_panels(_bar_panels(ax, labels))
        self.bars_ = []
        room = _room_for_names(ax, self.axes_[0])
        for i, panel in enumerate(self.axes_):
            shown = self.shown_[i]
            colours = [UNLIKELY if length > 0 else LIKELY for length in lengths[i, shown]]
            style = {"color": colours, "height": 0.75, **bar_kw}
            bars = panel.barh(range(len(shown)), lengths[i, shown], **style)
            self.bars_.append(bars)
            panel.set_yticks(range(len(shown)), [shortened(name, room) for name in labels[i]])
            panel.set_ylim(len(shown) - 0.4, -0.6)
            panel.axvline(0, color="0.3", linewidth=0.8)
            panel.tick_params(labelsize=LABEL_SIZE)
            panel.tick_params("y", length=0)
            panel.locator_params(axis="x", nbins=4)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.set_xlabel("effect (nats)", fontsize=LABEL_SIZE)
            panel.set_title(self._title(i), fontsize=TITLE_SIZE)
        if ax is None:
            # Panels have their size, by which room for numbers is measured, once all names have.
            self.axes_[0].figure.draw_without_rendering()
        for i, panel in enumerate(self.axes_):
            _write_numbers(panel, lengths[i, self.shown_[i]], effects[i, self.shown_[i]])

    def _label(self, i, j):
        name = str(self.names[j])
        return name if self.values is None else f"{name} = {_value(self.values[i][j])}"

    def _title(self, i):
        title = f"row {self._row_names()[i]}"
        return (
            title
            if self.scores is None
            else f"{title}: score {number(self.scores[i], 1, signed=True)}"
        )

    def _plot_heatmap(self, ax, effects, max_features, image_kw):
        finite = _finite(effects)
        shown = _most_surprising(finite.mean(0), max_features)
        self.shown_ = [shown]
        names = [shortened(str(self.names[j]), _MAX_NAME * POINTS_PER_INCH) for j in shown]
        ax = self._use_axes(ax, lambda: _heatmap_figure(len(finite), names))
        style = {"cmap": DIVERGING, "norm": _norm(finite[:, shown]), "aspect": "auto"}
        self.heatmap_ = ax.imshow(finite[:, shown].T, **(style | image_kw))
        ax.set_yticks(range(len(shown)), names)
        self._name_rows(ax, len(finite))
        ax.tick_params(length=0, labelsize=LABEL_SIZE)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("row", fontsize=LABEL_SIZE + 1)
        self._add_colorbar(self.heatmap_)

    def _name_rows(self, ax, n):
        names = self._row_names()
        width = extent(ax)[0] / n
        if n * LABEL_SIZE * 1.2 <= extent(ax)[0]:
            flat = max(text_width(name, LABEL_SIZE) for name in names) < 0.9 * width
            ax.set_xticks(range(n), names, rotation=0 if flat else 90)
        else:
            ax.set_xticks([])

    def _add_colorbar(self, image):
        self.colorbar_ = colorbar_beside(
            self.ax_, image, "effect (nats)", format=lambda value, _: number(value, 0, signed=True)
        )

    def _plot_images(self, ax, effects, image_kw):
        if self.values is None:
            raise InvalidParameterError("image_shape needs values: the pixels of the rows.")
        shape = require_pixels(self.image_shape, effects.shape[1])
        pictures = as_pictures(np.asarray(self.values, dtype=np.float64), shape)
        maps = _finite(effects).reshape(len(effects), *shape[:2], -1).sum(-1)
        width, height = size_of(pictures[0])
        lefts = width * (1 + _SPACE) * np.arange(len(maps))
        tops = height + width * _SPACE
        across, down = lefts[-1] + width, tops + height
        scale = min(_IMAGE_WIDTH / width, _MAX_WIDTH / across)
        size = across * scale + 1.6, down * scale + 0.4
        ax = self._use_axes(ax, lambda: {"figsize": size, "layout": "constrained"})
        style = {"cmap": DIVERGING, "norm": _norm(maps), **image_kw}
        limits = pictures.min(), pictures.max()
        self.maps_ = []
        for left, picture, values in zip(lefts, pictures, maps, strict=True):
            draw_picture(ax, picture, (left, 0.0), limits, {})
            box = (left, left + width, tops + height, tops)
            self.maps_.append(ax.imshow(values, extent=box, **style))
        ax.set(xlim=(0, across), ylim=(down, 0), aspect="equal")
        ax.set_xticks(lefts + width / 2, self._row_names())
        ax.set_yticks([height / 2, tops + height / 2], ["rows", "effects"])
        ax.tick_params(length=0, labelsize=LABEL_SIZE)
        ax.spines[:].set_visible(False)
        self._add_colorbar(self.maps_[0])


def _names(inside, X, effects, by):
    """Names of the parts; of columns those that they have in X, where these are known."""
    detector = inside.estimator
    names = names_within(inside, X) if by == "features" else None
    if names is None and hasattr(detector, "get_part_names"):
        names = detector.get_part_names(by)
    if names is None:
        names = getattr(effects, "columns", [f"part {j}" for j in range(effects.shape[1])])
    return [str(name) for name in names]


def _check_options(max_features, plot_method):
    wrong = not isinstance(max_features, Integral) or max_features < 1
    if max_features is not None and wrong:
        raise InvalidParameterError(
            f"max_features must be an int of at least 1 or None, got {max_features!r}."
        )
    check_choice("plot_method", plot_method, _METHODS)


def _finite(effects):
    """Effects that can be drawn: infinite ones are as long as the largest finite one."""
    finite = np.abs(effects[np.isfinite(effects)])
    limit = finite.max() if finite.size and finite.max() > 0 else 1.0
    return np.nan_to_num(effects, nan=0.0, posinf=limit, neginf=-limit)


def _most_surprising(effects, max_features):
    return np.argsort(-effects, kind="stable")[:max_features].tolist()


def _bar_panels(ax, labels):
    """Axes for the bars of each row: those given, others in the area of one, or new ones."""
    n, n_bars = len(labels), max(map(len, labels))
    if np.iterable(ax):
        return given_panels(ax, n)
    longest = (
        max(text_width(label, LABEL_SIZE) for row in labels for label in row) / POINTS_PER_INCH
    )
    name = min(longest, _MAX_NAME) + 0.1
    if ax is not None:
        return _inset_panels(ax, n, name)
    import matplotlib.pyplot as plt

    width = name + _BAR_WIDTH
    n_columns = max(1, min(n, int(_MAX_WIDTH / width)))
    n_rows = math.ceil(n / n_columns)
    size = n_columns * width, n_rows * (n_bars * _BAR_HEIGHT + _ABOVE + _BELOW)
    panels = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")[1]
    for free in panels.flat[n:]:
        free.remove()
    return panels.ravel()[:n]


def _inset_panels(ax, n, name):
    """Axes in the area of one, with so many inches for names beside each."""
    width, height = (length / POINTS_PER_INCH for length in extent(ax))
    n_columns = int(np.clip(width / (name + _LEAST_BAR_WIDTH), 1, n))
    step_x, step_y = 1 / n_columns, 1 / math.ceil(n / n_columns)
    left = min(name / width, step_x / 2)
    above, below = (min(inches / height, step_y / 4) for inches in (_ABOVE, _BELOW))
    ax.set_axis_off()
    size = step_x - left, step_y - above - below
    cells = [divmod(i, n_columns) for i in range(n)]
    return np.array(
        [ax.inset_axes((j * step_x + left, 1 - (i + 1) * step_y + below, *size)) for i, j in cells]
    )


def _room_for_names(ax, panel):
    """Points beside a panel that its names may take."""
    if ax is None or np.iterable(ax):
        return _MAX_NAME * POINTS_PER_INCH
    scale = POINTS_PER_INCH / panel.figure.dpi
    return (panel.get_window_extent().x0 - ax.get_window_extent().x0) * scale


def _write_numbers(panel, lengths, effects):
    """Effects to the right of their bars, and an axis long enough for them."""
    texts = [number(effect, 1, signed=True) for effect in effects]
    for i, (length, text) in enumerate(zip(lengths, texts, strict=True)):
        style = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
        # On the free side of negative bars, as names are on the other.
        panel.annotate(text, (max(length, 0.0), i), fontsize=LABEL_SIZE, **style)
    low, high = min(0.0, lengths.min()), max(0.0, lengths.max())
    longest = max(text_width(text, LABEL_SIZE) for text in texts) + 6
    room = min(0.4, longest / extent(panel)[0])
    panel.set_xlim(1.03 * low, low + ((high - low) or 1.0) / (1 - room))


def _heatmap_figure(n_rows, names):
    name = max(text_width(name, LABEL_SIZE) for name in names) / POINTS_PER_INCH
    least, most = _CELL_WIDTHS
    cell = np.clip((_MAX_WIDTH - name) / n_rows, least, most)
    width = min(_MAX_WIDTH, name + max(n_rows * cell, 2.0) + 1.2)
    return {
        "figsize": (width, max(len(names) * _CELL_HEIGHT, 1.2) + 0.9),
        "layout": "constrained",
    }


def _norm(effects):
    from matplotlib.colors import SymLogNorm

    limit = max(np.abs(effects).max(), _LINEAR)
    return SymLogNorm(_LINEAR, vmin=-limit, vmax=limit)


def _value(value):
    return number(value) if isinstance(value, float | np.floating) else str(value)
