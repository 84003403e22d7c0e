"""The threshold of a fitted detector, set anew."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidParameterError
from ._calibration import can_show, n_rows_needed
from ._threshold import calibrated_threshold, training_threshold

_LARGEST_SHARE = 0.5
# As a number of Python's, which any int may be compared with.
_LARGEST_SCORE = float(np.finfo(np.float64).max)


class AdjustableThresholdMixin:
    """Methods of a detector with the attributes `offset_` and `training_scores_`."""

    def set_threshold(self, *, contamination=None, rate=None, score=None):
        """Set the threshold of the fitted detector; give one of these.

        Parameters
        ----------
        contamination : float, default=None
            Share of the training rows to lie below the threshold, in [0, 0.5].
        rate : float, default=None
            False-alarm rate on rows like those of training, in [0, 0.5]; needs calibration rows.
        score : float, default=None
            The threshold itself: a finite score.

        Returns
        -------
        self : object
            The detector, with another `offset_`.

        Raises
        ------
        InvalidParameterError
            If not exactly one is given, it is out of its range, or calibration rows are missing or
            too few for `rate`.
        InvalidDataError
            If more calibration rows than `rate` have a density of zero.

        Notes
        -----
        The threshold is that of a `fit` with this `contamination`, which with `calibrate` is the
        `rate`. Another call of `fit` or `partial_fit` sets it by the parameter again.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.neighbors import KernelDensity
        >>> from flowkit import DensityOutlierDetector
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> detector = DensityOutlierDetector(KernelDensity()).fit(X)
        >>> int((detector.predict(X) == -1).sum())
        10
        >>> int((detector.set_threshold(contamination=0.02).predict(X) == -1).sum())
        4
        """
        check_is_fitted(self)
        options = {"contamination": contamination, "rate": rate, "score": score}
        given = {name: value for name, value in options.items() if value is not None}
        if len(given) != 1:
            raise InvalidParameterError(
                "set_threshold takes exactly one of contamination, rate and score, got "
                f"{' and '.join(given) or 'none'}."
            )
        if contamination is not None:
            _check_share("contamination", contamination)
            self.offset_ = training_threshold(
                self.training_scores_, contamination, self._training_weight
            )
        elif rate is not None:
            self.offset_ = self._threshold_at(rate)
        else:
            if not _is_number(score) or not abs(score) <= _LARGEST_SCORE:
                raise InvalidParameterError(f"score must be a finite number, got {score!r}.")
            self.offset_ = float(score)
        return self

    def _threshold_at(self, rate):
        _check_share("rate", rate)
        if not hasattr(self, "calibration_scores_"):
            raise InvalidParameterError(
                "rate needs calibration rows, but calibrate was False in fit: fit again with "
                "calibrate=True or calibrate='cv', or give contamination, the share of the "
                "training rows."
            )
        n = len(self.calibration_scores_)
        if not can_show(n, rate):
            raise InvalidParameterError(
                f"rate={rate:g} needs at least {n_rows_needed(rate)} calibration rows, but there "
                f"are {n}: give a larger rate, or fit with more calibration rows."
            )
        return calibrated_threshold(self.calibration_scores_, rate)


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _check_share(name, value):
    if not _is_number(value) or not 0 <= value <= _LARGEST_SHARE:
        raise InvalidParameterError(f"{name} must be a number in [0, 0.5], got {value!r}.")
