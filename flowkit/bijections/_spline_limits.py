"""What keeps a rational-quadratic spline away from flat and from steep."""

from __future__ import annotations

import math

MIN_BIN = 1e-3
MIN_SLOPE = 1e-3
# softplus(SLOPE_SHIFT) + MIN_SLOPE == 1, the slope of the identity.
SLOPE_SHIFT = math.log(math.expm1(1.0 - MIN_SLOPE))
