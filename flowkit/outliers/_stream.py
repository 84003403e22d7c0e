"""A detector that learns from chunks of rows."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if

from .._seeds import check_random_state, draw_seed
from ..exceptions import InvalidParameterError
from ..nested import Progress, read_rows, require_chunks, takes_chunks
from ._fitting import Fitted, Fitter
from ._reservoir import Reservoir
from ._weights import weighted_rows


@dataclass(frozen=True)
class Stream:
    """What a detector keeps between chunks.

    Parameters
    ----------
    groups : list of lists of estimators
        The densities that go on training; those of one list differ in their seeds alone.
    reservoir : Reservoir
        A sample of the rows seen.
    rng : RandomState
        Source of randomness, which moves on from chunk to chunk.
    """

    groups: list[list]
    reservoir: Reservoir
    rng: np.random.RandomState


def _all_take_chunks(detector) -> bool:
    return all(require_chunks(density, detector) for density in detector._listed())


class StreamMixin:
    """Method `partial_fit` of a detector, where its densities have it."""

    @available_if(_all_take_chunks)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Go on training with a chunk of rows; only where every density has `partial_fit`.

        Each density gets the chunk. What scores are compared with, the typical rows of `explain`
        and the threshold are learned anew from a uniform sample of all rows seen so far, at most
        2048 of them. The first call clones the densities; later ones, and those after `fit`, go on
        with `densities_`, so that changes of `density`, `n_estimators` and `random_state` wait for
        the next `fit`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, most or all of which belong.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        InvalidParameterError
            If `calibrate` or `trim` is set, as both need all rows at once, or a density lacks what
            `statistic` needs.

        Notes
        -----
        ``FlowDensity(prior='kernel')`` keeps the kernels of the first chunk: give all kinds of rows
        there, or use another prior.
        """
        for name in ("calibrate", "trim"):
            if getattr(self, name):
                raise InvalidParameterError(
                    f"partial_fit needs {name}={type(self)().get_params()[name]!r}, got "
                    f"{getattr(self, name)!r}, which needs all rows at once: use fit."
                )
        with self._unchanged_on_failure() as before:
            before.update(self._backup())
            stream = getattr(self, "_stream", None)
            X = read_rows(self, X, reset=stream is None)
            X, weight = weighted_rows(X, sample_weight, self._given())
            self._go_on(stream, X, weight)
        return self

    def _go_on(self, stream, X, weight):
        rng = _own(check_random_state(self.random_state)) if stream is None else stream.rng
        densities = self._given()
        with Progress(self._n_steps(densities, 0), self.verbose) as progress:
            fitter = Fitter(self, densities, rng, progress)
            groups = fitter.copies() if stream is None else stream.groups
            options = {} if weight is None else {"sample_weight": weight}
            fitter.train(groups, lambda density: density.partial_fit(X, None, **options))
            reservoir = Reservoir.of(X, weight, rng)
            if stream is not None:
                reservoir = stream.reservoir.after(reservoir)
            rows, weight = reservoir.X, reservoir.sample_weight
            scores, of_training = fitter.score(groups, rows, weight)
            self._forget_calibration()
            self._remember(Fitted(groups, scores, of_training, rows, weight), weight, fitter)
            self._set_offset()
            self._stream = Stream(groups, reservoir, rng)

    def _begin_stream(self, fitted, X, weight, rng):
        """Let `partial_fit` go on after a fit, where the densities can."""
        self.__dict__.pop("_stream", None)
        if all(map(takes_chunks, fitted.densities)):
            rng = _own(rng)
            self._stream = Stream(fitted.groups, Reservoir.of(X, weight, rng), rng)

    def _backup(self):
        """Copies of all that holds the densities, which `partial_fit` changes in place."""
        names = ("densities_", "_scores", "_explanations", "_stream")
        return copy.deepcopy({name: vars(self)[name] for name in names if name in vars(self)})


def _own(rng):
    """A source of its own: one that a user gave, or the global one, is no part of a detector."""
    return np.random.RandomState(draw_seed(rng))
