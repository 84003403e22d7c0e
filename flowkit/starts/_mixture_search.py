"""Number and form of the components of a mixture, by the density of rows left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from ._expectation_maximisation import (
    grown,
    improve,
    least_variances,
    log_density,
    spread_out,
)
from ._flow_start import FlowStart, MixtureStart, narrowest_variance

_SIZES = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 130)
# Up to so many components begin on rows spread out, more by splitting fewer.
_MAX_SPREAD_OUT = 12
# Full covariance matrices have d^2 / 2 numbers a component.
_MAX_FULL_FEATURES = 64
# The search ends when this many sizes in a row have not gained.
_PATIENCE = 3
# Gain of the mean log density of rows left out, in nats, that more components must bring.
_LEAST_GAIN = 0.01
# Regularisations, the smaller ones tried where the first is felt.
_REGULARISATIONS = (1e-3, 1e-6, 1e-9, 1e-12)
_FELT = 5.0
# Gain that a smaller regularisation must bring: in nats, beyond so many of its standard errors.
_NOTABLE_GAIN, _SURE = 0.02, 2.0
# What single precision tells apart in standardised columns.
_FINEST_VARIANCE = 1e-13
# Log density below which it counts by its logarithm: one row far out does not settle what suits
# all others.
_FAR_OUT = -200.0
# Maps are compared by mixtures of at most so many components, all sizes by the best of these.
_MANY = 8
# Up to so many columns, diagonal covariances have hardly fewer numbers than full ones.
_MAX_ONLY_FULL = 3
_N_FOLDS = 5
# Folds that are left out in turn, until so many rows were.
_ENOUGH_LEFT_OUT = 400
# Fewest rows for each column of a full covariance matrix, and for a diagonal one.
_ROWS_A_FEATURE, _ROWS_A_COMPONENT = 5, 10
# Nats of all rows left out that each number of a mixture must gain. Without, a flow that is trained
# with its mixture learns the rows by heart before it has bent much.
_NATS_A_PARAMETER = 1.0
# Sketches of either kind of the shape that is chosen; the likeliest of each are finished.
_N_SPREAD_OUT, _N_GROWN = 8, 3
# While shapes are compared, and while mixtures grow, fits may stop early.
_SKETCH = {"max_iter": 12, "tol": 2e-3}
# Steps on more rows than the search looks at.
_LAST_STEPS = 10

# before(rows): the maps of a flow in front of its mixture, fitted to these rows.
Before = Callable[[np.ndarray], FlowStart]


@dataclass(frozen=True)
class Shape:
    """What is settled about a mixture before it is fitted.

    Parameters
    ----------
    size : int
        Number of components.
    covariance : {'full', 'diag'}
        Form of the covariances.
    regularisation : float, default=1e-3
        Added to variances, divided by the number of rows of a component.
    """

    size: int
    covariance: str
    regularisation: float = _REGULARISATIONS[0]

    def fit(self, Z: np.ndarray, rng: np.random.RandomState) -> MixtureStart:
        """The likeliest of fits from rows spread out and, where large, grown from smaller ones."""
        if self.size == 1:
            return self._improve(self._spread_out(Z, rng), Z)[0]
        spread = [self._sketch(self._spread_out(Z, rng), Z) for _ in range(_N_SPREAD_OUT)]
        sketches = [_likeliest(spread)]
        if self.size > _MAX_SPREAD_OUT:
            sketches.append(_likeliest(self._grown(Z, rng) for _ in range(_N_GROWN)))
        return _likeliest(self._improve(sketch, Z) for sketch in sketches)

    def finish(self, mixture: MixtureStart, Z: np.ndarray) -> MixtureStart:
        """A fit to some rows, fitted to more of them in a few steps."""
        return improve(mixture, Z, self.regularisation, max_iter=_LAST_STEPS)[0]

    def _grown(self, Z, rng):
        mixture = None
        for size in [*(size for size in _SIZES if _MAX_SPREAD_OUT <= size < self.size), self.size]:
            shape = replace(self, size=size)
            begun = shape._spread_out(Z, rng) if mixture is None else shape._split(mixture, Z, rng)
            mixture, log_density = shape._sketch(begun, Z)
        return mixture, log_density

    def sketch(
        self, Z: np.ndarray, rng: np.random.RandomState, fewer: MixtureStart | None
    ) -> MixtureStart:
        """A fit that is good enough to compare shapes by, where large the better of two."""
        begun = [self._spread_out(Z, rng)]
        if fewer is not None and self.size > _MAX_SPREAD_OUT:
            begun.append(self._split(fewer, Z, rng))
        return _likeliest(self._sketch(mixture, Z) for mixture in begun)

    def _spread_out(self, Z, rng):
        return spread_out(Z, self.size, self.covariance, rng, self.regularisation)

    def _split(self, fewer, Z, rng):
        return grown(fewer, Z, self.size, rng, self.regularisation)

    def _sketch(self, mixture, Z):
        return improve(mixture, Z, self.regularisation, **_SKETCH)

    def _improve(self, mixture, Z):
        return improve(mixture, Z, self.regularisation)


def _likeliest(fits):
    return max(fits, key=lambda fit: fit[1])[0]


def choose_shape(
    Z: np.ndarray,
    befores: Sequence[Before],
    n_components: int | None,
    covariance: str | None,
    rng: np.random.RandomState,
) -> tuple[Before, Shape]:
    """The maps and the mixture behind them by which rows left out are likeliest.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows.
    befores : sequence of callable
        Maps to choose from.
    n_components : int or None
        Number of components, None to choose it.
    covariance : {'full', 'diag'} or None
        Form of the covariances, None to choose it.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    before : callable
        One of `befores`.
    shape : Shape
        Shape of the mixture.
    """
    if n_components is not None:
        n_components = min(n_components, len(Z))
    forms = _forms(Z.shape[1]) if covariance is None else [covariance]
    sides = list(_sides(Z))
    if not sides:
        enough = len(Z) >= _ROWS_A_FEATURE * Z.shape[1]
        return befores[0], Shape(n_components or 1, forms[0] if enough else forms[-1])
    sizes = _SIZES if n_components is None else (n_components,)
    few = [size for size in sizes if size <= _MANY or n_components]
    lines = []
    for form in forms:
        behind = [_Line(Z, sides, before, form, rng) for before in befores]
        for line in behind:
            line.grow(few)
        # What few components need their maps for, many can do by themselves.
        others = sorted(behind[1:], key=attrgetter("highest"))[-1:]
        lines += [behind[0], *others]
    leader = max(lines, key=attrgetter("highest"))
    # The simpler form catches up only where rows are too few for components of the other.
    growing = lines if leader.ran_out else [line for line in lines if line.form == leader.form]
    for line in growing:
        line.grow(sizes[len(line.tried) :])
        line.refine(sizes)
    best = lines[0]
    for line in lines[1:]:
        best = line if line.highest > best.highest + _LEAST_GAIN else best
    return best.before, best.shape


def _forms(d: int) -> list[str]:
    if d <= _MAX_ONLY_FULL:
        return ["full"]
    return ["full", "diag"] if d <= _MAX_FULL_FEATURES else ["diag"]


def _sides(Z: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Masks of rows that are fitted and left out, none where there are too few."""
    # Repeats of a row stay on one side.
    distinct, row = np.unique(Z, axis=0, return_inverse=True)
    if len(distinct) < 2 * _N_FOLDS:
        return
    fold = row.reshape(-1) % _N_FOLDS
    n_wanted = math.ceil(_ENOUGH_LEFT_OUT * _N_FOLDS / len(Z))
    for k in range(min(n_wanted, _N_FOLDS)):
        yield fold != k, fold == k


class _Fold:
    """Rows behind maps that were fitted to some of them, and the others behind the same maps."""

    def __init__(self, fitted, left_out, before):
        start = before(fitted)
        self.fitted = start.apply(fitted)[0].numpy()
        self.left_out, self.log_det = (a.numpy() for a in start.apply(left_out))
        self.back = np.eye(fitted.shape[1])
        if start.linear is not None:
            self.back = np.linalg.inv(start.linear[0])

    def log_density(self, mixture: MixtureStart) -> np.ndarray:
        """Log densities of the rows left out."""
        values = log_density(mixture, self.left_out) + self.log_det
        beyond = np.maximum(values / _FAR_OUT, 1.0)
        return np.maximum(values, _FAR_OUT) + _FAR_OUT * np.log(beyond)

    def is_too_fine(self, mixture: MixtureStart) -> bool:
        """Whether some variance is too small in the units of the rows before the maps."""
        full = mixture.covariances
        if mixture.covariance == "diag":
            full = full[:, None] * np.eye(full.shape[1])
        return narrowest_variance(self.back @ full @ self.back.T, "full") < _FINEST_VARIANCE


class _Line:
    """Sizes of mixtures of one form behind the same maps."""

    def __init__(self, Z, sides, before, form, rng):
        self.before, self.form, self.rng = before, form, rng
        self.folds = [_Fold(Z[left], Z[out], before) for left, out in sides]
        self._begin(_REGULARISATIONS[0])

    def _begin(self, regularisation):
        self.regularisation = regularisation
        self.tried, self.setbacks, self.highest, self.ran_out = [], 0, -np.inf, False
        self.shape, self.height, self.mixtures = None, -np.inf, None
        self.last = [None] * len(self.folds)

    def grow(self, sizes: Iterable[int]) -> None:
        """Go on to larger sizes while these gain; of sizes that are level the smallest is kept."""
        n, d = min(fold.fitted.shape for fold in self.folds)
        n_wanted = _ROWS_A_FEATURE * d if self.form == "full" else _ROWS_A_COMPONENT
        cost = _NATS_A_PARAMETER * (1 + (d * (d + 3) // 2 if self.form == "full" else 2 * d)) / n
        for size in sizes:
            self.ran_out = bool(self.tried) and size * n_wanted > n
            if self.setbacks == _PATIENCE or self.ran_out:
                break
            shape = Shape(size, self.form, self.regularisation)
            self.last = [
                shape.sketch(fold.fitted, self.rng, fewer)
                for fold, fewer in zip(self.folds, self.last, strict=True)
            ]
            height = self._evaluate(self.last).mean() - size * cost
            if self.shape is None or height > self.height + _LEAST_GAIN:
                self.shape, self.height, self.mixtures = shape, height, self.last
            self.setbacks = 0 if height > self.highest else self.setbacks + 1
            self.highest = max(self.highest, height)
            self.tried.append(size)

    def refine(self, sizes: Sequence[int]) -> None:
        """Take narrower components where these make rows left out surely likelier."""
        chosen = self.regularisation
        mixtures = self.mixtures
        for regularisation in _REGULARISATIONS[1:]:
            if not self._is_felt(mixtures, chosen):
                break
            # As many steps for both, as each of them gains.
            values = self._evaluate(self._improved(mixtures, chosen))
            mixtures = self._improved(mixtures, regularisation)
            if any(map(_Fold.is_too_fine, self.folds, mixtures)):
                break
            gain = self._evaluate(mixtures) - values
            if not gain.mean() > _NOTABLE_GAIN + _SURE * gain.std() / math.sqrt(len(gain)):
                break
            chosen = regularisation
        if chosen != self.regularisation:
            self._begin(chosen)
            self.grow(sizes)

    def _improved(self, mixtures, regularisation):
        return [
            improve(mixture, fold.fitted, regularisation, **_SKETCH)[0]
            for fold, mixture in zip(self.folds, mixtures, strict=True)
        ]

    def _evaluate(self, mixtures):
        """Log densities of all rows left out."""
        return np.concatenate(list(map(_Fold.log_density, self.folds, mixtures)))

    def _is_felt(self, mixtures, regularisation):
        """Whether some component is hardly wider than its regularisation."""
        for fold, mixture in zip(self.folds, mixtures, strict=True):
            n_rows = np.maximum(mixture.weights * len(fold.fitted), 1.0)
            if (least_variances(mixture) < _FELT * regularisation / n_rows).any():
                return True
        return False
