"""Images that are led to each topic."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError
from ..nested import find
from ._checks import check_count
from ._pictures import PictureGridDisplay, as_pictures, require_pixels, rows_seen
from ._style import LABEL_SIZE, TITLE_SIZE, number

_N_SAMPLES = 64
# Inches around a new figure.
_MARGINS = {"left": 0.3, "right": 0.1, "bottom": 0.1, "top": 0.5}


class SteeringDisplay(PictureGridDisplay):
    """Images, and what they become when they are led to each topic.

    It is recommended to use `SteeringDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Each row of the grid begins with an image; the others are that image, led to one topic each. On
    top are means of samples of these topics.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Images, flattened.
    steered : ndarray of shape (n_rows, n_shown, n_features)
        The same, led to each of the topics shown.
    means : ndarray of shape (n_shown, n_features)
        Mean of samples of each topic.
    topics : list of int
        Numbers of the topics shown.
    amount : float
        How far images were led.
    image_shape : tuple of int
        ``(height, width)`` or ``(height, width, channels)``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the grid.
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
    figure_ : matplotlib Figure
        Figure of these axes.
    pictures_ : ndarray of matplotlib `AxesImage`
        The grid; None in the corner.

    See Also
    --------
    SteeringDisplay.from_estimator : Draw images led to the topics of a fitted estimator.
    TopicDisplay : Samples of each topic.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import FractalFlowDensity
    >>> from flowkit.inspection import SteeringDisplay
    >>> X = load_digits().data[:200]
    >>> density = FractalFlowDensity(
    ...     3, image_shape=(8, 8), n_word_groups=4, hidden_units=8, max_epochs=1, random_state=0
    ... ).fit(X)
    >>> SteeringDisplay.from_estimator(density, X[:2]).pictures_.shape
    (3, 4)
    """

    _needs = "steer"
    _owners = "FractalFlowDensity has it, unless prior='normal'"

    def __init__(self, *, rows, steered, means, topics, amount, image_shape):
        self.rows = rows
        self.steered = steered
        self.means = means
        self.topics = topics
        self.amount = amount
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls, estimator, X, *, amount=1.0, max_topics=10, random_state=None, ax=None, **kwargs
    ):
        """Draw images led to the topics of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted to images, has `steer`, or holds such an estimator: a `Pipeline`, a search such
            as `GridSearchCV`, a `TransformedDensity` or an outlier detector. Images are shown as
            that estimator sees them.
        X : array-like of shape (n_rows, n_features)
            Images.
        amount : float, default=1.0
            How far to lead them, from 0 to 1; see `FractalFlowDensity.steer`.
        max_topics : int, default=10
            Largest number of topics shown: those of largest weight, in the order of their numbers.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness of the samples on top.
        ax : matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : SteeringDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no topics or was fitted to rows that are no images, or there is no
            such number.
        InvalidDataError
            If rows are not those of the estimator, or there is no such amount.
        """
        cls._within(estimator)
        # Wrappers that steer rows as well know of no images.
        inside = find(estimator, "image_shape")
        fitted = inside.estimator
        check_count("max_topics", max_topics, 1)
        image_shape = getattr(fitted, "image_shape", None)
        if image_shape is None:
            raise InvalidParameterError(
                "SteeringDisplay shows images, and the estimator has image_shape=None: for tables "
                "look at the rows that its method 'steer' gives."
            )
        rows = rows_seen(inside, X)
        weights = [topic["weight"] for topic in fitted.topics_]
        topics = sorted(np.argsort(weights, kind="stable")[::-1][:max_topics].tolist())
        steered = np.stack([fitted.steer(rows, k, amount) for k in topics], 1)
        means = [fitted.sample(_N_SAMPLES, random_state, topics=k).mean(0) for k in topics]
        return cls(
            rows=rows,
            steered=steered,
            means=np.stack(means),
            topics=topics,
            amount=float(amount),
            image_shape=tuple(image_shape),
        ).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Plot the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure, large enough for all images.
        **kwargs : dict
            Passed to `Axes.imshow`.

        Returns
        -------
        display : SteeringDisplay
            This object, with its attributes set.
        """
        require_pixels(self.image_shape, np.shape(self.rows)[-1])
        rows, steered, means = (
            as_pictures(np.asarray(values, dtype=np.float64), self.image_shape)
            for values in (self.rows, self.steered, self.means)
        )
        grid = [[None, *means], *([row, *led] for row, led in zip(rows, steered, strict=True))]
        limits = (rows.min(), rows.max())
        self._draw_grid(ax, grid, limits, kwargs, margins=lambda: _MARGINS, first_column_apart=True)
        lefts = [picture.get_extent()[0] for picture in self.pictures_[0, 1:]]
        width = rows.shape[2]
        self.ax_.set_xticks([left + width / 2 for left in lefts], map(str, self.topics))
        self.ax_.xaxis.tick_top()
        self.ax_.tick_params(length=0, pad=1, labelsize=LABEL_SIZE)
        title = f"images led to topics, amount {number(self.amount, 2)}; on top, means of topics"
        self.ax_.set_title(title, fontsize=TITLE_SIZE, pad=4)
        return self
