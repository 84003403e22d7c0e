"""Questions to a density of tables, in numbers of its columns, levels by their position."""

from __future__ import annotations

import numpy as np

from ..conditions import MAX_CANDIDATES, GroupedLaw, Law, MappedLaw, PooledLaw, Questions, halved
from ..exceptions import InvalidParameterError
from ..validation import row_blocks
from ._angle_codec import AngleCodec
from ._column_codecs import Codec
from ._encoded_density import EncodedDensity

# Draws of the open values for each point of a cell, of which there are many.
_INNER_DRAWS = 64
# Rows of which each has many points.
_ROWS_AT_ONCE = 256


class TableQuestions(Questions):
    """Questions to a density of encoded columns, for rows of the table.

    What is known of a discrete column is a cell, over whose points answers are averaged.

    Parameters
    ----------
    encoded : EncodedDensity
        The density.
    names : list of str
        Names of the columns, for errors.
    """

    def __init__(self, encoded: EncodedDensity, names: list[str]):
        self._encoded, self._names = encoded, names

    @property
    def is_exact(self):
        return self._encoded.questions.is_exact

    def log_density(self, X, n_draws, without=None):
        log_density, error = self._encoded.estimates(X, without=without).T
        empty = np.isnan(X).all(1)
        return np.where(empty, 0.0, log_density), np.where(empty, 0.0, error)

    def draws(self, X, n_draws, rng, most=MAX_CANDIDATES):
        copies, n_effective = np.empty((len(X), n_draws, X.shape[1])), np.empty(len(X))
        for rows in _alike(X):
            for block in row_blocks(len(rows), _ROWS_AT_ONCE):
                part = rows[block]
                points, log_volume = self._encoded.points_of_known(X[part])
                drawn, n_effective[part] = self._encoded.questions.draws_at_points(
                    points, log_volume, n_draws, rng, most
                )
                copies[part] = self._drawn(drawn.reshape(-1, X.shape[1])).reshape(drawn.shape)
        return np.where(np.isnan(X)[:, None], copies, X[:, None]), n_effective

    def _drawn(self, encoded):
        columns = zip(self._encoded.codecs, encoded.T, strict=True)
        return np.column_stack([codec.draw(y) for codec, y in columns])

    def law(self, X, column, n_draws) -> Law:
        codec = self._encoded.codecs[column]
        if codec.levels is not None:
            raise InvalidParameterError(
                f"column {self._names[column]} is a category, so it has neither quantiles nor "
                "probabilities up to a value: score_samples with given gives those of its levels."
            )
        groups = _alike(X)
        law = GroupedLaw([self._encoded_law(X[rows], column, n_draws) for rows in groups], groups)
        if isinstance(codec, AngleCodec):
            return AngleLaw(law, codec)
        return MappedLaw(law, codec.upper_ends, codec.decode, typical=codec.typical)

    def _encoded_law(self, X, column, n_draws):
        """Law of the encoded column, of rows in which the same is known."""
        points, shares = self._encoded.points_given(X, _INNER_DRAWS)
        n_points = shares.shape[1]
        few = n_draws if n_points == 1 else max(_INNER_DRAWS, n_draws // 4)
        law = self._encoded.questions.law(points.reshape(-1, X.shape[1]), column, few)
        return law if n_points == 1 else PooledLaw(law, shares)


def _alike(X):
    """Indices of rows in which the same is known, for each pattern of it."""
    patterns, pattern = np.unique(np.isnan(X), axis=0, return_inverse=True)
    return [np.flatnonzero(pattern.reshape(-1) == k) for k in range(max(1, len(patterns)))]


class AngleLaw(Law):
    """Law of an angle, from its start: the sum over turns of the law of a number.

    Parameters
    ----------
    law : Law
        Of the encoded column.
    codec : AngleCodec
        The way from angles to numbers.
    """

    def __init__(self, law: Law, codec: Codec):
        self._law, self._codec = law, codec
        self.n_effective = law.n_effective
        self._turns = codec.period * np.arange(-2, 3)

    def cdf(self, values):
        return self._within(self._codec.reach(values))

    def error(self, values):
        low, high = self._turned(self._codec.reach(values))
        return self._law.error_within(low, high) / self._whole(low)

    def quantile(self, probabilities):
        ends = np.zeros_like(probabilities), np.full_like(probabilities, self._codec.period)
        low, _ = halved(self._within, probabilities, *ends)
        return self._codec.decode(self._codec.origin + low)

    def _within(self, reach):
        """Probability of what is no further from the origin, in all turns."""
        low, high = self._turned(reach)
        return self._law.within(low, high) / self._whole(low)

    def _whole(self, low):
        return self._law.within(low, low + self._codec.period)

    def _turned(self, reach):
        low = self._codec.origin + self._turns + np.zeros_like(reach)[..., None]
        return low, low + reach[..., None]
