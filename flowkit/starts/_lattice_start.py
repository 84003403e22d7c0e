"""Lattices of blocks that begin at linear prediction within them, by least squares."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ..bijections import Lattice
from ._column_target import ColumnTarget
from ._flow_start import FlowStart
from ._lifting_start import ridge_regression
from ._rows import draw_rows

# Values of the rows that a start is fitted to, and what share of the rows judges it.
_MAX_VALUES, _MAX_ROWS, _MIN_ROWS, _TEST_SHARE = 2**23, 5_000, 20, 0.25
# Standard errors by which it has to be likelier.
_SURE = 2.0
# Rows at a time, and every how many chunks one judges ridges.
_CHUNK_ROWS, _HOLD_OUT_EVERY = 128, 5
# Values by which a scale is chosen, and logarithms of the factors on the deviation that are tried.
_MAX_SCALE_VALUES, _LOG_FACTORS = 20_000, np.linspace(-1.0, 1.0, 41)
_LEAST_DEVIATION = 1e-4


@dataclass(frozen=True)
class LatticeStart:
    """Maps of single columns and a prior, with linear predictions within the blocks of a lattice.

    Parameters
    ----------
    flow : FlowStart
        All but the lattice.
    n_predicting : int, default=0
        Number of levels that predict.
    state : dict of ndarray
        Buffers of their predictions.
    """

    flow: FlowStart
    n_predicting: int = 0
    state: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def config(self) -> dict:
        """That of the flow, and how many levels predict."""
        return {**self.flow.config, "n_predicting": self.n_predicting}

    def initialise(self, module: nn.Module) -> None:
        """Put the start into a flow that ends with a lattice, in place."""
        self.flow.initialise(module)
        state = {name: torch.from_numpy(value) for name, value in self.state.items()}
        module.bijection.bijections[-1].load_state_dict(state, strict=False)


def choose_predictions(
    rows: np.ndarray,
    weight: np.ndarray | None,
    target: ColumnTarget,
    n_levels: int,
    rng: np.random.RandomState,
    **options,
) -> dict[str, np.ndarray]:
    """Predictions of a lattice, if rows left out are likelier by them than without.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        What the lattice is to map.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    target : ColumnTarget
        Density of each column of the latent.
    n_levels : int
        Number of levels that predict.
    rng : RandomState
        Source of randomness.
    **options
        What the lattice is built from, beside its networks.

    Returns
    -------
    dict of ndarray
        Buffers of the predictions; empty if there are none.
    """
    if not n_levels:
        return {}
    n_most = int(np.clip(_MAX_VALUES // rows.shape[1], _MIN_ROWS, _MAX_ROWS))
    drawn = draw_rows(len(rows), weight, rng, n_most)
    # Heavy rows are drawn several times, and must not judge what they have fitted.
    distinct = rng.permutation(np.unique(drawn))
    if len(distinct) < _MIN_ROWS:
        return {}

    def fitted(part):
        # No seed is spent on weights that are never read.
        small = {"hidden_units": 1, "n_layers": 1, "generator": torch.Generator()}
        lattice = Lattice(rows.shape[1], n_predicting=n_levels, **small, **options)
        start_lattice(lattice, part, target)
        return lattice.eval()

    n_test = int(_TEST_SHARE * len(distinct))
    test, training = rows[distinct[:n_test]], drawn[~np.isin(drawn, distinct[:n_test])]
    with torch.no_grad():
        found = fitted(rows[_copies_together(training, rng)])
        latent, log_det = found(torch.from_numpy(test).float())
    latent, log_det = latent.double().numpy(), log_det.double().numpy()
    gain = (target.logpdf(latent) - target.logpdf(test)).sum(1) + log_det
    if not gain.mean() > _SURE * gain.std() / np.sqrt(n_test):
        return {}
    state = fitted(rows[_copies_together(drawn, rng)]).state_dict()
    return {name: value.numpy() for name, value in state.items() if ".prediction." in name}


def _copies_together(drawn: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Rows in random order, copies of one side by side, so that they judge no ridge they fitted."""
    distinct, counts = np.unique(drawn, return_counts=True)
    order = rng.permutation(len(distinct))
    return np.repeat(distinct[order], counts[order])


@torch.no_grad()
def start_lattice(lattice: Lattice, rows: np.ndarray, target: ColumnTarget) -> None:
    """Set the predictions of a lattice to those of least squares, in place.

    Parameters
    ----------
    lattice : Lattice
        With predictions, and couplings that are the identity.
    rows : ndarray of shape (n, n_features)
        What it is to map, in random order.
    target : ColumnTarget
        Density of each column of the latent, by which residuals are scaled.
    """
    columns = torch.from_numpy(np.ascontiguousarray(rows.T)).float()
    for blocks, bijector in lattice.steps():
        prediction = bijector.prediction
        if prediction is None:
            break
        _set_weights(prediction, blocks, columns)
        _set_scales(prediction, blocks, columns, target)
        for part in columns.split(_CHUNK_ROWS, 1):
            part.copy_(blocks.put(part, prediction(blocks.of(part), blocks.present)[0]))


def _set_weights(prediction, blocks, columns: Tensor) -> None:
    n, present = len(prediction.order), torch.ones(blocks.columns.shape, dtype=torch.bool)
    if blocks.present is not None:
        present = blocks.present[:, :, 0]
    present = present[prediction.order]
    targets = np.arange(prediction.n_staying, n)
    # Values that are absent in some blocks are predicted by what the others have.
    patterns, which = present[targets].unique(dim=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        if pattern.any():
            own = targets[(which == i).numpy()]
            _set_weights_of(own, pattern.nonzero()[:, 0], prediction, blocks, columns)


def _set_weights_of(targets, chosen: Tensor, prediction, blocks, columns: Tensor) -> None:
    """Predictions of some values of a block, by the blocks that have them."""
    n, every_block = len(prediction.order), len(chosen) == blocks.columns.shape[1]
    fitted, judged = torch.zeros(2, n + 1, n + 1, dtype=torch.float64)
    chunk = max(1, min(_CHUNK_ROWS, columns.shape[1] // (2 * _HOLD_OUT_EVERY)))
    for k, part in enumerate(columns.split(chunk, 1)):
        values = blocks.of(part)[prediction.order]
        values = (values if every_block else values[:, chosen]).flatten(1)
        every = torch.cat((values, torch.ones_like(values[:1])))
        total = fitted if k % _HOLD_OUT_EVERY else judged
        total += every @ every.t()
    for j in targets.tolist():
        weights = ridge_regression(fitted, judged, [*range(j), n], j).float()
        prediction.weight[j, :j], prediction.bias[j] = weights[:-1], weights[-1]


def _set_scales(prediction, blocks, columns, target) -> None:
    """Scales of the residuals by which they are likeliest."""
    sample = columns[:, : max(1, _MAX_SCALE_VALUES // blocks.columns.shape[1])]
    residuals = prediction(blocks.of(sample), blocks.present)[0]
    known = torch.ones_like(residuals) if blocks.present is None else blocks.present
    known = known.expand_as(residuals)[prediction.order].flatten(1).bool()
    residuals = residuals[prediction.order].flatten(1)
    for j in range(prediction.n_staying, len(residuals)):
        values = residuals[j][known[j]].double().numpy()
        if not len(values):
            continue
        deviation = np.log(max(values.std(), _LEAST_DEVIATION))
        fits = [target.logpdf(values * np.exp(-deviation - f)).mean() - f for f in _LOG_FACTORS]
        prediction.log_scale[j] = float(deviation + _LOG_FACTORS[np.argmax(fits)])
