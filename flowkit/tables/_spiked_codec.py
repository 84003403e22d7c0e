"""The map of a column of numbers some of which have a probability of their own, as zeros do."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from ..columns import tie_spacing
from ._column_codecs import NumericCodec
from ._column_lattice import Lattice, is_whole
from ._number_ends import next_to_bounds, reach_in_words

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
# Training rows of a spike are normal of this scale around its middle, beside numbers of unit
# standard deviation. It ends where hardly any are; points to score it are spread more widely.
_SCALE, _REACH = 0.5, 2.0
# Fewest numbers that tell how wide a stretch is, and what is used where they are fewer.
_LEAST_NUMBERS, _USUAL_RATE = 10, 4.0
# Nats per value that a logarithm must gain, as its draws lie farther out.
_LOG_GAIN = 0.1
# Exponentials of more have no square.
_LARGEST_LOG = 300.0


@dataclass(frozen=True)
class Stretch:
    """An open interval of numbers with a spike on at least one side.

    Its map rises as a square root next to a spike, so that the density of the encoded column
    vanishes there; on the other side as a logarithm, or in proportion.

    Parameters
    ----------
    low, high : float
        Ends of the interval.
    after, before : bool
        Whether there is a spike at its lower and at its upper end.
    scale : float
        Typical distance from the spike, where the other end is infinite.
    rate : float
        Encoded units per unit of the map.
    linear : bool
        Whether it rises in proportion towards infinity.
    start : float
        Where it begins on the encoded axis; where it ends if it has a spike at its upper end only.
    """

    low: float
    high: float
    after: bool
    before: bool
    scale: float = 1.0
    rate: float = 1.0
    linear: bool = False
    start: float = 0.0

    @classmethod
    def fitted(cls, low: float, high: float, after: bool, before: bool, x: np.ndarray) -> Stretch:
        """The stretch on which numbers have about unit standard deviation.

        Parameters
        ----------
        low, high, after, before
            As they are attributes.
        x : ndarray of shape (n,)
            Training values within the interval.
        """
        if len(x) < _LEAST_NUMBERS:
            scale = np.abs(x - (low if after else high)).max(initial=0.0) or 1.0
            return cls(low, high, after, before, float(scale), _USUAL_RATE)
        scale = float(np.median(x - low if after else high - x))
        found = cls(low, high, after, before, scale)
        if math.isinf(low) or math.isinf(high):
            linear = replace(found, linear=True)
            if found._likelihood(x) < linear._likelihood(x) + _LOG_GAIN:
                found = linear
        spread = found.encode(x)[0].std()
        return replace(found, rate=float(1 / spread) if spread > 0 else _USUAL_RATE)

    def _likelihood(self, x):
        """Mean log density of numbers that are normal when they are encoded."""
        y, log_slope = self.encode(x)
        with np.errstate(divide="ignore"):
            return log_slope.mean() - np.log(y.std())

    @property
    def width(self) -> float:
        """Width on the encoded axis, infinite where it has a spike on one side only."""
        return self.rate * math.pi / 2 if self.after and self.before else math.inf

    def encode(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encoded numbers, and the log volume of a unit around each."""
        above, below = t - self.low, self.high - t
        if self.after and self.before:
            y = np.arctan2(np.sqrt(above), np.sqrt(below))
            log_slope = -0.5 * (np.log(above) + np.log(below)) - math.log(2)
            return self.start + self.rate * y, log_slope + math.log(self.rate)
        near, far = (above, below) if self.after else (below, above)
        ends = math.isfinite(self.low) and math.isfinite(self.high)
        # The ratio, and the log of its derivative times the distance from the spike over itself.
        with np.errstate(over="ignore"):
            ratio = near / (far if ends else self.scale)
        # What overflows on the encoded axis stays where no density is.
        ratio = np.minimum(ratio, np.finfo(float).max / (4 * max(1.0, self.rate)))
        log_growth = np.log(self.high - self.low) - np.log(far) if ends else 0.0
        root = np.sqrt(ratio)
        if self.linear:
            y = root * np.sqrt(1 + ratio)
            log_slope = np.log1p(2 * ratio) - 0.5 * np.log1p(ratio)
        else:
            y, log_slope = np.log1p(root), -np.log1p(root)
        y = self.rate * y
        log_slope += np.log(root) - math.log(2) - np.log(near) + log_growth
        return self.start + (y if self.after else -y), log_slope + math.log(self.rate)

    def decode(self, y: np.ndarray) -> np.ndarray:
        """Numbers of encoded ones."""
        v = (y - self.start) / self.rate
        if self.after and self.before:
            return self.low + (self.high - self.low) * np.sin(np.clip(v, 0, math.pi / 2)) ** 2
        v = np.maximum(v if self.after else -v, 0)
        if self.linear:
            ratio = v * (2 * v / (1 + np.hypot(1, 2 * v)))
        else:
            ratio = np.expm1(np.minimum(v, _LARGEST_LOG)) ** 2
        if math.isfinite(self.low) and math.isfinite(self.high):
            near = (self.high - self.low) * ratio / (1 + ratio)
        else:
            near = self.scale * ratio
        return self.low + near if self.after else self.high - near


@dataclass(frozen=True)
class Spike:
    """A value with a probability: a cell of the encoded axis, cut out of a normal distribution.

    Parameters
    ----------
    value : float
        The value.
    middle : float
        Middle of the standard normal distribution.
    first, last : bool
        Whether it is the least and the largest possible value, and reaches to infinity.
    """

    value: float
    middle: float
    first: bool
    last: bool

    @property
    def ends(self) -> tuple[float, float]:
        """Where it begins and ends on the encoded axis."""
        low = -math.inf if self.first else self.middle - _REACH
        return low, math.inf if self.last else self.middle + _REACH

    def encode(self, u: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Encoded points by their location in the unit interval, and their log volume."""
        low, high = (ndtr(end - self.middle) for end in self.ends)
        z = ndtri(low + (high - low) * np.asarray(u))
        return self.middle + z, math.log(high - low) + 0.5 * z**2 + _LOG_SQRT_2PI


class SpikedCodec(NumericCodec):
    """A real or whole number some values of which have a probability of their own.

    On the encoded axis, spikes and the stretches of numbers between them stand side by side, in
    order. Whole numbers are cells, and each spike stands for its own.

    Parameters
    ----------
    low, high : float
        Bounds, infinite where the support is open.
    whole : bool
        Whether only whole numbers occur.
    spikes : ndarray of shape (k,)
        The values that have a probability, rising.
    x : ndarray of shape (n,)
        Training values, NaN where missing.
    weight : ndarray of shape (n,), default=None
        Their weights, by which `details` tells shares; None where all are alike.
    """

    cells = "always"
    ends_are_rare = True

    def __init__(
        self,
        low: float,
        high: float,
        whole: bool,
        spikes: np.ndarray,
        x: np.ndarray,
        weight: np.ndarray | None = None,
    ):
        known = x[~np.isnan(x)]
        weight = None if weight is None else weight[~np.isnan(x)]
        rest = known[~np.isin(known, spikes)]
        self.low, self.high, self.whole = low, high, whole
        self.keeps_type = whole
        self.typical = float(rest[0])
        if whole:
            self._lattice = Lattice.of_whole(np.append(rest, spikes))
            half = self._lattice.distance / 2
        else:
            self._lattice, half = Lattice.of_real(rest, tie_spacing(rest)), 0.0
        self._half = half
        self._inside = next_to_bounds(rest, low, high)
        self._shares = [float(np.average(known == value, weights=weight)) for value in spikes]
        self._seen = float(rest.min()), float(rest.max()), len(np.unique(rest))
        self._values = np.array(spikes, dtype=np.float64)
        self._spikes, self._parts = self._lay_out(self._values.tolist(), rest)

    def _lay_out(self, values, rest):
        """Spikes in order, and the stretches before, between and after them, None where empty."""
        ends = [self.low - self._half, *values, self.high + self._half]
        spikes, parts = [], []
        at = 0.0
        for k, (low, high) in enumerate(itertools.pairwise(ends)):
            after, before = k > 0, k < len(values)
            low, high = low + self._half * after, high - self._half * before
            part = None
            if low < high:
                within = rest[(rest > low) & (rest < high)]
                part = replace(Stretch.fitted(low, high, after, before, within), start=at)
                at += part.width if after and before else 0.0
            parts.append(part)
            if before:
                first = k == 0 and part is None
                last = k == len(values) - 1 and values[k] >= self.high
                spikes.append(Spike(values[k], at + _REACH, first, last))
                at += 2 * _REACH
        return spikes, parts

    def locations(self, ranks: np.ndarray) -> np.ndarray:
        return ndtr(_SCALE * ndtri(ranks))

    def cell_ends(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.empty(x.shape), np.empty(x.shape)
        spiked, below = self.is_spike(x), np.searchsorted(self._values, x)
        for k, part in enumerate(self._parts):
            rows = (below == k) & ~spiked
            if part is not None and rows.any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    low[rows] = part.encode(np.maximum(x[rows] - self._half, part.low))[0]
                    high[rows] = part.encode(np.minimum(x[rows] + self._half, part.high))[0]
        for k, spike in enumerate(self._spikes):
            rows = (below == k) & spiked
            low[rows], high[rows] = spike.ends
        return low, high

    def is_spike(self, x: np.ndarray) -> np.ndarray:
        """Which numbers have a probability of their own."""
        return np.isin(x, self._values)

    def without_spikes(self, x: np.ndarray) -> np.ndarray:
        return x[~self.is_spike(x)]

    def spans_cells(self, x: np.ndarray, by_cell: bool) -> np.ndarray:
        return np.full(len(x), True) if self.whole and by_cell else self.is_spike(x)

    def contains(self, x: np.ndarray, by_cell: bool = False) -> np.ndarray:
        inside = (x >= self.low) & (x <= self.high)
        if not self.whole:
            return inside
        inside &= is_whole(x)
        return inside & self._lattice.contains(x) if by_cell else inside

    def _points(self, x, u):
        t = x if u is None else x + np.zeros_like(u)
        log_volume = np.zeros_like(t)
        if self.whole and u is not None:
            t = x + 2 * self._half * (u - 0.5)
            log_volume = np.full_like(t, math.log(2 * self._half))
        t = np.where(t == self.low, self._inside[0], np.where(t == self.high, self._inside[1], t))
        y = np.full_like(t, np.nan)
        spiked = self.is_spike(x[:, 0])
        below = np.searchsorted(self._values, x[:, 0])
        for k, part in enumerate(self._parts):
            rows = (below == k) & ~spiked
            if part is not None and rows.any():
                y[rows], log_slope = part.encode(t[rows])
                log_volume[rows] += log_slope
        for k, spike in enumerate(self._spikes):
            rows = (below == k) & spiked
            places = 0.5 if u is None else np.broadcast_to(u, t.shape)[rows]
            y[rows], log_volume[rows] = spike.encode(places)
        return y, log_volume

    def decode(self, y: np.ndarray) -> np.ndarray:
        x = np.empty_like(y)
        below = sum((y > spike.ends[1] for spike in self._spikes), np.zeros(y.shape, dtype=int))
        starts = np.array([spike.ends[0] for spike in self._spikes] + [np.inf])
        spiked = y >= starts[below]
        x[spiked] = self._values[below[spiked]]
        for k, part in enumerate(self._parts):
            rows = (below == k) & ~spiked
            if part is not None and rows.any():
                x[rows] = self._beside_spikes(part, part.decode(y[rows]))
        return x

    def _beside_spikes(self, part, t):
        """Decoded numbers of a stretch, on the lattice, and not on a spike."""
        after, before = self._reach(part)
        if self._lattice is None:
            return np.clip(t, after, before)
        return self._lattice.nearest(t, after, before)

    def _reach(self, part):
        """Between what the decoded numbers of a stretch lie."""
        after = np.nextafter(part.low, np.inf) if part.after else max(part.low, self.low)
        before = np.nextafter(part.high, -np.inf) if part.before else min(part.high, self.high)
        # Stretches of whole numbers already end beside the cells of spikes.
        room = 0.0 if self._lattice is None or self.whole else self._lattice.distance / 2
        return after + room * part.after, before - room * part.before

    def support(self):
        apart = self._lattice.distance if self.whole else 1
        values = "whole numbers" if self.whole else "numbers"
        return values + reach_in_words(self.low, self.high, apart)

    def upper_ends(self, x: np.ndarray) -> np.ndarray:
        """Encoded ends of all whose decoded values are at most x, infinite outside the support."""
        # A number that is off the lattice by rounding alone counts as the one there.
        at = x if self._lattice is None else np.maximum(x, self._lattice.below(x))
        y = np.empty(x.shape)
        spiked, below = self.is_spike(at), np.searchsorted(self._values, at)
        starts = [-np.inf, *(spike.ends[1] for spike in self._spikes)]
        ends = [*(spike.ends[0] for spike in self._spikes), np.inf]
        for k, part in enumerate(self._parts):
            rows = (below == k) & ~spiked
            if rows.any():
                y[rows] = starts[k]
                if part is not None:
                    y[rows] = self._upper_ends_within(part, at[rows], starts[k], ends[k])
        for k, spike in enumerate(self._spikes):
            y[(below == k) & spiked] = spike.ends[1]
        return np.where(x < self.low, -np.inf, np.where(x >= self.high, np.inf, y))

    def _upper_ends_within(self, part, x, start, end):
        """The same within a stretch that begins and ends there on the encoded axis."""
        if self._lattice is not None:
            first, last = self._lattice.ends(*self._reach(part))
            if first <= last:
                below = self._lattice.below(x)
                within = (below >= first) & (below < last)
                inner = np.where(within, below, first) + self._lattice.distance / 2
                y = part.encode(inner)[0]
                # The outermost values take all beyond them.
                return np.where(within, y, np.where(below < first, start, end))
        return part.encode(x)[0]

    def features(self, x: np.ndarray) -> np.ndarray:
        spiked = np.where(np.isnan(x), np.nan, self.is_spike(x))
        return np.column_stack([self.points(x, None)[0], spiked])

    def details(self) -> str:
        spikes = zip(self._values, self._shares, strict=True)
        text = ", ".join(f"{value:.6g} in {share:.1%}" for value, share in spikes)
        first, last, n_values = self._seen
        text += f", others {first:.6g} to {last:.6g}, {n_values} values"
        if self._lattice is not None:
            text += f", which are {self._lattice.distance:.6g} apart"
        if math.isfinite(self.low) or math.isfinite(self.high):
            text += f", bounds {self.low:.6g} and {self.high:.6g}"
        return text
