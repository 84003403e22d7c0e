"""A density module applied to arrays of rows, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .._seeds import check_random_state, draw_seed
from ..exceptions import InvalidDataError
from ._base import DensityModule
from ._chunks import chunk_size


class Evaluator:
    """Applies a density module to arrays, without gradients and in chunks of a fixed size.

    Chunks of a fixed size keep the score of a row the same whatever rows stand beside it.

    Parameters
    ----------
    module : DensityModule
        Density of standardised rows, in double precision.
    device : torch.device
        Where the module is.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from flowkit.bijections import SplineCoupling
    >>> from flowkit.modules import Evaluator, Flow
    >>> from flowkit.priors import Normal
    >>> flow = Flow(SplineCoupling(2), Normal(2)).double()
    >>> Evaluator(flow, torch.device("cpu")).log_prob(np.zeros((3, 2))).shape
    (3,)
    """

    def __init__(self, module: DensityModule, device: torch.device):
        self.module = module
        self.device = device

    def map(self, function: Callable, Z: np.ndarray, *others: np.ndarray) -> np.ndarray:
        """Apply a function of tensors to rows, and to what belongs to each row.

        Parameters
        ----------
        function : callable
            Takes chunks of Z and of the others, and returns a tensor of as many rows.
        Z : ndarray of shape (n, d)
            Rows.
        *others : ndarray of shape (n, ...)
            What belongs to them.

        Returns
        -------
        ndarray of shape (n, ...)
            The results, joined.
        """
        size = chunk_size(Z.shape[1])
        with torch.inference_mode():
            chunks = [
                function(*(torch.from_numpy(a[i : i + size]).to(self.device) for a in (Z, *others)))
                .cpu()
                .numpy()
                for i in range(0, len(Z), size)
            ]
        return np.concatenate(chunks)

    def log_prob(self, Z: np.ndarray, without: np.ndarray | None = None) -> np.ndarray:
        """Log density of standardised rows, shape (n,).

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Rows.
        without : ndarray of int of shape (n,), default=None
            A kernel that each row is scored without, as the module's ``own_kernel`` gives it.

        Returns
        -------
        ndarray of shape (n,)
            Nats.
        """
        if without is None:
            return self.map(self.module.log_prob, Z)
        return self.map(self.module.log_prob_without, Z, without)

    def encode(self, Z: np.ndarray) -> np.ndarray:
        """Latent of each row; of incomplete rows, NaN."""
        known = ~np.isnan(Z).any(1)
        if known.all():
            return self.map(self.module.encode, Z)
        # Flows alone take incomplete rows, and their latent is as wide as these.
        latent = np.full(Z.shape, np.nan)
        if known.any():
            latent[known] = self.map(self.module.encode, Z[known])
        return latent

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Standardised row of each latent."""
        return self.map(self.module.decode, latent)

    def sample(self, n: int, random_state) -> np.ndarray:
        """Draws of standardised rows.

        Parameters
        ----------
        n : int
            Number of rows.
        random_state : int, RandomState instance, Generator or None
            Source of randomness.

        Returns
        -------
        ndarray of shape (n, d)
            The rows.
        """
        return self.draw(n, random_state, self.module.sample)

    def draw(self, n: int, random_state, draw: Callable) -> np.ndarray:
        """What a function of a number and a `torch.Generator` draws.

        Parameters
        ----------
        n : int
            Number of draws.
        random_state : int, RandomState instance, Generator or None
            Source of randomness.
        draw : callable
            Such as ``module.sample``, or ``sample`` of a prior.

        Returns
        -------
        ndarray of shape (n, ...)
            The draws.

        Raises
        ------
        InvalidDataError
            If they do not fit into memory.
        """
        try:
            with torch.inference_mode():
                return draw(n, self.generator(random_state)).cpu().numpy()
        except (MemoryError, RuntimeError) as error:
            # torch has no class of its own for memory that is not there.
            if isinstance(error, RuntimeError) and "alloc" not in str(error):
                raise
            raise InvalidDataError(
                f"{n} draws at once do not fit into memory: draw them in parts."
            ) from error

    def generator(self, random_state) -> torch.Generator:
        """Source of randomness on the device of the module, seeded by a random state."""
        generator = torch.Generator(self.device)
        return generator.manual_seed(draw_seed(check_random_state(random_state)))

    def gradient_norm(self, Z: np.ndarray) -> np.ndarray:
        """Length of the gradient of the log density of standardised rows, shape (n,)."""

        def norms(z):
            # Scoring runs without gradients, which are wanted here.
            with torch.inference_mode(False), torch.enable_grad():
                z = z.clone().requires_grad_()
                (gradient,) = torch.autograd.grad(self.module.log_prob(z).sum(), z)
            return gradient.norm(dim=1)

        return self.map(norms, Z)
