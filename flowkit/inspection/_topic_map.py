"""A map of topics: those that are alike are near each other."""

from __future__ import annotations

import numpy as np

from ..topics import classical_scaling
from ._axes import extent
from ._checks import check_count
from ._display import Display
from ._style import LABEL_SIZE, TITLE_SIZE, shortened
from ._topic_words import describe_topics

# Share of the area of the axes that the circles of all topics would fill.
_FILLED = 0.12
_STYLE = {"color": "#aecbe8a8", "edgecolor": "#2166ac", "linewidth": 1, "zorder": 2}
# Free space around the map, in its widths.
_MARGIN = 0.15
# Points: width of the words of a topic, and from a number to the next one. Share of the height of
# the map that a line of words takes.
_WIDEST, _APART, _LINE_HEIGHT = 220, 11, 0.08


class TopicMapDisplay(Display):
    """Topics as circles in a plane: the nearer, the more alike; the larger, the more rows.

    It is recommended to use `TopicMapDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Positions are classical multidimensional scaling of the distances between topics. Two dimensions
    seldom hold all of these: how much is lost stands below the map.

    Parameters
    ----------
    distances : ndarray of shape (n_topics, n_topics)
        Distances between topics, as of the method `topic_distances` of an estimator.
    topics : list of dict
        As the attribute `topics_` of an estimator, of which ``weight`` and ``words`` are drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the map.
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
    figure_ : matplotlib Figure
        Figure of these axes.
    positions_ : ndarray of shape (n_topics, 2)
        Centres of the circles.
    circles_ : matplotlib `PathCollection`
        The circles, as large as the weights of the topics.
    texts_ : list of matplotlib `Text`
        Their numbers.

    See Also
    --------
    TopicMapDisplay.from_estimator : Draw the map of a fitted estimator.
    TopicDisplay : The words of the same topics.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FractalFlowDensity
    >>> from flowkit.inspection import TopicMapDisplay
    >>> X = load_iris(as_frame=True).data
    >>> density = FractalFlowDensity(n_topics=3, max_epochs=3, random_state=0).fit(X)
    >>> TopicMapDisplay.from_estimator(density).positions_.shape
    (3, 2)
    """

    _needs = "topic_distances"
    _owners = "FractalFlowDensity has it, unless prior='normal'"

    def __init__(self, *, distances, topics):
        self.distances = distances
        self.topics = topics

    @classmethod
    def from_estimator(cls, estimator, X=None, *, n_words=2, ax=None, **kwargs):
        """Draw the map of the topics of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, with a method `topic_distances`, or holds such an estimator: a `Pipeline`, a
            search such as `GridSearchCV`, a `TransformedDensity`, a `TableDensity` or an outlier
            detector.
        X : {array-like, dataframe} of shape (n_rows, n_features), default=None
            Rows whose mean proportions are the weights of the topics; None for the training rows.
            Words are told as by `describe_topics`.
        n_words : int, default=2
            Number of words beside a topic.
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        **kwargs : dict
            Passed to `Axes.scatter`.

        Returns
        -------
        display : TopicMapDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no topics, or `n_words` is less than one.
        """
        distances = cls._within(estimator).estimator.topic_distances()
        check_count("n_words", n_words, 1)
        topics = describe_topics(estimator, X, n_words=n_words)
        return cls(distances=distances, topics=topics).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Plot the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        **kwargs : dict
            Passed to `Axes.scatter`.

        Returns
        -------
        display : TopicMapDisplay
            This object, with its attributes set.
        """
        ax = self._use_axes(ax, lambda: {"figsize": (7.5, 4), "layout": "constrained"})
        self.positions_ = classical_scaling(self.distances)
        weights = np.array([topic["weight"] for topic in self.topics])
        sizes = _FILLED * min(extent(ax)) ** 2 * weights / max(weights.sum(), 1e-300)
        self.circles_ = ax.scatter(*self.positions_.T, **{"s": sizes, **_STYLE, **kwargs})
        # Topics that are all the same lie in one place.
        half = (np.ptp(self.positions_, axis=0).max() or 1.0) * (0.5 + _MARGIN)
        middle = (self.positions_.max(0) + self.positions_.min(0)) / 2
        # Distances are told by both axes alike.
        ax.set(xlim=middle[0] + half * np.array([-1, 1]), ylim=middle[1] + half * np.array([-1, 1]))
        ax.set(xticks=[], yticks=[], aspect="equal", anchor="W")
        self._write_labels(ax, 2 * half / min(extent(ax)))
        ax.set_xlabel(
            f"{self._share_kept():.0%} of the squared distances are in the plane",
            fontsize=LABEL_SIZE,
        )
        ax.set_title("topics: the nearer, the more alike", fontsize=TITLE_SIZE, loc="left")
        return self

    def _write_labels(self, ax, per_point):
        """Numbers in the circles, and beside the map the words of each number."""
        places, self.texts_ = [], []
        for k, place in enumerate(self.positions_):
            places.append(_beside(place, places, _APART * per_point))
            text = ax.annotate(
                str(k), places[-1], ha="center", va="center", fontsize=LABEL_SIZE, zorder=3
            )
            self.texts_.append(text)
        step = min(_LINE_HEIGHT, 1 / max(1, len(self.topics)))
        for k, topic in enumerate(self.topics):
            words = shortened(", ".join(word for word, _ in topic["words"]), _WIDEST)
            ax.text(
                1.03,
                1 - (k + 0.5) * step,
                f"{k}: {words}",
                transform=ax.transAxes,
                va="center",
                fontsize=LABEL_SIZE,
            )

    def _share_kept(self):
        squares = np.asarray(self.distances, dtype=np.float64) ** 2
        drawn = ((self.positions_[:, None] - self.positions_) ** 2).sum(2)
        return min(1.0, drawn.sum() / squares.sum()) if squares.any() else 1.0


def _beside(place, taken, apart):
    """A place that is no nearer to those taken than allowed, where it is if possible."""
    place = np.array(place, dtype=np.float64)
    for other in taken:
        way = place - other
        length = np.hypot(*way)
        if length < apart:
            # To the right of a number in the very same place.
            place = other + apart * (way / length if length > 0 else np.array([1.0, 0.0]))
    return place
