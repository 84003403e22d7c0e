"""Coarse latents of some rows with the fine ones of others, as a grid of pictures."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ..exceptions import InvalidParameterError
from ._axes import require_axes
from ._pictures import as_pictures, draw_picture, require_method, rows_for, size_of

_LABEL_SIZE = 9
# Free pixels between pictures, and beside what is not mixed, in their widths.
_SPACE, _WIDE_SPACE = 0.06, 0.25
# Inches: width of an image and of a chain, largest grid, room around it.
_IMAGE_WIDTH, _CHAIN_WIDTH = 0.85, 1.3
_MAX_WIDTH = 9.5
_LEFT, _TOP, _MARGIN = 0.3, 0.35, 0.1


class StyleMixDisplay:
    """Rows that have the coarse latents of one row and the fine ones of another.

    It is recommended to use `StyleMixDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Rows that give the latents of the level and of coarser ones stand on the left, rows that give
    the finer latents along the top, and where they meet is the mix of both. Grey levels, or the
    colours of three channels, run over the range of the rows given; what mixes have beyond it is
    clipped. Other numbers of channels are averaged. Chains are drawn as lines over that range.

    Parameters
    ----------
    content : ndarray of shape (n_content, n_features)
        Rows on the left.
    style : ndarray of shape (n_style, n_features)
        Rows along the top.
    mixes : ndarray of shape (n_content, n_style, n_features)
        Mixed rows, as the method `mix_styles` of an estimator returns them.
    level : int
        Finest level of which mixes have the latents of the content.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, n_channels)``; None for chains.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the grid.
    figure_ : matplotlib Figure
        Figure of these axes.
    pictures_ : ndarray of matplotlib `AxesImage` or `Line2D` of shape (n_content + 1, n_style + 1)
        What is drawn, row by row; the first row holds the styles and the first column the
        contents, with None in the corner.

    See Also
    --------
    StyleMixDisplay.from_estimator : Draw mixes of a fitted estimator.
    LatentPyramidDisplay : Which levels of a row are surprising.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import RGFlowDensity, StyleMixDisplay
    >>> X = load_digits().data[:300]
    >>> density = RGFlowDensity(image_shape=(8, 8), max_epochs=2, random_state=0).fit(X)
    >>> display = StyleMixDisplay.from_estimator(density, X[:3], X[3:5], level=1)
    >>> display.mixes.shape, display.pictures_.shape
    ((3, 2, 64), (4, 3))
    """

    def __init__(self, *, content, style, mixes, level, image_shape=None):
        self.content = content
        self.style = style
        self.mixes = mixes
        self.level = level
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, content, style, level, *, ax=None, **kwargs):
        """Draw mixes of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `mix_styles`; or a `Pipeline` that ends in such an estimator, or a search
            such as `GridSearchCV` whose best estimator is one. In a pipeline, rows are shown and
            mixed as its last step sees them.
        content : array-like of shape (n_content, n_features)
            Rows that give the latents of `level` and of coarser levels.
        style : array-like of shape (n_style, n_features)
            Rows that give the latents of the finer levels.
        level : int
            Where to cut: with 0 all mixes are the content, with the number of levels the style.
        ax : matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : StyleMixDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator cannot mix, or there is no such level.
        InvalidDataError
            If rows have another number of features than the estimator was fitted on.
        """
        steps, fitted = require_method(estimator, "mix_styles")
        if not isinstance(level, Integral) or not 0 <= level <= fitted.n_levels_:
            raise InvalidParameterError(
                f"level must be an int from 0 to {fitted.n_levels_}, got {level!r}."
            )
        content, style = (rows_for(steps, fitted, X) for X in (content, style))
        pairs = np.repeat(content, len(style), axis=0), np.tile(style, (len(content), 1))
        mixes = fitted.mix_styles(*pairs, level).reshape(len(content), *style.shape)
        return cls(
            content=content,
            style=style,
            mixes=mixes,
            level=int(level),
            image_shape=fitted.image_shape,
        ).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Plot the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure, large enough for all rows.
        **kwargs : dict
            Passed to `Axes.imshow`, or to `Axes.plot` for chains.

        Returns
        -------
        display : StyleMixDisplay
            This object, with its attributes set.
        """
        content, style, mixes = (
            as_pictures(np.asarray(rows), self.image_shape)
            for rows in (self.content, self.style, self.mixes)
        )
        given = np.concatenate([content, style])
        limits = given.min(), given.max()
        width, height = size_of(content[0])
        lefts = [0.0, *(width * (1 + _WIDE_SPACE + j * (1 + _SPACE)) for j in range(len(style)))]
        step = height + width * _SPACE
        tops = [0.0, *(height + width * _WIDE_SPACE + i * step for i in range(len(content)))]
        across, down = lefts[-1] + width, tops[-1] + height
        inches = _CHAIN_WIDTH if self.image_shape is None else _IMAGE_WIDTH
        scale = min(inches / width, _MAX_WIDTH / across)
        self.ax_ = ax = require_axes(
            ax,
            f"{type(self).__name__}.plot",
            **(_figure(across * scale, down * scale) if ax is None else {}),
        )
        self.figure_ = ax.figure
        self.pictures_ = np.full((len(tops), len(lefts)), None)
        for (i, j), _ in np.ndenumerate(self.pictures_):
            if i == j == 0:
                continue
            picture = style[j - 1] if i == 0 else content[i - 1] if j == 0 else mixes[i - 1, j - 1]
            corner = lefts[j], tops[i]
            self.pictures_[i, j] = draw_picture(ax, picture, corner, limits, kwargs)
        # Lines are as wide at the border as elsewhere.
        margin = 0.01 * width
        ax.set(xlim=(-margin, across + margin), ylim=(down + margin, -margin))
        ax.set(aspect="equal", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_title(f"finer than level {self.level}", fontsize=_LABEL_SIZE, pad=4)
        ax.set_ylabel(f"level {self.level} and coarser", fontsize=_LABEL_SIZE)
        return self


def _figure(across, down):
    """Size and margins of a figure with a grid of so many inches."""
    width, height = across + _LEFT + _MARGIN, down + _TOP + _MARGIN
    grid = {
        "left": _LEFT / width,
        "right": 1 - _MARGIN / width,
        "bottom": _MARGIN / height,
        "top": 1 - _TOP / height,
    }
    return {"figsize": (width, height), "gridspec_kw": grid}
