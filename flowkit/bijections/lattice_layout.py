"""Index lists of a renormalization-group lattice: blocks of each sub-layer, level of each site."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

ABSENT = -1


@dataclass(frozen=True)
class SubLayer:
    """Blocks that one bijector maps, all at once.

    Parameters
    ----------
    level : int
        Level of the lattice, 0 for the finest.
    blocks : ndarray of shape (n_blocks, n_block_sites)
        Sites of each block, those of the even squares of its checkerboard first; `ABSENT` where
        the lattice has no site.
    n_even : int
        Number of sites on even squares.
    """

    level: int
    blocks: np.ndarray
    n_even: int


@dataclass(frozen=True)
class Layout:
    """A lattice, level by level.

    Parameters
    ----------
    shape : tuple of int
        Number of sites along each axis.
    sublayers : tuple of SubLayer
        Two of each level, in the order from data to latent.
    levels : ndarray of int of shape (n_sites,)
        Level at which each site leaves as a latent.
    """

    shape: tuple[int, ...]
    sublayers: tuple[SubLayer, ...]
    levels: np.ndarray

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.sublayers) // 2

    def cone(self, sites: np.ndarray) -> list[np.ndarray]:
        """Inference cone of sites: which blocks of each sub-layer they reach.

        Parameters
        ----------
        sites : ndarray of bool of shape (n_sites,)
            Where data change.

        Returns
        -------
        list of ndarray of int
            For each sub-layer, the numbers of the blocks whose values change with them.
        """
        # The last entry stands for absent sites and stays False.
        reached = np.append(sites, False)
        cone = []
        for sublayer in self.sublayers:
            cone.append(np.flatnonzero(reached[sublayer.blocks].any(1)))
            reached[sublayer.blocks[cone[-1]]] = True
            reached[ABSENT] = False
        return cone

    def reach(self, site: int) -> np.ndarray:
        """Generation cone of a latent: which data can change with it.

        Parameters
        ----------
        site : int
            Where the latent sits.

        Returns
        -------
        ndarray of bool of shape (n_sites,)
            True within the cone.
        """
        reached = np.zeros(len(self.levels) + 1, dtype=bool)
        reached[site] = True
        for sublayer in reversed(self.sublayers):
            reached[sublayer.blocks[reached[sublayer.blocks].any(1)]] = True
            reached[ABSENT] = False
        return reached[:-1]


def lattice_layout(shape: tuple[int, ...], kernel_size: int, periodic: bool) -> Layout:
    """Layout of a lattice of any size.

    Level h lives on the sites whose coordinates are multiples of ``2 ** h``. Its first sub-layer
    cuts them into blocks of `kernel_size` along each axis, the second into blocks shifted by half
    a block. Sites that level h + 1 does not have then leave as latents. The last level is the
    first that a single block covers. Where sizes do not fit, blocks have absent sites.

    Parameters
    ----------
    shape : tuple of int
        Number of sites along each axis.
    kernel_size : int
        Edge of a block.
    periodic : bool
        Whether shifted blocks wrap round; they are cut at the edges otherwise.

    Returns
    -------
    Layout
        The lattice.
    """
    n_levels = n_levels_of(shape, kernel_size)
    # No block is longer than an axis.
    edges = tuple(min(kernel_size, n) for n in shape)
    parity = np.indices(edges).sum(0).ravel() % 2
    order = np.argsort(parity, kind="stable")
    sublayers = []
    for level, shifted in itertools.product(range(n_levels), (False, True)):
        axes = [
            _axis_blocks(np.arange(0, n, 2**level), edge, shifted, periodic)
            for n, edge in zip(shape, edges, strict=True)
        ]
        blocks = _sites(axes, shape)[:, order]
        sublayers.append(SubLayer(level, blocks, int((parity == 0).sum())))
    return Layout(tuple(shape), tuple(sublayers), latent_levels(shape, n_levels))


def latent_levels(shape: tuple[int, ...], n_levels: int) -> np.ndarray:
    """Level at which each site leaves as a latent, ndarray of int of shape (n_sites,)."""
    # A coordinate lies on the lattices up to the power of two that divides it; 0 lies on all.
    depth = [_trailing_zeros(np.arange(n), n_levels - 1) for n in shape]
    return np.minimum.reduce(np.meshgrid(*depth, indexing="ij")).ravel()


def n_levels_of(shape: tuple[int, ...], kernel_size: int) -> int:
    """Number of levels, of which the last is the first that one block covers."""
    n_levels = 1
    while max(-(-n // 2 ** (n_levels - 1)) for n in shape) > kernel_size:
        n_levels += 1
    return n_levels


def _axis_blocks(coordinates: np.ndarray, edge: int, shifted: bool, periodic: bool) -> np.ndarray:
    """Blocks of the coordinates of one axis, (n_blocks, edge), filled up with `ABSENT`."""
    lead = 0
    if shifted and periodic:
        coordinates = np.roll(coordinates, -(edge // 2))
    elif shifted and len(coordinates) > edge:
        lead = edge - edge // 2
    padded = np.concatenate((np.full(lead, ABSENT), coordinates))
    padded = np.append(padded, np.full(-len(padded) % edge, ABSENT))
    return padded.reshape(-1, edge)


def _sites(axes: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Sites of all blocks of these coordinates along each axis, (n_blocks, n_block_sites)."""
    sites, absent = np.zeros((1, 1), dtype=int), np.zeros((1, 1), dtype=bool)
    for blocks, n in zip(axes, shape, strict=True):
        along = blocks[None, :, None, :]
        sites = sites[:, None, :, None] * n + along
        absent = absent[:, None, :, None] | (along == ABSENT)
        flat = sites.shape[0] * sites.shape[1], -1
        sites, absent = sites.reshape(flat), absent.reshape(flat)
    return np.where(absent, ABSENT, sites)


def _trailing_zeros(coordinates: np.ndarray, most: int) -> np.ndarray:
    return (coordinates[:, None] % 2 ** np.arange(1, most + 1) == 0).sum(1)
