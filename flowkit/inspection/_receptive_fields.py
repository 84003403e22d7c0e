"""How far latents of each level reach."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ..exceptions import InvalidParameterError
from ._axes import colorbar_of_panel
from ._display import Display
from ._style import LABEL_SIZE, TITLE_SIZE, counted

_COLOURS = "magma"
_BAR_STYLE = {"color": "#7b3f8c", "width": 1.0}
_RING_STYLE = {"color": "none", "marker": "o", "markersize": 7, "markeredgecolor": "0.75"}
# Inches: panels of images and of chains, and free space beside and above each.
_MEASURE = "mean |derivative|"
_IMAGE_SIZE, _CHAIN_SIZE = (1.65, 1.65), (3.6, 1.5)
_IMAGE_GAP, _CHAIN_GAP = (0.7, 0.55), (0.6, 0.7)
_MAX_WIDTH = 10.2
# Share of a field by which its width is measured.
_MOST = 0.5


class ReceptiveFieldDisplay(Display):
    """What a latent of each level moves: its receptive field.

    It is recommended to use `ReceptiveFieldDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Each level has a panel, with the mean absolute derivative of each pixel by one latent and a
    ring at the location of this latent. Colours run from zero to the largest derivative of the
    panel, so compare fields by shape across panels and by the numbers at the colour bars. Titles
    tell how many rows and columns of the image the latent reaches at all, which the lattice
    limits, and how few pixels hold half of the sum: many of the first and few of the second are a
    sharp field with faint tails.

    Parameters
    ----------
    fields : ndarray of shape (n_shown, height, width) or (n_shown, n_features)
        A field of each level shown, as the method `receptive_fields` of an estimator returns them.
    levels : sequence of int
        Level of each field.
    places : ndarray of shape (n_shown, 2) or (n_shown, 1), default=None
        Row and column of each latent, or its column alone; None leaves the rings out.

    Attributes
    ----------
    extents_ : ndarray of int of shape (n_shown, 2) or (n_shown, 1)
        Number of rows and columns in which each field is not zero.
    half_ : ndarray of int of shape (n_shown,)
        Smallest number of pixels that hold half of the sum of each field.
    ax_ : None
        There is not one for all.
    axes_ : ndarray of matplotlib Axes
        One for each field.
    figure_ : matplotlib Figure
        Figure of these axes.
    images_ : list of matplotlib `AxesImage`, or None
        Fields of images.
    bars_ : list of matplotlib `BarContainer`, or None
        Fields of chains.
    colorbars_ : list of matplotlib `Colorbar`
        One for each field of images.

    See Also
    --------
    ReceptiveFieldDisplay.from_estimator : Draw fields of a fitted estimator.
    LatentPyramidDisplay : Which of the latents are surprising in a row.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import ReceptiveFieldDisplay, RGFlowDensity
    >>> X = load_digits().data[:300]
    >>> density = RGFlowDensity(image_shape=(8, 8), max_epochs=2, random_state=0).fit(X)
    >>> display = ReceptiveFieldDisplay.from_estimator(density, n_samples=4)
    >>> display.fields.shape, display.levels, display.places.tolist()
    ((2, 8, 8), [0, 1], [[3, 3], [4, 4]])
    """

    _needs = "receptive_fields"
    _owners = "RGFlowDensity has it"

    def __init__(self, *, fields, levels, places=None):
        self.fields = fields
        self.levels = levels
        self.places = places

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        levels=None,
        latents=None,
        n_samples=32,
        random_state=0,
        colorbar=True,
        ax=None,
        **kwargs,
    ):
        """Draw fields of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `receptive_fields`, or holds an estimator that has: a `Pipeline`, a search
            such as `GridSearchCV`, a `TransformedDensity` or an outlier detector. The fields are
            in units of the rows that this estimator sees.
        levels : int or sequence of int, default=None
            Levels to show; None for all.
        latents : sequence of int, default=None
            Which latent of each of these levels, numbered as in the method `latent_pyramid`; None
            takes the one nearest the middle, of the first channel.
        n_samples : int, default=32
            Number of draws over which derivatives are averaged.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of the draws.
        colorbar : bool, default=True
            See `plot`.
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : ReceptiveFieldDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no receptive fields, or there is no such level or latent.
        """
        fitted = cls._within(estimator).estimator
        n_levels = fitted.n_levels_
        levels = list(range(n_levels)) if levels is None else np.atleast_1d(levels).tolist()
        if not levels or any(not isinstance(h, Integral) or not 0 <= h < n_levels for h in levels):
            raise InvalidParameterError(
                f"levels must be ints from 0 to {n_levels - 1}, got {levels}."
            )
        grids = [_places(fitted, level) for level in levels]
        if latents is None:
            latents = [_central(fitted, grid) for grid in grids]
        latents = list(latents)
        sizes = [len(grid) for grid in grids]
        if len(latents) != len(levels) or any(
            not isinstance(i, Integral) or not 0 <= i < size
            for i, size in zip(latents, sizes, strict=False)
        ):
            raise InvalidParameterError(
                f"latents must be one int for each of the levels {levels}, which have {sizes} of "
                f"them, got {latents}."
            )
        chosen = list(zip(levels, latents, strict=True))
        fields = [
            fitted.receptive_fields(h, [i], n_samples=n_samples, random_state=random_state)[0]
            for h, i in chosen
        ]
        places = [grid[i] for grid, i in zip(grids, latents, strict=True)]
        return cls(fields=np.array(fields), levels=levels, places=np.array(places)).plot(
            ax, colorbar=colorbar, **kwargs
        )

    def plot(self, ax=None, *, colorbar=True, **kwargs):
        """Plot the fields.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            One axes, which gives way to the panels, or one for each field; a new figure by default.
        colorbar : bool, default=True
            Whether each image gets a colour bar.
        **kwargs : dict
            Passed to `Axes.imshow` for images, to `Axes.bar` for chains.

        Returns
        -------
        display : ReceptiveFieldDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If there are fewer axes than fields.
        """
        fields = np.asarray(self.fields)
        of_images = fields.ndim == 3
        reached = fields > 0
        rows_and_columns = [reached.any(2), reached.any(1)] if of_images else [reached]
        self.extents_ = np.stack([each.sum(1) for each in rows_and_columns], axis=1)
        self.half_ = np.array([_fewest(field) for field in fields])
        self._use_panels(
            ax,
            len(fields),
            size=_IMAGE_SIZE if of_images else _CHAIN_SIZE,
            gap=_IMAGE_GAP if of_images else _CHAIN_GAP,
            max_width=_MAX_WIDTH,
        )
        self.images_, self.bars_ = ([], None) if of_images else (None, [])
        self.colorbars_ = []
        for i, panel in enumerate(self.axes_):
            if of_images:
                self._plot_image(panel, i, colorbar, kwargs)
            else:
                self._plot_bars(panel, i, kwargs)
            reach = " by ".join(map(str, self.extents_[i]))
            unit = "pixel" if of_images else "column"
            title = f"level {self.levels[i]}: {reach} {unit}s"
            half = f"half of it in {counted(self.half_[i], unit)}"
            panel.set_title(f"{title},\n{half}", fontsize=TITLE_SIZE, loc="left", pad=4)
        return self

    def _plot_image(self, panel, i, colorbar, image_kw):
        style = {"cmap": _COLOURS, "vmin": 0, **image_kw}
        self.images_.append(panel.imshow(self.fields[i], **style))
        panel.set(xticks=[], yticks=[])
        if self.places is not None:
            row, column = self.places[i]
            panel.plot(column, row, **_RING_STYLE)
        if colorbar:
            self.colorbars_.append(colorbar_of_panel(panel, self.images_[-1], _MEASURE))

    def _plot_bars(self, panel, i, bar_kw):
        field = self.fields[i]
        self.bars_.append(panel.bar(np.arange(len(field)), field, **(_BAR_STYLE | bar_kw)))
        if self.places is not None:
            panel.plot(*self.places[i], 0, **(_RING_STYLE | {"clip_on": False}))
        panel.set(xlim=(-0.5, len(field) - 0.5))
        panel.set_ylim(bottom=0)
        panel.set_xlabel("column", fontsize=LABEL_SIZE)
        panel.set_ylabel(_MEASURE, fontsize=LABEL_SIZE - 1)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.tick_params(labelsize=LABEL_SIZE)
        panel.spines[["top", "right"]].set_visible(False)


def _places(fitted, level):
    """Row and column of each latent of a level; in chains its column."""
    columns = np.flatnonzero(fitted.latent_levels_ == level)
    if fitted.image_shape is None:
        return columns[:, None]
    height, width, *channels = fitted.image_shape
    return np.stack(np.unravel_index(columns // np.prod(channels, dtype=int), (height, width)), 1)


def _central(fitted, places):
    """Number of the location nearest the middle; the first of those equally near."""
    shape = (fitted.n_features_in_,) if fitted.image_shape is None else fitted.image_shape[:2]
    return int(np.square(places - (np.array(shape) - 1) / 2).sum(1).argmin())


def _fewest(field):
    """Smallest number of pixels that hold half of a field."""
    sums = np.sort(field, axis=None)[::-1].cumsum()
    return int(np.searchsorted(sums, _MOST * sums[-1]) + 1)
