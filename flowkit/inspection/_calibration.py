"""Whether false alarms are as frequent as a detector states."""

from __future__ import annotations

from numbers import Real

import numpy as np
from scipy.stats import betabinom, binom

from ..exceptions import InvalidDataError, InvalidParameterError
from ._checks import check_choice
from ._display import Display
from ._style import TITLE_SIZE, counted, number, percent

_SCALES = ("linear", "log")
# Stated rates at which the band is computed.
_N_LEVELS = 100
_SIZE = (5.2, 5.0)


class CalibrationDisplay(Display):
    """Share of rows that belong whose p-value is at most a stated rate, against this rate.

    It is recommended to use `CalibrationDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    Flagging rows of a p-value of at most ``a`` states a false-alarm rate of ``a``. On rows that
    belong the observed rate should follow the diagonal, or stay below it. The band holds the
    observed rate of that many rows with a chance of `confidence` at each stated rate alone, if they
    are exchangeable with the rows that calibrated the detector; it allows for the few rows of both.
    A curve above the band means that rows have changed since calibration, or were never alike.

    Parameters
    ----------
    p_values : ndarray of shape (n_rows,)
        p-values of rows that belong.
    n_calibration : int, default=None
        Number of rows that calibrated them; None takes the p-values of rows that belong for
        independent and uniform, as if there were any number.
    rate : float, default=None
        Stated rate to mark, such as that of the threshold; None marks none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve.
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
    figure_ : matplotlib Figure
        Figure of these axes.
    curve_ : matplotlib `Line2D`
        Observed against stated rates.
    diagonal_ : matplotlib `Line2D`
        Where both are the same.
    band_ : matplotlib `PolyCollection`
        The band.
    rate_point_ : matplotlib `Line2D` or None
        Point of the curve at `rate`.
    levels_ : ndarray of shape (n_levels,)
        Stated rates at which the band was computed.
    band_low_, band_high_ : ndarray of shape (n_levels,)
        Its edges.

    See Also
    --------
    CalibrationDisplay.from_estimator : Draw the calibration of a fitted detector.
    ScoreHistogramDisplay : The scores themselves.
    sklearn.calibration.CalibrationDisplay : The same for the probabilities of classifiers.

    Notes
    -----
    All new rows are compared with the same ``m`` calibration rows, so their p-values are not
    independent. Of ``n`` new rows, the number with a p-value of at most ``k / (m + 1)`` follows a
    beta-binomial distribution of parameters ``n``, ``k`` and ``m + 1 - k``, if no scores are tied.

    References
    ----------
    Bates, Candès, Lei, Romano, Sesia, "Testing for outliers with conformal p-values", Annals of
    Statistics 51, 2023, arXiv 2104.08279.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> from flowkit import CalibrationDisplay, DensityOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(600, 2))
    >>> detector = DensityOutlierDetector(
    ...     KernelDensity(bandwidth=0.5), calibrate=True, random_state=0
    ... ).fit(X[:400])
    >>> display = CalibrationDisplay.from_estimator(detector, X[400:])
    >>> display.observed_rate(0.05)
    0.06
    """

    _needs = "p_values"
    _owners = "a DensityOutlierDetector that was fitted with calibrate=True or 'cv' has it"

    def __init__(self, *, p_values, n_calibration=None, rate=None):
        self.p_values = p_values
        self.n_calibration = n_calibration
        self.rate = rate

    @classmethod
    def from_estimator(cls, estimator, X, *, confidence=0.95, scale="linear", ax=None, **kwargs):
        """Draw the calibration of a fitted detector.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, with `p_values`: a DensityOutlierDetector with ``calibrate=True``, or what holds
            one, such as a `Pipeline`. The rate of its threshold is marked.
        X : {array-like, dataframe} of shape (n_rows, n_features)
            Rows that belong and that `fit` has not seen: those that it has seen score too high.
        confidence : float, default=0.95
            See `plot`.
        scale : {'linear', 'log'}, default='linear'
            See `plot`.
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : CalibrationDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the detector has no p-values, or a parameter is out of its range.
        """
        inside = cls._within(estimator)
        detector = inside.estimator
        calibration = detector.calibration_scores_
        # The largest p-value of a row below the threshold.
        rank = 1 + np.searchsorted(calibration, detector.offset_, side="left")
        return cls(
            p_values=detector.p_values(inside.transform(X)),
            n_calibration=len(calibration),
            rate=float(rank / (1 + len(calibration))),
        ).plot(ax, confidence=confidence, scale=scale, **kwargs)

    def observed_rate(self, rate) -> float:
        """Share of the rows with a p-value of at most a stated rate.

        Parameters
        ----------
        rate : float
            The stated rate.

        Returns
        -------
        float
            The share.
        """
        return float(np.mean(np.asarray(self.p_values) <= rate))

    def plot(self, ax=None, *, confidence=0.95, scale="linear", xlabel=None, ylabel=None, **kwargs):
        """Plot the curve, the diagonal and the band.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; those of a new figure by default.
        confidence : float, default=0.95
            Chance that the band holds the observed rate at a stated one, in (0, 1).
        scale : {'linear', 'log'}, default='linear'
            Scale of both axes; 'log' shows small rates.
        xlabel : str, default=None
            Overwrites the label of the x axis.
        ylabel : str, default=None
            Overwrites the label of the y axis.
        **kwargs : dict
            Passed to `Axes.step` for the curve.

        Returns
        -------
        display : CalibrationDisplay
            This object, with its attributes set.

        Raises
        ------
        InvalidParameterError
            If `confidence` or `scale` is out of range.
        InvalidDataError
            If there are no p-values, or some are no probabilities.
        """
        _check_options(confidence, scale)
        p_values = _checked(self.p_values)
        n = len(p_values)
        self.levels_, self.band_low_, self.band_high_ = _band(n, self.n_calibration, confidence)
        ax = self._use_axes(ax, lambda: {"figsize": _SIZE, "layout": "constrained"})
        self.band_ = ax.fill_between(
            self.levels_,
            self.band_low_,
            self.band_high_,
            step="post",
            color="0.88",
            label=f"{number(100 * confidence)}% band if rows are alike",
        )
        (self.diagonal_,) = ax.plot([0, 1], [0, 1], color="0.4", linestyle=":", label="as stated")
        stated, counts = np.unique(p_values, return_counts=True)
        style = {"label": counted(n, "row"), "color": "tab:blue", **kwargs}
        (self.curve_,) = ax.step(
            [0, *stated, 1], [0, *counts.cumsum() / n, 1], where="post", **style
        )
        self._mark_rate()
        self._set_axes(scale, n)
        ax.set_xlabel("stated false-alarm rate" if xlabel is None else xlabel)
        ax.set_ylabel("share of rows flagged" if ylabel is None else ylabel)
        ax.legend(fontsize=TITLE_SIZE)
        return self

    def _mark_rate(self):
        self.rate_point_ = None
        if self.rate is not None:
            observed = self.observed_rate(self.rate)
            label = f"threshold: {percent(observed)} flagged, {percent(self.rate)} stated"
            (self.rate_point_,) = self.ax_.plot(
                self.rate, observed, "o", color=self.curve_.get_color(), label=label, clip_on=False
            )

    def _set_axes(self, scale, n):
        low = 0.0
        if scale == "log":
            rows = n if self.n_calibration is None else max(n, self.n_calibration + 1)
            low = 1 / rows
        self.ax_.set(xscale=scale, yscale=scale, xlim=(low, 1), ylim=(low, 1), aspect="equal")


def _check_options(confidence, scale):
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        raise InvalidParameterError(f"confidence must be in (0, 1), got {confidence!r}.")
    check_choice("scale", scale, _SCALES)


def _checked(p_values):
    p_values = np.asarray(p_values, dtype=np.float64)
    if not p_values.size:
        raise InvalidDataError("there are no p-values to draw: X has no rows.")
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise InvalidDataError("p_values must be in [0, 1].")
    return p_values


def _band(n, n_calibration, confidence):
    """Stated rates, and between which observed ones lie if rows are exchangeable."""
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    if n_calibration is None:
        levels = np.union1d(np.linspace(0, 1, _N_LEVELS), np.geomspace(1 / n, 1, _N_LEVELS))
        low, high = (binom.ppf(tail, n, levels) / n for tail in tails)
        return levels, low, high
    ranks = np.union1d(
        np.linspace(1, n_calibration, _N_LEVELS).round(),
        np.geomspace(1, n_calibration, _N_LEVELS).round(),
    )
    counts = np.arange(n + 1)
    edges = []
    for rank in ranks:
        # The cumulative distribution of scipy takes far longer.
        cumulative = betabinom.pmf(counts, n, rank, n_calibration + 1 - rank).cumsum()
        edges.append(np.searchsorted(cumulative, tails).clip(max=n) / n)
    low, high = np.transpose(edges)
    return (
        np.concatenate([[0], ranks / (n_calibration + 1), [1]]),
        np.concatenate([[0], low, [1]]),
        np.concatenate([[0], high, [1]]),
    )
