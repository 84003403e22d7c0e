"""What each scale of a lattice has to do with rows: latents, shares of the density, styles."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidDataError
from ..validation import (
    as_numbers,
    check_array,
    check_count,
    refuse_unreal,
    shown,
    typed_errors,
)

# Values of latents that derivatives are taken of at once.
_MAX_FIELD_VALUES = 2**18


class ScaleAnalysis:
    """Methods of a density whose latents have levels; goes before its base class."""

    def latent_pyramid(self, X):
        """Latents of each row, level by level.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        pyramid : list of ndarray of shape (n_samples, n_latents_of_the_level)
            The columns of `transform`, finest level first. `latent_levels_` tells where they sit:
            those of level h are at ``np.flatnonzero(latent_levels_ == h)``.
        """
        Z = self._encode_rows(X)
        return [Z[:, self.latent_levels_ == level] for level in range(self.n_levels_)]

    def inverse_latent_pyramid(self, pyramid):
        """Rows of a pyramid of latents.

        Parameters
        ----------
        pyramid : list of array-like of shape (n_samples, n_latents_of_the_level)
            As `latent_pyramid` returns it.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows, float64; continuous ones, so that the way back is exact.

        Raises
        ------
        ValueError
            If levels are missing, of another size, or not finite.
        """
        check_is_fitted(self)
        wanted = np.bincount(self.latent_levels_).tolist()
        levels = self._read_levels(pyramid)
        shapes = [level.shape for level in levels]
        n = len(levels[0]) if levels else 0
        if shapes != [(n, size) for size in wanted]:
            raise InvalidDataError(
                f"expected {self.n_levels_} levels of shapes "
                f"{', '.join(f'(n, {size})' for size in wanted)}, got {shapes}."
            )
        Z = np.empty((n, self.n_features_in_))
        for level, values in enumerate(levels):
            Z[:, self.latent_levels_ == level] = values
        return self._decode(Z)

    def _read_levels(self, pyramid):
        """Levels of a pyramid as arrays."""
        with typed_errors("pyramid"):
            levels = list(pyramid)
        for level in levels:
            refuse_unreal(level, self)
        return [check_array(level, dtype=np.float64, input_name="pyramid") for level in levels]

    def score_levels(self, X):
        """Which scale and which location make a row likely or surprising.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        shares : Bunch
            In nats: ``scores`` (n_samples, n_levels), which sum to `score_samples`; ``prior`` and
            ``log_det`` of the same shape, which sum to ``scores``: what the latents of a level
            have in the prior, and what its bijections have in the log-determinant, the scale of
            the columns counting as the finest level; and ``maps``
            (n_samples, n_levels, height, width), or (n_samples, n_levels, n_features) for chains:
            ``scores`` by location. Latents with a topic prior share its density evenly.
        """
        check_is_fitted(self)
        Z = self._columns.standardise(self._validate_rows(X, reset=False))
        n_levels = self.n_levels_
        shares = self._evaluator.map(self._shares, Z).reshape(len(Z), n_levels, -1)
        # As in score_samples: rows so far away that squares overflow have no density left.
        shares[np.isnan(shares)] = -np.inf
        prior, log_det, maps = shares[..., 0], shares[..., 1], shares[..., 2:]
        return Bunch(
            scores=prior + log_det,
            prior=prior,
            log_det=log_det,
            maps=maps.reshape(len(Z), n_levels, *self._grid()),
        )

    def receptive_fields(self, level, latents=None, *, n_samples=32, random_state=0):
        """How strongly latents move each pixel, on average over draws from the density.

        Parameters
        ----------
        level : int
            Level of the latents, 0 for the finest.
        latents : array-like of int or None, default=None
            Which latents of the level, numbered as in `latent_pyramid`; None takes all, of which
            fine levels have many.
        n_samples : int, default=32
            Number of draws.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of the draws.

        Returns
        -------
        fields : ndarray of shape (n_latents, height, width) or (n_latents, n_features)
            Mean absolute derivative of each pixel by each latent, in units of X, summed over
            channels; for chains, of each column. Exactly zero where the lattice has no path.

        Raises
        ------
        ValueError
            If there is no such level or latent.

        References
        ----------
        Hu et al., arXiv 2010.00029, section on receptive fields.
        """
        check_is_fitted(self)
        columns = self._columns_of(level, latents)
        n_samples = check_count(n_samples, "n_samples")
        d, evaluator = self.n_features_in_, self._evaluator
        device, generator = evaluator.device, evaluator.generator(random_state)
        with torch.no_grad():
            draws = self.module_.prior.sample(n_samples, generator)
            log_volumes = self._columns.log_volumes(self.module_.decode(draws).cpu().numpy())
            lengths = torch.from_numpy(np.exp(log_volumes)).to(draws)

            def strength(column):
                direction = torch.zeros(d, dtype=draws.dtype, device=device)
                direction = direction.scatter(0, column, 1.0).expand_as(draws)
                slope = _derivative(self.module_.decode, draws, direction)
                return (lengths * slope).abs().mean(0)

            at_once = max(1, _MAX_FIELD_VALUES // draws.numel())
            columns = torch.from_numpy(columns).to(device)
            fields = torch.func.vmap(strength, chunk_size=at_once)(columns[:, None])
        return fields.cpu().numpy().reshape(len(columns), *self._grid(), -1).sum(-1)

    def mix_styles(self, content, style, level):
        """Rows with the coarse latents of some rows and the fine ones of others.

        Parameters
        ----------
        content : array-like of shape (n_samples, n_features)
            Rows that give the latents of `level` and of those above.
        style : array-like of shape (n_samples, n_features)
            Rows that give the latents of the finer levels.
        level : int
            Where to cut: 0 gives `content` back, `n_levels_` gives `style`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Mixed rows, float64; of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If there is no such level, or the rows are not pairs.
        """
        check_is_fitted(self)
        cut = self._check_level(level, self.n_levels_)
        first, second = self._encode_pairs(content, style)
        mixed = np.where(self.latent_levels_ >= cut, first, second)
        return self._columns.to_domain(self._decode(mixed))

    def walk(self, X, level, latent=0, *, steps=(-3, -2, -1, 0, 1, 2, 3)):
        """Rows moved along a latent of one level, all other latents as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Where to start.
        level : int
            Level of the latent.
        latent : int or array-like of shape (n_latents_of_the_level,), default=0
            Which latent of the level, numbered as in `latent_pyramid`, or a direction.
        steps : float or array-like of shape (n_steps,), default=(-3, -2, -1, 0, 1, 2, 3)
            What is added to the latent; a step of 0 gives the rows themselves.

        Returns
        -------
        rows : ndarray of shape (n_steps, n_samples, n_features)
            Float64; of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If there is no such level, latent or direction.
        """
        check_is_fitted(self)
        move = np.zeros(self.n_features_in_)
        if isinstance(latent, Integral):
            move[self._columns_of(level, [latent])] = 1.0
        else:
            own, direction = self._columns_of(level), as_numbers(latent)
            if direction is None or direction.shape != own.shape:
                raise InvalidDataError(
                    f"latent must be an int or a direction of shape {own.shape} on level {level}, "
                    f"got {shown(latent)}."
                )
            move[own] = direction
        given, steps = steps, as_numbers(steps)
        if steps is None:
            raise InvalidDataError(f"steps must be numbers, got {shown(given)}.")
        steps = np.atleast_1d(steps)
        if not steps.size or not np.isfinite(steps).all() or steps.ndim > 1:
            raise InvalidDataError(f"steps must hold at least one number, all finite, got {steps}.")
        if not np.isfinite(move).all():
            raise InvalidDataError(f"latent must be a finite direction, got {latent!r}.")
        Z = self._encode_rows(X)
        rows = np.stack([self._decode(Z + float(step) * move) for step in steps])
        return self._columns.to_domain(rows)

    def _shares(self, x):
        """By level: the prior, the log-determinant, and their sum at each site, flattened."""
        lattice = self._lattice()
        z, log_det = lattice.log_det_map(self._enter(x))
        # Each column depends on itself alone, so one direction gives all the slopes.
        slope = _derivative(self._enter, x, torch.ones_like(x)).abs()
        log_volumes = self._columns.log_volumes(x.cpu().numpy())
        log_det[:, 0] += slope.log() - torch.from_numpy(log_volumes).to(x)
        own = torch.from_numpy(np.arange(lattice.n_levels)[:, None] == lattice.levels).to(x.device)
        z, log_slope = self._exit(z)
        log_det += torch.where(own, log_slope[:, None], 0.0)
        by_column = self.module_.prior.log_prob_by_column(z)
        prior = by_column[:, None] * own
        maps = (prior + log_det).view(*prior.shape[:2], -1, lattice.n_channels).sum(-1)
        sums = torch.stack((prior.sum(2), log_det.sum(2)), 2)
        return torch.cat((sums, maps), 2).flatten(1)

    def _grid(self):
        # What was fitted counts, whatever the parameter has become since.
        return self._lattice().grid

    def _check_level(self, level, highest):
        if not isinstance(level, Integral) or not 0 <= level <= highest:
            raise InvalidDataError(f"level must be an int from 0 to {highest}, got {level!r}.")
        return int(level)

    def _columns_of(self, level, latents=None):
        """Columns of latents of a level, of all by default."""
        level = self._check_level(level, self.n_levels_ - 1)
        own = np.flatnonzero(self.latent_levels_ == level)
        if latents is None:
            return own
        with typed_errors("latents"):
            latents = np.atleast_1d(latents)
        whole = latents.ndim == 1 and np.issubdtype(latents.dtype, np.integer)
        if not whole or not np.isin(latents, range(len(own))).all():
            raise InvalidDataError(
                f"latents of level {level} are ints from 0 to {len(own) - 1}, got "
                f"{latents.tolist()}."
            )
        return own[latents]


def _derivative(function, x, direction):
    """Derivative of a function of rows along one direction for each row."""
    with torch.no_grad():
        return torch.func.jvp(function, (x,), (direction,))[1]
