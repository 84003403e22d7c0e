"""Which columns of the latent are the words of a document."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidParameterError

# Numbers of groups that a start may choose from, besides one group a column.
_SIZES = (1, 2, 4, 8)
_MAX_GROUPS = 64
# Coarser patches have hardly ever been better, and each try costs.
_MAX_GRIDS = 2


def word_groups(
    n_features: int, image_shape: tuple[int, ...] | None, n_groups: int | None
) -> list[list[np.ndarray]]:
    """Ways to cut the columns into groups of neighbours, coarse ones first.

    Parameters
    ----------
    n_features : int
        Number of columns.
    image_shape : tuple of int or None
        Shape of the images that the columns are, which are cut into patches.
    n_groups : int or None
        Number of groups, or None for several to choose from.

    Returns
    -------
    list of list of ndarray
        Columns of each group of each way.

    Raises
    ------
    InvalidParameterError
        If there are fewer columns than groups, or no grid of so many patches.
    """
    if n_groups is not None and n_groups > n_features:
        raise InvalidParameterError(
            f"n_word_groups must be at most the number of columns, {n_features}, got {n_groups}."
        )
    if image_shape is not None:
        return _patches(tuple(image_shape), n_groups)
    sizes = {*_SIZES, n_features} if n_groups is None else {n_groups}
    most = _MAX_GROUPS if n_groups is None else n_features
    columns = np.arange(n_features)
    return [np.array_split(columns, n) for n in sorted(sizes) if n <= min(most, n_features)]


def _patches(image_shape: tuple[int, ...], n_groups: int | None) -> list[list[np.ndarray]]:
    height, width = image_shape[:2]
    if n_groups is None:
        edges = [2**i for i in reversed(range(max(height, width).bit_length()))]
        grids = [(-(-height // edge), -(-width // edge)) for edge in edges]
        grids = [grid for grid in grids if grid[0] * grid[1] <= _MAX_GROUPS][-_MAX_GRIDS:]
    else:
        grids = [(n, n_groups // n) for n in range(1, n_groups + 1) if n_groups % n == 0]
        grids = [grid for grid in grids if grid[0] <= height and grid[1] <= width]
        if not grids:
            raise InvalidParameterError(
                f"n_word_groups={n_groups} patches do not fit into images of {height} by {width} "
                "pixels: take a product of two smaller numbers."
            )
        # Patches as square as they get.
        grids = [min(grids, key=lambda grid: abs(np.log(height * grid[1] / width / grid[0])))]
    pixels = np.arange(int(np.prod(image_shape))).reshape(height, width, -1)
    return [
        [
            patch.ravel()
            for band in np.array_split(pixels, rows, axis=0)
            for patch in np.array_split(band, columns, axis=1)
        ]
        for rows, columns in grids
    ]
