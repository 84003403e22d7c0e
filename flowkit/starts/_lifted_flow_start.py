"""Flows of images that begin at linear prediction, with topics of their coarse pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf
from torch import nn

from ..bijections import Lifting
from ..columns import Columns
from ._flow_start import FlowStart
from ._grey_levels import started_grey_levels
from ._lifting_start import start_lifting
from ._mixture_start import choose_start
from ._rows import draw_rows
from ._topic_start import LastPriorStart, TopicStart

# Pixels of the coarse grid whose latents follow topics.
_MAX_COARSE_PIXELS = 64
# Grey levels get a density of their own if that many pixels have them, more than others near.
_LEAST_SHARE, _TIMES_NEIGHBOURS, _NEIGHBOURS, _MAX_BOXES = 0.005, 2.0, 8, 6
# ... by so many standard errors.
_SURE = 5.0
# Images by which lifting is compared, and the share of them that judges.
_MAX_JUDGED_ROWS, _MIN_JUDGED_ROWS, _TEST_SHARE, _EFFORT = 1_500, 12, 0.25, 0.3
# Columns up to which a Gaussian may have its margins bent first.
_MAX_BENT_FEATURES = 1024
# Columns up to which lifting is compared with a Gaussian at all.
_MAX_GAUSSIAN_FEATURES = 4096
_CHUNK = 64


@dataclass(frozen=True)
class Boxes:
    """Values that many pixels share, in standardised units.

    Parameters
    ----------
    centres : ndarray of shape (n_boxes,)
        The values.
    width : float
        Width of the noise that spreads them.
    """

    centres: np.ndarray
    width: float

    def put_into(self, lifting: Lifting) -> None:
        """Set the boxes of a map that has as many."""
        for phase in lifting.phases:
            if not phase.n_boxes:
                continue
            phase.boxes.copy_(torch.from_numpy(self.centres))
            phase.box_width.fill_(self.width)


@dataclass(frozen=True)
class LiftedStart:
    """Linear prediction, and topics of coarse latents.

    Parameters
    ----------
    state : dict of ndarray
        Buffers of the lifting.
    n_boxes : int
        Number of its boxes.
    columns : list of int
        Columns whose latents follow topics.
    groups : list of list of int or None
        Word groups, which hold all columns; None without topics.
    flow : FlowStart
        What the prior of `columns` is initialised from.
    """

    state: dict[str, np.ndarray]
    n_boxes: int
    columns: list[int]
    groups: list[list[int]] | None
    flow: FlowStart

    @property
    def documents(self):
        """Rows as documents, where topics were found in them."""
        return self.flow.documents

    @property
    def config(self) -> dict:
        """Boxes, and number and columns of the topics."""
        shape = {"n_boxes": self.n_boxes, "columns": self.columns}
        return {**self.flow.config, **shape, "groups": self.groups}

    def initialise(self, module: nn.Module) -> None:
        """Initialise the first map of a flow, and its prior."""
        put_buffers(module.bijection.bijections[0], self.state)
        if isinstance(self.flow.prior, TopicStart):
            self.flow.prior.fill(module.prior.topic)


@dataclass(frozen=True)
class LiftedScalesStart:
    """Linear prediction, and topics of the coarsest latents.

    Parameters
    ----------
    state : dict of ndarray
        Buffers of the lifting.
    n_boxes : int
        Number of its boxes.
    topics : LastPriorStart or None, default=None
        What the prior of coarse latents is initialised from.
    """

    state: dict[str, np.ndarray]
    n_boxes: int
    topics: LastPriorStart | None = None

    @property
    def config(self) -> dict:
        """Number of boxes, and of topics."""
        topics = {} if self.topics is None else self.topics.config
        return {"n_boxes": self.n_boxes, **topics}

    def initialise(self, module: nn.Module) -> None:
        """Initialise the first map of a flow, and the last part of its prior."""
        put_buffers(module.bijection.bijections[0], self.state)
        if self.topics is not None:
            self.topics.initialise(module)


def common_levels(X: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Grey levels that notably many pixels have, the most frequent first.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Images of 8 bits.
    weight : ndarray of shape (n,) or None, default=None
        Their weights.

    Returns
    -------
    ndarray of float
        The levels.
    """
    by_pixel = None if weight is None else np.repeat(weight, X.shape[1])
    share = np.bincount(X.astype(np.uint8).ravel(), by_pixel, minlength=256)
    share = share / share.sum()
    usual = np.array(
        [np.median(share[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS + 1]) for i in range(256)]
    )
    least = _TIMES_NEIGHBOURS * usual + _SURE * np.sqrt(usual / X.size)
    common = np.flatnonzero(share >= np.maximum(least, _LEAST_SHARE))
    return common[share[common].argsort()[::-1]][:_MAX_BOXES].astype(np.float64)


def share_of_common_levels(X: np.ndarray, weight: np.ndarray | None = None) -> float:
    """How much of images of 8 bits has one of their `common_levels`, from 0 to 1."""
    return float(np.average(np.isin(X, common_levels(X, weight)).mean(1), weights=weight))


def boxes_of(X: np.ndarray, columns: Columns, weight: np.ndarray | None = None) -> Boxes:
    """Boxes of grey levels that notably many pixels have; none of other images."""
    if not (columns.grey and columns.dequantization.all()):
        return Boxes(np.empty(0), 1.0)
    scale = columns.scale[0]
    centres = (common_levels(X, weight) - columns.location[0]) / scale
    return Boxes(centres, float(columns.dequantization[0] / scale))


def lifted(
    Z: np.ndarray,
    weight: np.ndarray | None,
    image_shape: tuple[int, ...] | None,
    boxes: Boxes,
    rng: np.random.RandomState,
    effort: float = 1.0,
    affine_from: int | None = None,
) -> Lifting:
    """Lifting fitted to rows, with networks of no use."""
    # No seed is spent on weights that are never read.
    lifting = Lifting(
        Z.shape[1],
        image_shape,
        n_boxes=len(boxes.centres),
        hidden_units=1,
        affine_from=affine_from,
        generator=torch.Generator(),
    )
    boxes.put_into(lifting)
    start_lifting(lifting, Z, weight, rng, effort)
    return lifting.eval()


def buffers_of(lifting: Lifting) -> dict[str, np.ndarray]:
    """What `start_lifting` sets."""
    state = lifting.state_dict()
    return {name: state[name].numpy() for name, _ in lifting.named_buffers() if name in state}


def put_buffers(lifting: Lifting, state: dict[str, np.ndarray]) -> None:
    """Set them in a map of other networks."""
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    lifting.load_state_dict(tensors, strict=False)


def coarse_level(lifting: Lifting, groupings: Sequence[Sequence[np.ndarray]]) -> int:
    """Finest level whose grid is small, or a finer one where a word group has no pixel of it."""
    deepest = lifting.phases[-1].level
    n_channels = len(lifting.phases[0].columns)
    for level in range(deepest + 1):
        if len(_columns_from(lifting, level)) <= _MAX_COARSE_PIXELS * n_channels:
            break
    while level and not _covers(_columns_from(lifting, level), groupings):
        level -= 1
    return level


def _columns_from(lifting, level):
    """Columns of the grid at a level, sorted."""
    columns = [phase.columns.reshape(-1) for phase in lifting.phases if phase.level >= level]
    return torch.cat(columns).sort().values.numpy()


def _covers(columns, groupings):
    return all(np.isin(columns, group).any() for groups in groupings for group in groups)


@torch.no_grad()
def coarse_latents(lifting: Lifting, Z: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents of the grid at a level.

    Parameters
    ----------
    lifting : Lifting
        The map.
    Z : ndarray of shape (n, d)
        Standardised rows.
    level : int
        The level.

    Returns
    -------
    columns : ndarray of int of shape (n_coarse,)
        Columns of the grid.
    latents : ndarray of shape (n, n_coarse)
        Their latents.
    """
    phases = [phase for phase in lifting.phases if phase.level >= level]
    order = torch.cat([phase.columns.reshape(-1) for phase in phases])
    latents = []
    for i in range(0, len(Z), _CHUNK):
        columns = torch.from_numpy(np.ascontiguousarray(Z[i : i + _CHUNK].T)).float()
        found = torch.cat(lifting.by_phase(columns, level)[0])
        latents.append(found[order.argsort()].t())
    return order.sort().values.numpy(), torch.cat(latents).double().numpy()


def lifting_is_likelier(
    Z: np.ndarray,
    weight: np.ndarray | None,
    image_shape: tuple[int, ...],
    boxes: Boxes,
    grey: bool,
    rng: np.random.RandomState,
) -> bool:
    """Whether linear prediction makes rows left out likelier than the best Gaussian does.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows with their noise.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    image_shape : tuple of int
        Shape of the images.
    boxes : Boxes
        Values that many pixels share.
    grey : bool
        Whether these are grey levels.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    bool
        True also where there are too few rows to judge by.
    """
    rows = rng.permutation(np.unique(draw_rows(len(Z), weight, rng, _MAX_JUDGED_ROWS)))
    if len(rows) < _MIN_JUDGED_ROWS:
        return True
    n_test = max(2, int(_TEST_SHARE * len(rows)))
    test, training = Z[rows[:n_test]], Z[rows[n_test:]]
    lifting = lifted(training, None, image_shape, boxes, rng, _EFFORT)
    with torch.no_grad():
        latent, log_det = lifting(torch.from_numpy(test).float())
    likelihood = _normal(latent.double().numpy(), log_det.double().numpy())
    # A covariance of more columns would not fit into memory, and says little of so few rows.
    gaussians = [_gaussian(training, test)] if Z.shape[1] <= _MAX_GAUSSIAN_FEATURES else [-np.inf]
    if Z.shape[1] <= _MAX_BENT_FEATURES:
        gaussians.append(_bent_gaussian(training, test, grey, rng))
    return bool(likelihood >= max(gaussians))


def _normal(latent, log_det):
    """Mean log density of latents that are standard normal."""
    return (log_det - 0.5 * (latent**2 + np.log(2 * np.pi)).sum(1)).mean()


def _gaussian(training, test):
    mean, covariance = training.mean(0), ledoit_wolf(training)[0]
    # Pixels that never change would leave nothing to divide by.
    covariance[np.diag_indices_from(covariance)] += 1e-9 * np.trace(covariance) / len(mean) + 1e-12
    factor = np.linalg.cholesky(covariance)
    latent = solve_triangular(factor, (test - mean).T, lower=True).T
    return _normal(latent, -np.log(factor.diagonal()).sum())


def _bent_gaussian(training, test, grey, rng):
    log_det = 0.0
    if grey:
        pixels, training = started_grey_levels(training)
        with torch.no_grad():
            test, log_det = (part.numpy() for part in pixels(torch.from_numpy(test)))
    start = choose_start(training, None, False, 1, None, rng, False)
    latent, more = (part.numpy() for part in start.apply(test))
    return _normal(latent, log_det + more)
