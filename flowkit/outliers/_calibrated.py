"""What a detector tells where rows have calibrated it: p-values, and the rows found by these."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
from sklearn.utils.metaestimators import available_if

from ..exceptions import FewCalibrationRowsWarning, InvalidParameterError
from ..validation import warn
from ._discoveries import benjamini_hochberg
from ._p_values import p_values, possible_p_values


def _calibrates(detector) -> bool:
    if detector.calibrate:
        return True
    raise AttributeError(
        "p-values need calibration rows: set calibrate=True or calibrate='cv' before fit."
    )


class CalibratedMixin:
    """Methods of a detector with the attribute `calibration_scores_`."""

    @available_if(_calibrates)
    def p_values(self, X):
        """Share of calibration rows that are at least as strange as a row, itself counted too.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows that `fit` has not seen: those that it has seen score too high.

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            Conformal p-values. For a row that is exchangeable with the calibration rows, the chance
            of a p-value of at most ``a`` is at most ``a``; with ``calibrate='cv'`` about ``a``.

        Raises
        ------
        AttributeError
            If `calibrate` is False.
        InvalidParameterError
            If it was so in `fit`.
        """
        scores = self.score_samples(X)
        return p_values(self._calibration(), scores)

    @available_if(_calibrates)
    def select(self, X, alpha=0.1):
        """Find the rows that do not belong, at a false discovery rate.

        The procedure of Benjamini and Hochberg on `p_values`: the more rows are strange, the lower
        is the threshold for each. So it depends on all rows of X together.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows that `fit` has not seen.
        alpha : float, default=0.1
            False discovery rate, in (0, 1): expected share of rows that belong among those found.

        Returns
        -------
        found : ndarray of bool of shape (n_samples,)
            True for the rows found.

        Raises
        ------
        AttributeError
            If `calibrate` is False.
        InvalidParameterError
            If it was so in `fit`, or `alpha` is out of its range.

        Warns
        -----
        FewCalibrationRowsWarning
            If no row is found, though some are stranger than all calibration rows: these are too
            few to find so few rows.

        Notes
        -----
        With ``calibrate=True`` the rate is at most `alpha`, if the rows of X that belong are
        exchangeable with the calibration rows and independent of each other: p-values that share
        calibration rows depend on each other positively (Bates et al.). With ``calibrate='cv'`` it
        is about `alpha`.

        The smallest p-value that ``n`` calibration rows can give is ``1 / (n + 1)``. So ``k`` of
        ``m`` rows can be found only if ``n + 1 >= m / (alpha * k)``.

        References
        ----------
        Benjamini, Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995. Bates, Candès,
        Lei, Romano, Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 51,
        2023, arXiv 2104.08279.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.neighbors import KernelDensity
        >>> from flowkit import DensityOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(400, 2))
        >>> detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0)
        >>> detector.fit(X).select([[0.0, 0.0], [9.0, 0.0], [0.5, -0.5]])
        array([False,  True, False])
        """
        if not isinstance(alpha, Real) or not 0 < alpha < 1:
            raise InvalidParameterError(f"alpha must be a number in (0, 1), got {alpha!r}.")
        p = self.p_values(X)
        found = benjamini_hochberg(p, alpha)
        least = possible_p_values(len(self.calibration_scores_))[0]
        if not found.any() and p.min() <= least:
            _warn_of_few_rows(np.count_nonzero(p <= least), p, self.calibration_scores_, alpha)
        return found

    def _calibration(self):
        if not hasattr(self, "calibration_scores_"):
            raise InvalidParameterError(
                "p-values need calibration rows, but calibrate was False in fit: fit again with "
                "calibrate=True or calibrate='cv'."
            )
        return self.calibration_scores_


def _warn_of_few_rows(n_strangest, p, calibration_scores, alpha):
    needed = math.ceil(len(p) / (alpha * n_strangest)) - 1
    warn(
        f"no row is found at alpha={alpha:g}: {n_strangest} of {len(p)} row(s) are stranger than "
        f"all {len(calibration_scores)} calibration rows, and to find so few takes at least "
        f"{needed} calibration rows. Give fit more rows (calibrate='cv' calibrates by all of "
        "them), raise alpha, or select among fewer rows.",
        FewCalibrationRowsWarning,
    )
