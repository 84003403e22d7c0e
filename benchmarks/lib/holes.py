"""Holes in images, and the search for what fills them along latents of any flow."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np

from .metrics import count

KERNEL = 4
N_BLOCKS = 4
LEARNING_RATE = 0.05
N_TIMED_STEPS = 3


def square(shape: tuple[int, int], edge: int, corner: tuple[int, int]) -> np.ndarray:
    """Columns of a square hole, wrapped round the edges."""
    hole = np.zeros(shape, dtype=bool)
    rows, columns = (np.arange(c, c + edge) % n for c, n in zip(corner, shape, strict=True))
    hole[np.ix_(rows, columns)] = True
    return hole.ravel()


def corners(edge: int, within: tuple[int, int], n: int, rng: np.random.Generator) -> list:
    """Corners of holes, alternately on multiples of the block edge and off them on both axes."""
    positions = np.arange(within[0], within[1] - edge + 1)
    on, off = positions[positions % KERNEL == 0], positions[positions % KERNEL != 0]
    return [
        tuple(int(c) for c in rng.choice(off if i % 2 and len(off) else on, 2)) for i in range(n)
    ]


class FreeLatents:
    """A hole to fill by latents of any flow: what `most_likely` needs of a `LatticeHole`.

    Parameters
    ----------
    flow : flowkit.modules.Flow
        Density of the rows.
    rows : Tensor of shape (n, n_features)
        What they hold in the hole is where the search begins.
    hole : ndarray of bool of shape (n_features,)
        Columns to fill.
    free : ndarray of int
        Columns of the latents that the search moves.
    """

    def __init__(self, flow: Any, rows: Any, hole: np.ndarray, free: np.ndarray):
        import torch

        self.cone = self
        self.flow, self.rows = flow, rows
        self.hole, self.free = torch.from_numpy(np.flatnonzero(hole)), torch.from_numpy(free)
        self.start = rows.index_select(1, self.hole)
        with torch.no_grad():
            self.z = flow.encode(rows)
        self.latents = self.z.index_select(1, self.free)

    def inverse(self, latents: Any) -> Any:
        """Values in the hole."""
        rows = self.flow.decode(self.z.index_copy(1, self.free, latents))
        return rows.index_select(1, self.hole)

    def log_density(self, values: Any) -> Any:
        """Log density with these values next to the true surroundings."""
        return self.flow.log_prob(self.rows.index_copy(1, self.hole, values))


def convolution_weights(module: Any) -> int:
    """Number of parameters of the convolutions of a flow, without those of single pixels."""
    from flowkit.nets import ConvNet

    networks = [m for m in module.modules() if isinstance(m, ConvNet)]
    return sum(count(network) - network.bias.numel() for network in networks)


def couplings(edge: int, width: int) -> list:
    """Couplings of a convolutional RealNVP, as FractalFlowDensity stacks them."""
    from flowkit.bijections import FractalCoupling

    options = {"n_levels": 0, "coupling": "affine", "conditioner": "conv", "tied": True}
    options |= {"image_shape": (edge, edge), "hidden_units": width, "tail_bound": 4.0}
    return [FractalCoupling(edge**2, reverse=bool(i % 2), **options) for i in range(N_BLOCKS)]


def matched_width(n_parameters: int) -> int:
    """Width with which the convolutions have about as many weights."""
    sizes = {
        width: sum(map(convolution_weights, couplings(KERNEL, width))) for width in range(8, 129)
    }
    return min(sizes, key=lambda width: abs(sizes[width] - n_parameters))


def lattice_of(estimator: Any) -> Any:
    """The lattice of a fitted RGFlowDensity."""
    from flowkit.bijections import Lattice

    return next(m for m in estimator.module_.bijection.bijections if isinstance(m, Lattice))


class Space:
    """An estimator taken apart: maps of single columns, and the flow behind them."""

    def __init__(self, estimator: Any):
        from flowkit.bijections import Compose, FractalCoupling, Lattice
        from flowkit.modules import Flow

        module = copy.deepcopy(estimator.module_).requires_grad_(False)
        steps = list(module.bijection.bijections)
        first = next(i for i, s in enumerate(steps) if isinstance(s, FractalCoupling | Lattice))
        self.estimator = estimator
        self.entrance = Compose(steps[:first]) if first else None
        self.flow = Flow(Compose(steps[first:]), module.prior)

    def enter(self, X: np.ndarray) -> Any:
        import torch

        y = torch.from_numpy((X - self.estimator.location_) / self.estimator.scale_)
        with torch.no_grad():
            return y if self.entrance is None else self.entrance(y)[0]

    def leave(self, y: Any) -> np.ndarray:
        import torch

        with torch.no_grad():
            z = y if self.entrance is None else self.entrance.inverse(y)[0]
        return z.numpy() * self.estimator.scale_ + self.estimator.location_

    def fill(self, X: np.ndarray, hole: np.ndarray, free: np.ndarray, n_steps: int) -> np.ndarray:
        """Rows whose hole is filled by a search along some latents."""
        from flowkit.modules.lattice_holes import most_likely

        rows = self.enter(np.where(hole, self.estimator.location_, X))
        rows[:, np.flatnonzero(hole)] = 0.0
        search = FreeLatents(self.flow, rows, hole, free)
        values = most_likely(search, n_steps, LEARNING_RATE)
        return np.where(hole, self.leave(rows.index_copy(1, search.hole, values)), X)

    def log_density(self, X: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            return self.flow.log_prob(self.enter(X)).numpy()


class TimedHole:
    """A hole that notes when each step of a search begins.

    Parameters
    ----------
    hole : flowkit.modules.lattice_holes.LatticeHole or FreeLatents
        Which hole.
    """

    def __init__(self, hole: Any):
        self._hole, self.cone, self.times = hole, self, []
        self.start, self.latents, self.log_density = hole.start, hole.latents, hole.log_density

    def inverse(self, latents: Any) -> Any:
        self.times.append(time.process_time())
        return self._hole.cone.inverse(latents)

    def seconds_per_step(self) -> list[float]:
        """CPU seconds of each step of a short search."""
        from flowkit.modules.lattice_holes import most_likely

        self.times = []
        # The values behind the last step are scored too, so every step has an end.
        most_likely(self, N_TIMED_STEPS, LEARNING_RATE)
        return np.diff(self.times).tolist()


def largest_difference(cone: Any, whole: FreeLatents) -> float:
    """Of the gradients by latents, which outside the cone must be zero."""
    import torch

    def gradient(hole):
        latents = hole.latents.clone().requires_grad_()
        # Other values than those of the start, so that all of the way back counts.
        values = hole.cone.inverse(1.1 * latents)
        return torch.autograd.grad(hole.log_density(values).sum(), latents)[0]

    near = torch.zeros_like(whole.latents).index_copy(1, cone.cone.columns, gradient(cone))
    far = gradient(whole)
    return float((near - far).abs().max() / far.abs().max())
