"""Glow of normflows for 8-bit images, trained as the flows of `lib.image_flows` are."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import numpy as np

from .budgets import WARMUP
from .data import bits, flat, logits
from .image_flows import BATCH, LEARNING_RATE, log_slope_of_logits
from .metrics import count

# Levels at most, steps a level, and channels of their networks.
LEVELS, STEPS, CHANNELS = 3, 8, 64
HELD_OUT, LARGEST_GRADIENT, SCORED = 0.1, 5.0, 250


class Glow:
    """Affine couplings of channels and 1 x 1 convolutions behind the logit of grey levels.

    Ends with the batch in which the budget is used up, and keeps the weights that are best on a
    tenth of the images, held out; normal densities of the latents have a mean and a scale for each
    of them.

    Parameters
    ----------
    n_steps : int, default=8
        Steps of each level.
    n_channels : int, default=64
        Channels of their networks.
    """

    def __init__(self, n_steps: int = STEPS, n_channels: int = CHANNELS):
        self.n_steps, self.n_channels = n_steps, n_channels

    def fit(self, images: np.ndarray, seed: int, budget: float) -> Glow:
        """Fit to images of shape (n, height, width) or with channels last."""
        import torch

        begin = time.process_time()
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(images))
        n_held = max(1, round(HELD_OUT * len(images)))
        held, train = images[order[:n_held]], images[order[n_held:]]
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = self._module(images.shape[1:])
            with torch.no_grad():
                # The first batch sets locations and scales of the steps.
                self._log_density(train[:SCORED], rng)
            self._train(train, held, rng, begin, budget)
        return self

    def bits_per_dim(self, images: np.ndarray) -> float:
        return bits(self._score(images), flat(images).shape[1])

    @property
    def n_parameters(self) -> int:
        return count(self.module)

    def _module(self, shape: tuple[int, ...]) -> Any:
        import normflows as nf

        height, width, *channels = shape
        n_channels, n_levels = (channels or [1])[0], 0
        while n_levels < LEVELS and not (height % 2 or width % 2):
            height, width, n_levels = height // 2, width // 2, n_levels + 1
        bases, flows, merges = [], [], []
        for i in range(n_levels):
            depth = n_channels * 2 ** (n_levels + 1 - i)
            steps = [nf.flows.GlowBlock(depth, self.n_channels) for _ in range(self.n_steps)]
            flows.append([*steps, nf.flows.Squeeze()])
            if i:
                merges.append(nf.flows.Merge())
            # All levels but the coarsest pass half of their channels on.
            own = (depth // 2 if i else depth, height * 2**i, width * 2**i)
            bases.append(nf.distributions.DiagGaussian(own))
        return nf.MultiscaleFlow(bases, flows, merges, class_cond=False)

    def _log_density(self, images: np.ndarray, rng: Any) -> Any:
        """Of each image with uniform noise, in nats and in units of grey levels."""
        import torch

        z = logits(flat(images) + rng.uniform(-0.5, 0.5, flat(images).shape))
        channels = z.reshape(*images.shape[:3], -1).transpose(0, 3, 1, 2)
        found = self.module.log_prob(torch.from_numpy(channels).float(), None)
        return found + torch.from_numpy(log_slope_of_logits(z)).float()

    def _score(self, images: np.ndarray) -> float:
        """Mean log density with one draw of noise."""
        import torch

        rng, total = np.random.RandomState(0), 0.0
        with torch.no_grad():
            for i in range(0, len(images), SCORED):
                total += self._log_density(images[i : i + SCORED], rng).double().sum().item()
        return total / len(images)

    def _train(
        self, train: np.ndarray, held: np.ndarray, rng: Any, begin: float, budget: float
    ) -> None:
        import torch

        self.n_iter_, start = 0, time.process_time()
        left = begin + budget - start
        best, kept = self._score(held), copy.deepcopy(self.module.state_dict())
        optimiser = torch.optim.Adam(self.module.parameters(), lr=LEARNING_RATE)
        share = 0.0 if left > 0 else 1.0
        while share < 1:
            order = rng.permutation(len(train))
            for i in range(0, len(order), BATCH):
                rate = min(1.0, share / WARMUP, 0.5 * (1 + math.cos(math.pi * share)))
                optimiser.param_groups[0]["lr"] = LEARNING_RATE * rate
                optimiser.zero_grad()
                (-self._log_density(train[order[i : i + BATCH]], rng).mean()).backward()
                torch.nn.utils.clip_grad_norm_(self.module.parameters(), LARGEST_GRADIENT)
                optimiser.step()
                share = (time.process_time() - start) / left
                if share >= 1:
                    break
            self.n_iter_ += 1
            if (now := self._score(held)) > best:
                best, kept = now, copy.deepcopy(self.module.state_dict())
        self.module.load_state_dict(kept)


def fit_glow(images: np.ndarray, seed: int, budget: float) -> Glow:
    return Glow().fit(images, seed, budget)
