"""The distribution of the scores of rows, and which lie below a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

import numpy as np
from sklearn.base import is_outlier_detector
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import column_or_1d

from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested import find
from ..validation import container_of
from ._checks import check_count
from ._display import Display
from ._style import counted, number, percent

_NORMAL, _ANOMALOUS = "normal", "anomalous"
_COLOURS = {_NORMAL: "tab:blue", _ANOMALOUS: "tab:red"}
_STYLE = {"align": "edge", "alpha": 0.55}
# Interquartile ranges below the quartile from which on scores are gathered.
_FENCE = 3.0
# Room below the threshold, as a share of what lies above it.
_ROOM = 0.1
# Widths in bins: between the gathered scores and all others, and of their bar.
_GAP, _WIDE = 1, 2
# Share of the axis that its label takes.
_BAR_LABEL = 0.12


class ScoreHistogramDisplay(Display):
    """Histogram of the scores of rows, with the threshold below which they are outliers.

    It is recommended to use `ScoreHistogramDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Each sample of rows is counted on its own, so that bars of a sample sum to one whatever its
    size. Scores far below the bulk of the first sample share a hatched bar at the left, as single
    rows can be lower than a linear axis shows.

    Parameters
    ----------
    scores : dict of ndarray
        Scores under the names of their samples; the higher, the better a row belongs. Rows that
        belong go first.
    threshold : float, default=None
        Rows of lower score are outliers; None for no threshold.
    xlabel : str, default=None
        Label of the x axis; None for 'score'.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the histogram.
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
    figure_ : matplotlib Figure
        Figure of these axes.
    edges_ : ndarray of shape (bins + 1,)
        Edges of the bins of scores that are not gathered.
    bars_ : dict of matplotlib `BarContainer`
        Bars of these bins, by sample.
    gathered_bars_ : dict of matplotlib `Rectangle`
        Bar of all lower scores, by sample; empty where there is none.
    threshold_line_ : matplotlib `Line2D` or None
        Upright line at the threshold.
    shares_below_ : dict of float or None
        Share of the rows below the threshold, by sample; None without threshold.
    n_impossible_ : dict of int
        Number of rows whose score is ``-inf``, by sample.

    See Also
    --------
    ScoreHistogramDisplay.from_estimator : Draw the scores of a fitted estimator.
    CalibrationDisplay : Whether rows that belong lie below the threshold as often as stated.
    ExplanationDisplay : Why a row lies there.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from flowkit import DensityOutlierDetector, ScoreHistogramDisplay
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> detector = DensityOutlierDetector(KernelDensity(bandwidth=0.5)).fit(X[:300])
    >>> samples = {"as before": X[300:], "shifted": X[300:] + 3.0}
    >>> display = ScoreHistogramDisplay.from_estimator(detector, samples)
    >>> {name: round(float(share), 2) for name, share in display.shares_below_.items()}
    {'as before': 0.08, 'shifted': 0.98}
    """

    _needs = "score_samples"
    _owners = "densities and outlier detectors have it"

    def __init__(self, *, scores, threshold=None, xlabel=None):
        self.scores = scores
        self.threshold = threshold
        self.xlabel = xlabel

    @classmethod
    def from_estimator(
        cls, estimator, X, *, y=None, bins=40, low="auto", xlabel=None, ax=None, **kwargs
    ):
        """Draw the scores of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `score_samples`: any density or outlier detector, or what holds one, such
            as a `Pipeline` or `GridSearchCV`. An attribute ``offset_`` of the detector is drawn as
            the threshold.
        X : {array-like, dataframe} of shape (n_rows, n_features), or dict of these
            Rows, or several samples of rows under their names, of which those that belong go
            first.
        y : array-like of shape (n_rows,), default=None
            Which rows are anomalous: 1 beside 0 for normal ones, or -1 beside 1 as the method
            `predict` of outlier detectors has it. None draws all rows as one sample.
        bins : int, default=40
            See `plot`.
        low : 'auto', float or None, default='auto'
            See `plot`.
        xlabel : str, default=None
            Label of the x axis; by default it says whether scores are log densities.
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator has no scores, or a parameter is out of its range.
        InvalidDataError
            If `y` does not tell which rows are anomalous, or scores cannot be drawn.
        """
        cls._require(estimator)
        scores = {name: estimator.score_samples(rows) for name, rows in _samples(X, y).items()}
        detector = find(estimator, "offset_").estimator
        # An array of one value in some detectors.
        offset = getattr(detector, "offset_", None)
        return cls(
            scores=scores,
            threshold=None if offset is None else float(np.ravel(offset)[0]),
            xlabel=_label(detector) if xlabel is None else xlabel,
        ).plot(ax, bins=bins, low=low, **kwargs)

    def plot(self, ax=None, *, bins=40, low="auto", xlabel=None, ylabel=None, **kwargs):
        """Plot the histogram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        bins : int, default=40
            Number of bins of the scores that are not gathered.
        low : 'auto', float or None, default='auto'
            Scores below this are gathered in one bar; None gathers ``-inf`` alone. 'auto' is three
            interquartile ranges below the lower quartile of the first sample, or less where the
            threshold is.
        xlabel : str, default=None
            Overwrites the label of the x axis.
        ylabel : str, default=None
            Overwrites the label of the y axis.
        **kwargs : dict
            Passed to `Axes.bar`.

        Returns
        -------
        display : ScoreHistogramDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If `bins` or `low` is out of its range.
        InvalidDataError
            If scores are NaN or ``+inf``, or none is finite.
        """
        _check_range(bins, low)
        scores = {name: _checked(name, values) for name, values in self.scores.items()}
        low, high = self._limits(list(scores.values()), low)
        self._use_axes(ax)
        self.edges_ = np.linspace(low, high, bins + 1)
        self.n_impossible_ = {name: int(np.isneginf(s).sum()) for name, s in scores.items()}
        self.shares_below_ = None
        if self.threshold is not None:
            self.shares_below_ = {name: np.mean(s < self.threshold) for name, s in scores.items()}
        self._draw_bars(scores, kwargs)
        self._draw_threshold()
        label = "score" if self.xlabel is None else self.xlabel
        self.ax_.set_xlabel(label if xlabel is None else xlabel)
        self.ax_.set_ylabel("share of rows" if ylabel is None else ylabel)
        self.ax_.legend()
        return self

    def _limits(self, scores, low):
        """Ends of the axis, without the bar of gathered scores."""
        finite = np.concatenate([s[np.isfinite(s)] for s in scores])
        if not finite.size:
            raise InvalidDataError("no score is finite: give rows inside the support.")
        marked = [self.threshold] if self._threshold_is_finite() else []
        lowest, high = min([finite.min(), *marked]), max([finite.max(), *marked])
        if low == "auto":
            first = scores[0][np.isfinite(scores[0])]
            low = _fence(first if first.size else finite)
            if marked:
                low = min(low, self.threshold - _ROOM * (high - self.threshold))
            low = _round_down(low, high) if low > lowest else lowest
        elif low is None:
            low = lowest
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def _threshold_is_finite(self):
        return self.threshold is not None and np.isfinite(self.threshold)

    def _draw_bars(self, scores, bar_kw):
        self.bars_, self.gathered_bars_ = {}, {}
        low, width = self.edges_[0], self.edges_[1] - self.edges_[0]
        left = low - (_GAP + _WIDE) * width
        gathered = np.concatenate([s[s < low] for s in scores.values()])
        for name, values in scores.items():
            colour = {"color": _COLOURS[name]} if name in _COLOURS else {}
            style = {**_STYLE, "label": self._legend(name, len(values)), **colour, **bar_kw}
            shares = np.histogram(values[values >= low], self.edges_)[0] / len(values)
            bars = self.bars_[name] = self.ax_.bar(self.edges_[:-1], shares, width, **style)
            if gathered.size:
                style |= {"label": None, "hatch": "///", "edgecolor": "white", "linewidth": 0}
                style["color"] = bars[0].get_facecolor()
                style["alpha"] = None
                (bar,) = self.ax_.bar(left, np.mean(values < low), _WIDE * width, **style)
                self.gathered_bars_[name] = bar
        if gathered.size:
            self._name_gathered(left + _WIDE * width / 2, np.isfinite(gathered).any())

    def _name_gathered(self, middle, some_are_finite):
        """Say on the axis what the bar at the left holds."""
        from matplotlib.ticker import MaxNLocator

        low, high = self.edges_[[0, -1]]
        ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
        # None at the label of the bar.
        free = max(low, middle + _BAR_LABEL * (high - middle))
        ticks = ticks[(free <= ticks) & (ticks <= high)]
        said = f"< {number(low)}" if some_are_finite else number(-np.inf)
        self.ax_.set_xticks([middle, *ticks], [said, *map(number, ticks)])

    def _legend(self, name, n):
        text = f"{name}, {counted(n, 'row')}"
        if self.shares_below_ is not None:
            text += f": {percent(self.shares_below_[name])} below"
        if n_impossible := self.n_impossible_[name]:
            text += f", {n_impossible} at {number(-np.inf)}"
        return text

    def _draw_threshold(self):
        self.threshold_line_ = None
        if self._threshold_is_finite():
            label = f"threshold {number(self.threshold)}"
            self.threshold_line_ = self.ax_.axvline(
                self.threshold, color="black", linestyle=":", label=label
            )


def _samples(X, y):
    """Rows by the name of their sample."""
    if isinstance(X, Mapping):
        if y is not None:
            raise InvalidParameterError("y must be None where X is a dict of samples.")
        if not X:
            raise InvalidDataError("X is a dict without samples.")
        return X
    if y is None:
        return {"all": X}
    anomalous = _is_anomalous(y)
    n_rows = container_of(X).shape[0]
    if n_rows != len(anomalous):
        raise InvalidDataError(f"X has {n_rows} rows, y has {len(anomalous)} values.")
    kinds = {_NORMAL: np.flatnonzero(~anomalous), _ANOMALOUS: np.flatnonzero(anomalous)}
    return {name: _safe_indexing(X, rows) for name, rows in kinds.items() if rows.size}


def _is_anomalous(y):
    y = column_or_1d(y)
    found = set(np.unique(y).tolist())
    if found == {1} and y.dtype != bool:
        raise InvalidDataError(
            "y holds nothing but 1, which is normal beside -1 and anomalous beside 0: give "
            "booleans that are true for anomalous rows, or X as a dict of named samples."
        )
    if found <= {0, 1}:
        return y == 1
    if found <= {-1, 1}:
        return y == -1
    raise InvalidDataError(
        "y must be 0 for normal and 1 for anomalous rows, or 1 for normal and -1 for anomalous "
        f"ones, got {sorted(found, key=str)[:5]}. Name other samples in a dict X."
    )


def _label(estimator):
    if not is_outlier_detector(estimator):
        return "log density (nats)"
    label = getattr(estimator, "_score_label", None)
    return "score" if label is None else label()


def _check_range(bins, low):
    check_count("bins", bins, 1)
    is_number = isinstance(low, Real) and np.isfinite(low)
    if low is not None and low != "auto" and not is_number:
        raise InvalidParameterError(f"low must be 'auto', a finite number or None, got {low!r}.")


def _checked(name, scores):
    scores = np.asarray(scores, dtype=np.float64)
    if not scores.size:
        raise InvalidDataError(f"sample {name!r} has no rows.")
    wrong = np.isnan(scores) | np.isposinf(scores)
    if wrong.any():
        raise InvalidDataError(
            f"{wrong.sum()} score(s) of sample {name!r} are NaN or +inf: rows "
            f"{', '.join(map(str, np.flatnonzero(wrong)[:10]))} first."
        )
    return scores


def _fence(scores):
    lower, upper = np.quantile(scores, [0.25, 0.75])
    return lower - _FENCE * (upper - lower) if upper > lower else scores.min()


def _round_down(low, high):
    """The lower end of an axis, as a short number."""
    step = 10 ** np.floor(np.log10((high - low) / 10)) if high > low else 1.0
    return step * np.floor(low / step)
