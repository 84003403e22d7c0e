"""Topics, as their words or as images."""

from __future__ import annotations

import numpy as np

from .._seeds import check_random_state
from ._axes import extent
from ._checks import check_count
from ._display import Display
from ._style import LABEL_SIZE, POINTS_PER_INCH, TITLE_SIZE, number, shortened, text_width
from ._topic_words import describe_topics

# Free points beside a label inside its panel.
_PADDING = 6
_MAX_WIDTH = 9.5
# Inches: least and largest width of a panel of words, height of a word, edge of an image.
_WORD_WIDTHS = (2.0, 3.6)
_WORD_HEIGHT = 0.22
_IMAGE_EDGE = 0.75
_GAP = (0.25, 0.42)
# Pale, as the words are written over the bars.
_BAR_STYLE = {"color": "#aecbe8", "height": 0.8}
# Lines above panels: all rows, and the share of the topic in them.
_LINE_STYLE = {"linewidth": 2.5, "solid_capstyle": "butt", "scalex": False, "scaley": False}
_ALL_STYLE, _SHARE_STYLE = {"color": "0.88", **_LINE_STYLE}, {"color": "#2166ac", **_LINE_STYLE}
# Share of the values that are allowed to be brighter, or darker, than the picture can show.
_CLIPPED = 0.005
# Free pixels between images, in edges of an image: after the mean, after a sample.
_SPACES = (0.2, 0.06)


class TopicDisplay(Display):
    """The topics of a fitted flow: their weight, their alpha, and their words or images.

    It is recommended to use `TopicDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Each topic has a panel, below a line of which the dark part is the share of the topic in all
    rows. For tables it holds the words that are most typical of the topic, most
    probable first, over bars as long as their probability in the topic; the probabilities of all
    words of a topic, shown or not, sum to one. For images it holds the mean of samples of the
    topic and some of these samples.

    Parameters
    ----------
    topics : list of dict
        As the attribute `topics_` of an estimator: per topic its ``weight``, its ``alpha`` and its
        ``words``, pairs of word and probability.
    images : ndarray of shape (n_topics, n_samples, height, width[, n_channels]), default=None
        Samples of every topic, drawn instead of words.

    Attributes
    ----------
    ax_ : None
        There is not one for all.
    axes_ : ndarray of matplotlib Axes
        One for each topic shown.
    figure_ : matplotlib Figure
        Figure of these axes.
    shown_ : list of int
        Numbers of the topics shown.
    bars_ : list of matplotlib `BarContainer`, or None
        Bars of the words, per topic shown.
    images_ : list of list of matplotlib `AxesImage`, or None
        Per topic shown, its mean image and its samples.
    sizes_ : list of matplotlib `Line2D`
        Per topic shown, the line as long as its share in all rows.

    See Also
    --------
    TopicDisplay.from_estimator : Draw the topics of a fitted estimator.
    TopicMapDisplay : Which topics are alike.
    LogDetTreeDisplay : Where in the tree of the same flow volume changes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FractalFlowDensity, TopicDisplay
    >>> X = load_iris(as_frame=True).data
    >>> density = FractalFlowDensity(n_topics=3, max_epochs=3, random_state=0).fit(X)
    >>> display = TopicDisplay.from_estimator(density)
    >>> display.shown_
    [0, 1, 2]
    >>> len(display.bars_[0])
    5
    """

    _needs = "topics_"
    _owners = "FractalFlowDensity has it, unless prior='normal'"

    def __init__(self, *, topics, images=None):
        self.topics = topics
        self.images = images

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        *,
        n_words=5,
        n_samples=64,
        n_shown=4,
        max_topics=12,
        random_state=None,
        ax=None,
        **kwargs,
    ):
        """Draw the topics of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, with an attribute `topics_`, or holds such an estimator: a `Pipeline`, a search
            such as `GridSearchCV`, a `TransformedDensity`, a `TableDensity` or an outlier
            detector. Words are told as by `describe_topics`: behind the transformers of a
            pipeline in units of the columns of `X` where that is a DataFrame. Images are in units
            of the rows that this estimator sees.
        X : {array-like, dataframe} of shape (n_rows, n_features), default=None
            Rows whose mean proportions are the weights of the topics; None for the training rows.
        n_words : int, default=5
            Number of words of a topic. Ignored with images.
        n_samples : int, default=64
            Number of samples of every topic that mean images are taken of. Ignored without images.
        n_shown : int, default=4
            See `plot`.
        max_topics : int, default=12
            See `plot`.
        random_state : int, RandomState instance, Generator or None, default=None
            Source of randomness of the samples.
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : TopicDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no topics, or a parameter is out of its range.
        """
        inside = cls._within(estimator)
        fitted = inside.estimator
        check_count("n_words", n_words, 1)
        check_count("n_samples", n_samples, 1)
        topics = describe_topics(estimator, X, n_words=n_words)
        images = None
        if getattr(fitted, "image_shape", None) is not None:
            rng = check_random_state(random_state)
            shape = (len(topics), n_samples, *fitted.image_shape)
            drawn = [fitted.sample(n_samples, rng, topics=k) for k in range(len(topics))]
            images = np.reshape(drawn, shape)
        return cls(topics=topics, images=images).plot(
            ax, n_shown=n_shown, max_topics=max_topics, **kwargs
        )

    def plot(self, ax=None, *, n_shown=4, max_topics=12, **kwargs):
        """Plot the topics.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            One axes, which gives way to the panels, or one for each topic shown; by default a new
            figure, large enough for all words.
        n_shown : int, default=4
            Number of samples drawn beside the mean image of a topic. Ignored without images.
        max_topics : int, default=12
            Largest number of topics shown: those of largest weight, in the order of their numbers.
        **kwargs : dict
            Passed to `Axes.barh` for words, to `Axes.imshow` for images.

        Returns
        -------
        display : TopicDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If a parameter is out of its range, or there are fewer axes than topics to show.
        """
        check_count("n_shown", n_shown, 0)
        check_count("max_topics", max_topics, 1)
        weights = [topic["weight"] for topic in self.topics]
        self.shown_ = sorted(np.argsort(weights, kind="stable")[::-1][:max_topics].tolist())
        self._require_matplotlib()
        size = self._word_size() if self.images is None else self._image_size(n_shown)
        self._use_panels(ax, len(self.shown_), size=size, gap=_GAP, max_width=_MAX_WIDTH)
        self.bars_ = self.images_ = None
        if self.images is None:
            self._plot_words(kwargs)
        else:
            self._plot_images(n_shown, kwargs)
        for k, panel in zip(self.shown_, self.axes_, strict=True):
            topic = self.topics[k]
            name = f"topic {k}:"
            rest = f"weight {number(topic['weight'], 2)}, alpha {number(topic['alpha'], 2)}"
            fits = text_width(f"{name} {rest}", TITLE_SIZE) <= extent(panel)[0]
            title = f"{name}{' ' if fits else chr(10)}{rest}"
            panel.set_title(title, fontsize=TITLE_SIZE, loc="left", pad=6)
        self._plot_sizes()
        return self

    def _plot_sizes(self):
        """Above each panel, a line as long as the share of the topic in all rows."""
        self.sizes_ = []
        for k, panel in zip(self.shown_, self.axes_, strict=True):
            for share, style in ((1.0, _ALL_STYLE), (self.topics[k]["weight"], _SHARE_STYLE)):
                (line,) = panel.plot(
                    [0, share], [1, 1], transform=panel.transAxes, clip_on=False, **style
                )
            self.sizes_.append(line)

    def _word_size(self):
        words = [self.topics[k]["words"] for k in self.shown_]
        widest = max((text_width(w, LABEL_SIZE) for ws in words for w, _ in ws), default=0)
        # A point more, so that rounding shortens no word.
        width = np.clip((widest + 2 * _PADDING + 1) / POINTS_PER_INCH, *_WORD_WIDTHS)
        return width, _WORD_HEIGHT * max(map(len, words))

    def _plot_words(self, bar_kw):
        self.bars_ = []
        words = [self.topics[k]["words"] for k in self.shown_]
        n_words = max(map(len, words))
        longest = max((p for ws in words for _, p in ws), default=0) or 1
        for panel, own in zip(self.axes_, words, strict=True):
            heights = np.arange(len(own))
            self.bars_.append(panel.barh(heights, [p for _, p in own], **(_BAR_STYLE | bar_kw)))
            panel.set(xlim=(0, 1.02 * longest), ylim=(n_words - 0.4, -0.6))
            room = extent(panel)[0] - 2 * _PADDING
            # Unwrapped the panel, where no neighbour is.
            panel.set_yticks(heights, [shortened(word, room) for word, _ in own], ha="left")
            panel.tick_params("y", length=0, pad=-_PADDING, labelsize=LABEL_SIZE)
            panel.tick_params("x", labelsize=LABEL_SIZE, length=3)
            panel.locator_params(axis="x", nbins=4)
            panel.spines[["top", "right", "bottom"]].set_visible(False)
        for panel in self._lowest():
            panel.set_xlabel("probability in the topic", fontsize=LABEL_SIZE)

    def _lowest(self):
        """Panels without another below; the ticks of all others are hidden."""
        boxes = [panel.get_window_extent() for panel in self.axes_]
        lowest = []
        for panel, box in zip(self.axes_, boxes, strict=True):
            if any(abs(other.x0 - box.x0) < 1 and other.y0 < box.y0 - 1 for other in boxes):
                panel.tick_params("x", labelbottom=False, length=0)
            else:
                lowest.append(panel)
        return lowest

    def _image_size(self, n_shown):
        height, width = self.images.shape[2:4]
        n_shown = min(n_shown, self.images.shape[1])
        widths = 1 + _SPACES[0] + n_shown * (1 + _SPACES[1])
        return _IMAGE_EDGE * widths * width / height, _IMAGE_EDGE

    def _plot_images(self, n_shown, image_kw):
        self.images_ = []
        low, high = np.quantile(self.images, [_CLIPPED, 1 - _CLIPPED])
        # Three channels are colours only within [0, 1].
        shown = np.clip((self.images - low) / ((high - low) or 1), 0, 1)
        if shown.ndim == 5 and shown.shape[-1] not in (3, 4):
            shown = shown.mean(-1)
        height, width = shown.shape[2:4]
        for k, panel in zip(self.shown_, self.axes_, strict=True):
            left, drawn = 0.0, []
            for i, image in enumerate([shown[k].mean(0), *shown[k][:n_shown]]):
                box = (left, left + width, height, 0)
                style = {"cmap": "gray", "vmin": 0, "vmax": 1, **image_kw}
                drawn.append(panel.imshow(image, extent=box, **style))
                left += width * (1 + _SPACES[i > 0])
            self.images_.append(drawn)
            panel.set(xlim=(0, left), ylim=(height, 0), yticks=[], anchor="W")
            # Means of the centres of the images that each label is about.
            ticks = [width / 2, (width * (1 + _SPACES[0]) + left) / 2][: 1 + (len(drawn) > 1)]
            panel.set_xticks(ticks, ["mean", "samples"][: len(ticks)])
            panel.tick_params("x", length=0, pad=2, labelsize=LABEL_SIZE)
            panel.spines[:].set_visible(False)
        self._lowest()
