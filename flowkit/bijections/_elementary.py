"""Exponential and logarithm in plain arithmetic, which compilers turn into vector instructions.

Those of the C library are called number by number, at ten times the cost. These are right to about
one unit in the last place, for finite numbers. Both are for compiled code alone.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

# ln 2 in two parts, the first of so few digits that its multiples are exact.
_HIGH_64, _LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_HIGH_32, _LOW_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)


def exp(x: float) -> float:
    """Exponential, bounded away from zero and infinity."""
    raise NotImplementedError


def log(x: float) -> float:
    """Logarithm of a positive normal number."""
    raise NotImplementedError


@overload(exp)
def _exp(x):
    return _exp_32 if x == types.float32 else _exp_64


@overload(log)
def _log(x):
    return _log_32 if x == types.float32 else _log_64


def _exp_64(x):
    x = min(max(x, -708.0), 709.0)
    power = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - power * _HIGH_64 - power * _LOW_64
    # Taylor's series, for |r| <= ln 2 / 2.
    tail = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r / 479001600)))
    tail = 1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * tail)))
    series = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * tail)))
    bits = np.int64((np.int64(power) + np.int64(1023)) << np.int64(52))
    return series * bits.view(np.float64)


def _exp_32(x):
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    power = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    r = x - power * _HIGH_32 - power * _LOW_32
    tail = np.float32(1 / 120) + r * (np.float32(1 / 720) + r * np.float32(1 / 5040))
    tail = np.float32(1 / 6) + r * (np.float32(1 / 24) + r * tail)
    series = np.float32(1) + r * (np.float32(1) + r * (np.float32(1 / 2) + r * tail))
    bits = np.int32((np.int32(power) + np.int32(127)) << np.int32(23))
    return series * bits.view(np.float32)


def _log_64(x):
    bits = np.float64(x).view(np.int64)
    # Mantissas from sqrt(1/2) to sqrt(2), so that the series runs on small numbers.
    power = np.int64((bits - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52))
    mantissa = np.int64(bits - np.int64(power << np.int64(52))).view(np.float64)
    # log((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 + ..), for |s| <= 0.172.
    s = (mantissa - 1.0) / (mantissa + 1.0)
    q = s * s
    tail = 1 / 13 + q * (1 / 15 + q * (1 / 17 + q * (1 / 19 + q / 21)))
    series = q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * tail)))))
    power = np.float64(power)
    return power * _HIGH_64 + (2.0 * s * (1.0 + series) + power * _LOW_64)


def _log_32(x):
    bits = np.float32(x).view(np.int32)
    power = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))
    mantissa = np.int32(bits - np.int32(power << np.int32(23))).view(np.float32)
    s = (mantissa - np.float32(1)) / (mantissa + np.float32(1))
    q = s * s
    tail = np.float32(1 / 5) + q * (np.float32(1 / 7) + q * np.float32(1 / 9))
    series = q * (np.float32(1 / 3) + q * tail)
    power = np.float32(power)
    return power * _HIGH_32 + (np.float32(2) * s * (np.float32(1) + series) + power * _LOW_32)
