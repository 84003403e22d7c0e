"""Why a number of topics was chosen."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError
from ._display import Display
from ._style import LABEL_SIZE, TITLE_SIZE

_COLUMNS = ("n_topics", "log_density", "standard_error", "stability")
# Inches: size of a panel, free space beside and above it, width of the widest figure.
_SIZE, _GAP, _MAX_WIDTH = (3.2, 2.2), (0.65, 0.5), 9.5


class TopicNumberDisplay(Display):
    """Likelihood of rows left out, and agreement between halves of the rows, by number of topics.

    It is recommended to use `TopicNumberDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Parameters
    ----------
    search : dict of ndarray
        The attribute `topic_search_` of an estimator.
    n_topics : int, default=None
        Number that was chosen; None marks none.

    Attributes
    ----------
    ax_ : None
        There is not one for all.
    axes_ : ndarray of matplotlib Axes of shape (2,)
        Axes of the log density and of the agreement.
    figure_ : matplotlib Figure
        Figure of these axes.
    lines_ : dict of matplotlib `Line2D`
        The curves, under the names of their columns in `search`.
    chosen_lines_ : list of matplotlib `Line2D`
        Upright lines at the number that was chosen.

    See Also
    --------
    TopicNumberDisplay.from_estimator : Draw the search of a fitted estimator.
    TopicDisplay : The topics that were found.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FractalFlowDensity
    >>> from flowkit.inspection import TopicNumberDisplay
    >>> X = load_iris().data
    >>> density = FractalFlowDensity(
    ...     "auto", n_word_groups=1, lda_backend=None, max_epochs=1, random_state=0
    ... ).fit(X)
    >>> display = TopicNumberDisplay.from_estimator(density)
    >>> sorted(display.lines_)
    ['log_density', 'stability']
    """

    _needs = "topic_search_"
    _owners = "FractalFlowDensity has it, with n_topics='auto'"

    def __init__(self, *, search, n_topics=None):
        self.search = search
        self.n_topics = n_topics

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the search of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted with ``n_topics='auto'``, or holds such an estimator: a `Pipeline`, a search such
            as `GridSearchCV`, a `TransformedDensity`, a `TableDensity` or an outlier detector.
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : TopicNumberDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the number of topics was not searched for.
        """
        fitted = cls._within(estimator).estimator
        return cls(search=fitted.topic_search_, n_topics=fitted.n_topics_).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of matplotlib Axes, default=None
            One axes, which gives way to both panels, or two; those of a new figure by default.
        **kwargs : dict
            Passed to `Axes.plot` for the curves.

        Returns
        -------
        display : TopicNumberDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If `search` lacks a column, or a single one of several axes is given.
        """
        missing = sorted(set(_COLUMNS) - set(self.search))
        if missing:
            raise InvalidParameterError(f"search lacks {missing}, it has {sorted(self.search)}.")
        numbers, means, errors, stability = (np.asarray(self.search[name]) for name in _COLUMNS)
        above, below = self._use_panels(ax, 2, size=_SIZE, gap=_GAP, max_width=_MAX_WIDTH)
        style = {"marker": "o", "markersize": 4, "color": "#2166ac", **kwargs}
        self.lines_ = {
            "log_density": above.plot(numbers, means, **style)[0],
            "stability": below.plot(numbers, stability, **style)[0],
        }
        above.fill_between(numbers, means - errors, means + errors, color="#aecbe8", alpha=0.6)
        above.set_title("mean log density of rows left out (nats)", fontsize=TITLE_SIZE)
        below.set_title("agreement of halves (adjusted Rand index)", fontsize=TITLE_SIZE)
        self.chosen_lines_ = []
        for panel in (above, below):
            panel.tick_params(labelsize=LABEL_SIZE)
            panel.set_xlabel("number of topics", fontsize=LABEL_SIZE)
            panel.xaxis.get_major_locator().set_params(integer=True)
            if self.n_topics is not None:
                line = panel.axvline(self.n_topics, color="0.4", linestyle=":")
                self.chosen_lines_.append(line)
        return self
