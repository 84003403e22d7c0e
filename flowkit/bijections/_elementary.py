"""Exponential and logarithm in plain arithmetic, which compilers turn into vector instructions.

Those of the C library are called number by number, at several times the cost. These are right to
about two units in the last place of double precision.
"""

from __future__ import annotations

import numpy as np

from .._compiled import compiled

# ln 2 in two parts, the first of so few digits that its multiples are exact.
_HIGH, _LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


@compiled
def exp(x):
    """Exponential of a finite number, bounded away from zero and infinity."""
    x = min(max(x, -708.0), 709.0)
    power = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - power * _HIGH - power * _LOW
    # Taylor's series, for |r| <= ln 2 / 2.
    tail = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r / 479001600)))
    tail = 1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * tail)))
    series = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * tail)))
    bits = np.int64((np.int64(power) + np.int64(1023)) << np.int64(52))
    return series * bits.view(np.float64)


@compiled
def log(x):
    """Logarithm of a positive normal number."""
    bits = np.float64(x).view(np.int64)
    # Mantissas from sqrt(1/2) to sqrt(2), so that the series runs on small numbers.
    power = np.int64((bits - np.int64(_SQRT_HALF_BITS)) >> np.int64(52))
    mantissa = np.int64(bits - np.int64(power << np.int64(52))).view(np.float64)
    # log((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 + ..), for |s| <= 0.172.
    s = (mantissa - 1.0) / (mantissa + 1.0)
    q = s * s
    tail = 1 / 13 + q * (1 / 15 + q * (1 / 17 + q * (1 / 19 + q / 21)))
    series = q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * tail)))))
    power = np.float64(power)
    return power * _HIGH + (2.0 * s * (1.0 + series) + power * _LOW)
