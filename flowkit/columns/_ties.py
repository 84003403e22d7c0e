"""Values that repeat in a column: lattices, such as counts, and heavy values that stand alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..exceptions import HeavyValueWarning
from ..validation import warn
from ._gaps import Gap, find_gaps
from ._moments import steps

# A value shared by this share of the rows, or ties among that share, make a column discrete.
_HEAVY_VALUE = 0.01
_MANY_TIES = 0.25
# Fewest rows of a heavy value, and of one worth a warning though it lies among the others.
_FEWEST, _FEWEST_INSIDE = 3, 5
# Noise narrower than this share of the spread would leave spikes, and steps of less are none.
_MIN_WIDTH = 1e-3
# Noise of a heavy value is at most this share of the spread of the others.
_MAX_OWN_WIDTH = 0.1
# A heavy value further from its neighbours than so many typical steps is not of their lattice,
# unless their steps differ by nearly as much.
_FAR_STEPS, _UNLIKE_STEPS = 10, 5
# Values beyond a gap of so many times the range of the others are not among these.
_FAR_RANGES = 2
# More values than this beyond a gap are no codes, but rows of another kind.
_MAX_CODES = 5
# How far from whole steps, in steps, a value of a lattice is.
_OFF_STEP = 0.02
# Values that a warning shows.
_MAX_SHOWN = 10
# Why a value among the others stands out, by whether these form a lattice.
_REASONS = {
    True: "apart from the steps of all others",
    False: "while the values around it hardly repeat: a point mass, whose log density depends on "
    "the width of the noise that stands for it in training",
}


@dataclass(frozen=True)
class HeavyValue:
    """A value that many rows share, and no lattice explains.

    Parameters
    ----------
    column : int
        Its column.
    value : float
        The value.
    share : float
        Share of the rows that hold it.
    width : float
        Width of the uniform noise that it gets in training, in units of X.
    far : bool
        Whether it lies far away from the others.
    of_lattice : bool
        Whether the others form a lattice, of whose noise it has its share.
    """

    column: int
    value: float
    share: float
    width: float
    far: bool
    of_lattice: bool


# What overflows is told by name where the scale of the column is learned.
@np.errstate(over="ignore", invalid="ignore")
def find_ties(column: np.ndarray, index: int = 0) -> tuple[float, list[HeavyValue], list[Gap]]:
    """Spacing of the lattice that the repeated values of a column form, and values that stand out.

    Parameters
    ----------
    column : ndarray of shape (n,)
        Finite values.
    index : int, default=0
        Number of the column.

    Returns
    -------
    spacing : float
        Typical distance between repeated values, 0.0 if values hardly repeat, or if they form no
        lattice with the others.
    heavy : list of HeavyValue
        Values that many rows share though they are not of such a lattice.
    gaps : list of Gap
        Empty stretches between those of them that lie far away and all others.
    """
    values, counts = np.unique(column, return_counts=True)
    n, least = len(column), max(_FEWEST, _HEAVY_VALUE * len(column))
    if len(values) < 2:
        return 0.0, [], []
    near = _near(values)
    v, c = values[near], counts[near]
    gaps, heavy, spread = _nearest(v), c >= least, _spread(column, v)
    if _is_lattice(v, c, heavy, n, spread):
        middle, wide = np.quantile(gaps[c > 1], [0.5, 0.9])
        alone = heavy & (gaps > max(_FAR_STEPS * middle, _UNLIKE_STEPS * wide))
        kept = (c > 1) & ~alone
        spacing = max(_weighted_median(gaps[kept], c[kept]), _MIN_WIDTH * spread)
    else:
        alone, spacing = heavy, 0.0
    own = np.zeros(len(values), dtype=bool)
    own[near] = alone
    far = counts >= _FEWEST
    far[near] = False
    standing = np.flatnonzero(own | far)
    if not standing.size:
        return spacing, [], []
    light = v[~heavy] if (~heavy).sum() > 1 else v
    spread = _spread(column[np.isin(column, light)], light)
    widths = np.clip(_nearest(values), _MIN_WIDTH * spread, _MAX_OWN_WIDTH * spread)
    heavy = [
        HeavyValue(
            index,
            float(values[i]),
            float(counts[i] / n),
            spacing or float(widths[i]),
            bool(far[i]),
            of_lattice=spacing > 0,
        )
        for i in standing
    ]
    return spacing, heavy, find_gaps(index, values, far, near, max(spread, spacing))


def tie_spacing(column: np.ndarray) -> float:
    """Spacing of the lattice that the repeated values of a column form, 0.0 if they form none."""
    return find_ties(column)[0]


def own_noise(heavy: list[HeavyValue]) -> list[tuple[int, float, float]]:
    """Column, value and width of the noise of those that no lattice lends its own."""
    return [(h.column, h.value, h.width) for h in heavy if not h.of_lattice]


def warn_heavy(heavy: list[HeavyValue], n: int, names: np.ndarray | None) -> None:
    """Name the values that stand out, if any."""
    far = [value for value in heavy if value.far]
    if far:
        warn(
            f"{_list(far, names)}, far away from all others, which looks like a code for missing: "
            "make it NaN for a density with missing='marginalize', or leave these rows out, or "
            "give TableDensity a category that tells them apart. As a number it is spread over "
            "its own neighbourhood alone.",
            HeavyValueWarning,
        )
    inside = [value for value in heavy if not value.far and value.share * n >= _FEWEST_INSIDE]
    for of_lattice, reason in _REASONS.items():
        if found := [value for value in inside if value.of_lattice == of_lattice]:
            warn(
                f"{_list(found, names)}, {reason}. If it is a code for missing, make it NaN for a "
                "density with missing='marginalize'; if it is a state of its own, give "
                "TableDensity a category that tells these rows apart.",
                HeavyValueWarning,
            )


def _list(heavy, names):
    shown = [
        f"column {h.column if names is None else names[h.column]} holds {h.value:.6g} in "
        f"{h.share:.1%} of the rows"
        for h in heavy[:_MAX_SHOWN]
    ]
    rest = len(heavy) - len(shown)
    return ", ".join(shown) + (f", and so on for {rest} more" if rest else "")


def _near(values):
    """Slice of distinct values without the few that lie far away from all others."""
    k = len(values)
    half = max(2, -(-k // 2))
    first = np.argmin(values[half - 1 :] - values[: k - half + 1])
    last = first + half - 1
    high = _cut(values[first:])
    low = _cut(-values[last::-1])
    if low + high >= k - low - high:
        return slice(0, k)
    return slice(low, k - high)


def _cut(values):
    """How many of the last values lie beyond a gap that is wide for what comes before."""
    gaps = np.diff(values)
    for n_beyond in range(min(_MAX_CODES, len(gaps) - 1), 0, -1):
        i = len(gaps) - n_beyond
        reach = max(_FAR_RANGES * (values[i] - values[0]), _FAR_STEPS * gaps[:i].max())
        if gaps[i] > reach:
            return n_beyond
    return 0


def _spread(column, values):
    """Deviation of a column within the range of some values, whatever few of these do."""
    rows = column[(column >= values[0]) & (column <= values[-1])]
    low, high = np.quantile(rows, [0.05, 0.95])
    deviation = rows.std()
    return min(deviation, high - low) if high > low else deviation


def _is_lattice(values, counts, heavy, n, spread):
    """Whether the repeated values of a column stand for all of it."""
    light = counts[~heavy]
    n_light, n_tied = light.sum(), light[light > 1].sum()
    if n_tied > _MANY_TIES * n_light or not n_light:
        return True
    if not heavy.any():
        return False
    several = heavy.sum() > 1
    sources = [values[heavy], values] if several else [values]
    for source in sources:
        step = _least_step(source)
        if step < _MIN_WIDTH * spread:
            continue
        steps = (values - values[counts.argmax()]) / step
        off = np.abs(steps - np.rint(steps)) > _OFF_STEP
        # One value is on a lattice with any other, two are with few.
        if counts[off & ~heavy].sum() <= (_HEAVY_VALUE * n if several else 0):
            return True
    return False


def _least_step(values):
    """Least distance between values that rounding alone does not explain."""
    gaps = np.diff(values)
    rounding = 16 * steps(np.abs(values).max())
    return gaps[gaps > rounding].min(initial=np.inf)


def _nearest(values):
    """Distance of each of some values in order to the nearest other."""
    gaps = np.diff(values)
    return np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))


def _weighted_median(values, weights):
    order = np.argsort(values)
    cumulative = weights[order].cumsum()
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
