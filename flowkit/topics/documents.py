"""Rows as documents: which words they hold, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.metrics import pairwise_distances_argmin

from ..exceptions import InvalidDataError, InvalidParameterError
from ._checks import refuse_small
from ._kmeans import k_means

# Patches that the codebook is learned from.
_MAX_PATCHES = 20_000
# Numbers that one chunk of patches may hold.
_CHUNK = 2**21
# Log gammas of more are off by hundredths of a nat, and sums of these by more.
_LARGEST_COUNT = 2**40
# Share of a bin's rows that may change sides for the sake of a rounder edge.
_SLACK = 0.05
# Plain notation from here to there, powers of ten outside.
_PLAIN = (1e-4, 1e7)
_MAX_DIGITS = 17


@dataclass(frozen=True)
class Documents:
    """Rows as documents: each slot of a row holds one word.

    Parameters
    ----------
    tokens : ndarray of shape (n, n_slots), int
        The word in each slot of each row.
    weights : ndarray of shape (n, n_slots), float, or None
        How often that word counts; None for once each.
    slots : list of ndarray of int
        The columns of X that each slot covers.
    words : list of str
        Readable labels of the V words.
    codebook : ndarray of shape (V, patch_features) or None, default=None
        The patch that each word stands for; images only.
    reader : TableWords, PatchWords or None, default=None
        Reads other rows as documents of the same words.
    """

    tokens: np.ndarray
    weights: np.ndarray | None
    slots: list[np.ndarray]
    words: list[str]
    codebook: np.ndarray | None = None
    reader: TableWords | PatchWords | None = None

    def counts(self, slots: np.ndarray | None = None) -> sparse.csr_matrix:
        """How often each row holds each word.

        Parameters
        ----------
        slots : ndarray of int or None, default=None
            The slots that count; None for all.

        Returns
        -------
        csr_matrix of shape (n, V), float64
            The counts, without stored zeros.
        """
        part = slice(None) if slots is None else slots
        tokens = self.tokens[:, part]
        n, n_slots = tokens.shape
        weights = np.ones(tokens.shape) if self.weights is None else self.weights[:, part]
        starts = np.arange(n + 1) * n_slots
        # Copies, as the sums below are taken in place.
        data = np.array(weights, dtype=np.float64).ravel()
        table = sparse.csr_matrix((data, tokens.flatten(), starts), (n, len(self.words)))
        table.sum_duplicates()
        table.eliminate_zeros()
        return table

    def take(self, rows: np.ndarray) -> Documents:
        """The documents of some rows.

        Parameters
        ----------
        rows : ndarray of int or bool, or slice
            The rows.

        Returns
        -------
        Documents
            Their documents, with the same words.
        """
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, tokens=self.tokens[rows], weights=weights)


@dataclass(frozen=True)
class TableWords:
    """The bins of the columns of a table, of which each is a word.

    Parameters
    ----------
    edges : list of ndarray
        Of each column, the upper ends of all bins but the last.
    words : list of str
        Labels of all bins, column by column.
    """

    edges: list[np.ndarray]
    words: list[str]

    def read(self, X: np.ndarray) -> Documents:
        """Rows as documents of these words.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Finite rows.

        Returns
        -------
        Documents
            Documents of d slots, one for each column.
        """
        tokens, first = np.empty(X.shape, dtype=np.intp), 0
        for j, edges in enumerate(self.edges):
            tokens[:, j] = first + np.searchsorted(edges, X[:, j], side="left")
            first += len(edges) + 1
        slots = [np.array([j]) for j in range(X.shape[1])]
        return Documents(tokens, None, slots, self.words, reader=self)


@dataclass(frozen=True)
class PatchWords:
    """A codebook of patches, of which each is a word wherever it lies.

    Parameters
    ----------
    slots : ndarray of shape (n_slots, patch_features), int
        Pixels of each patch of an image.
    codebook : ndarray of shape (V, patch_features)
        The patch that each word stands for.
    """

    slots: np.ndarray
    codebook: np.ndarray

    def read(self, X: np.ndarray) -> Documents:
        """Images as documents of these words.

        Parameters
        ----------
        X : ndarray of shape (n, n_pixels)
            Flattened images.

        Returns
        -------
        Documents
            Documents of one slot for each patch.
        """
        tokens = np.empty((len(X), len(self.slots)), dtype=np.intp)
        step = max(1, _CHUNK // self.slots.size)
        for start in range(0, len(X), step):
            patches = X[start : start + step, self.slots].astype(np.float64)
            patches = patches.reshape(-1, self.slots.shape[1])
            nearest = pairwise_distances_argmin(patches, self.codebook)
            tokens[start : start + step] = nearest.reshape(-1, len(self.slots))
        words = [f"patch {i}" for i in range(len(self.codebook))]
        return Documents(tokens, None, list(self.slots), words, self.codebook, self)


def table_documents(
    X: np.ndarray,
    names: Sequence[str] | None = None,
    n_bins: int = 5,
    levels: Mapping[int, Sequence[str]] | None = None,
) -> Documents:
    """One word for each column: the quantile bin that its value lies in.

    Edges are round numbers close to the quantiles. They part the rows exactly as printed, so each
    value lies in the interval of its label, and every word occurs. Columns of few values get one
    word for each value.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite rows in the user's own units.
    names : sequence of str or None, default=None
        Names of the columns.
    n_bins : int, default=5
        Most words that a column gets.
    levels : mapping of int to sequence of str, or None, default=None
        Of categorical columns, whose values are 0, 1, ..., what each value is called. Each gets a
        word, whatever `n_bins` is.

    Returns
    -------
    Documents
        Documents of d slots, one for each column.

    Raises
    ------
    InvalidParameterError
        If `n_bins` is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.topics import table_documents
    >>> X = np.column_stack([np.arange(10) / 10, np.arange(10) % 2])
    >>> table_documents(X, ["width", "sex"], n_bins=3).words
    ['width <= 0.3', 'width in (0.3, 0.6]', 'width > 0.6', 'sex = 0', 'sex = 1']
    """
    refuse_small("n_bins", n_bins, 1)
    X = np.asarray(X)
    if not np.issubdtype(X.dtype, np.floating):
        X = X.astype(np.float64)
    levels, all_edges, words = levels or {}, [], []
    for j, name in enumerate(name_words(names, X.shape[1])):
        if j in levels:
            edges, labels = _level_bins(X[:, j], name, levels[j])
        else:
            edges, labels = _bins(X[:, j], name, n_bins)
        all_edges.append(edges)
        words += labels
    return TableWords(all_edges, words).read(X)


def count_documents(X: np.ndarray, names: Sequence[str] | None = None) -> Documents:
    """One word for each column, which counts as often as the column says.

    Parameters
    ----------
    X : ndarray of shape (n, V)
        Whole numbers of at least 0.
    names : sequence of str or None, default=None
        Names of the columns.

    Returns
    -------
    Documents
        Documents of V slots, one for each column.

    Raises
    ------
    InvalidDataError
        If a value is negative, not whole, or more than 2 to the power of 40.
    """
    X = np.asarray(X)
    n, d = X.shape
    words = name_words(names, d)
    tokens = np.broadcast_to(np.arange(d), (n, d))
    refuse_other_counts(X, tokens, words)
    return Documents(tokens, X.astype(np.float64), [np.array([j]) for j in range(d)], words)


def patch_documents(
    X: np.ndarray,
    image_shape: tuple[int, ...],
    rng: np.random.RandomState,
    patch: int = 4,
    n_words: int = 100,
    stride: int | None = None,
) -> Documents:
    """One word for each patch of an image: the nearest of a codebook of patches.

    Patches lie side by side unless `stride` says otherwise. Where they do not divide an edge they
    overlap a little, so that every pixel is covered. Words are the same wherever a patch lies.

    Parameters
    ----------
    X : ndarray of shape (n, H * W * C)
        Flattened images, rows before columns before channels.
    image_shape : tuple of int
        Height and width, and the number of channels if there are several.
    rng : RandomState
        Source of randomness.
    patch : int, default=4
        Edge of a patch, in pixels.
    n_words : int, default=100
        Most words of the codebook; there are fewer where there are fewer distinct patches.
    stride : int or None, default=None
        Pixels from one patch to the next, at most `patch`; None for `patch`. Small images have
        few words unless their patches overlap.

    Returns
    -------
    Documents
        Documents of one slot for each patch. Words are sorted by how often they occur.

    Raises
    ------
    InvalidParameterError
        If `image_shape` is no shape of these rows, `patch`, `n_words` or `stride` is less
        than 1, or `stride` is more than `patch`.
    """
    refuse_small("patch", patch, 1)
    refuse_small("n_words", n_words, 1)
    stride = patch if stride is None else stride
    refuse_small("stride", stride, 1)
    if stride > patch:
        raise InvalidParameterError(
            f"stride={stride} leaves pixels between patches of edge {patch} uncovered. Set stride "
            f"to at most {patch}."
        )
    X = np.asarray(X)
    slots = _patch_columns(_checked_shape(image_shape, X.shape[1]), patch, stride)
    n_patches = len(X) * len(slots)
    drawn = np.sort(rng.choice(n_patches, min(n_patches, _MAX_PATCHES), replace=False))
    sample = X[drawn[:, None] // len(slots), slots[drawn % len(slots)]].astype(np.float64)
    codebook = k_means(sample, n_words, rng)
    tokens = PatchWords(slots, codebook).read(X).tokens
    frequency = np.bincount(tokens.ravel(), minlength=len(codebook))
    order = np.argsort(-frequency, kind="stable")[: np.count_nonzero(frequency)]
    rank = np.empty(len(codebook), dtype=np.intp)
    rank[order] = np.arange(len(order))
    words, reader = [f"patch {i}" for i in range(len(order))], PatchWords(slots, codebook[order])
    return Documents(rank[tokens], None, list(slots), words, reader.codebook, reader)


def refuse_other_counts(values: np.ndarray, columns: np.ndarray, words: Sequence[str]) -> None:
    """Refuse counts that are negative, not whole or huge.

    Parameters
    ----------
    values : ndarray
        Counts.
    columns : ndarray of int, of the same shape
        The column of each.
    words : sequence of str
        What columns are called.

    Raises
    ------
    InvalidDataError
        If there are any; the message names their columns.
    """
    bad = ~((values >= 0) & (np.floor(values) == values) & np.isfinite(values))
    advice = (
        "Columns that are no counts need documents of their quantile bins: use table_documents, or "
        "documents='bins' of an estimator."
    )
    if bad.any():
        what = f"whole numbers of at least 0, got {values[bad][0]}"
    else:
        bad = values > _LARGEST_COUNT
        what = f"at most {_LARGEST_COUNT}, got {values[bad][0]}" if bad.any() else ""
    if not what:
        return
    wrong = np.unique(columns[bad])
    shown = ", ".join(words[j] for j in wrong[:10])
    rest = f" and {wrong.size - 10} more" if wrong.size > 10 else ""
    raise InvalidDataError(f"counts must be {what}; such values are in {shown}{rest}. {advice}")


def name_words(names: Sequence[str] | None, d: int) -> list[str]:
    """A label for each of d columns, all different.

    Parameters
    ----------
    names : sequence of str or None
        Names of the columns.
    d : int
        Number of columns.

    Returns
    -------
    list of str
        The labels.
    """
    if names is None:
        return [f"column {j}" for j in range(d)]
    labels = [str(name) for name in names]
    twice = {label for label in labels if labels.count(label) > 1} if len(set(labels)) < d else ()
    return [f"{label} (column {j})" if label in twice else label for j, label in enumerate(labels)]


def _level_bins(column, name, levels) -> tuple[np.ndarray, list[str]]:
    """Upper ends and labels of the bins of a categorical column, each level that occurs a bin."""
    values = np.unique(column)
    return values[:-1], [f"{name} = {levels[int(value)]}" for value in values]


def _bins(column: np.ndarray, name: str, n_bins: int) -> tuple[np.ndarray, list[str]]:
    """Upper ends of the bins of a column but for the last, and the labels of all bins."""
    values = np.unique(column)
    if len(values) <= n_bins:
        return values[:-1], [f"{name} = {_number(value)}" for value in values]
    edges = _edges(column, values, n_bins)
    if not len(edges):
        return edges, [f"{name}: any"]
    shown = [_number(edge) for edge in edges]
    inner = [f"{name} in ({low}, {high}]" for low, high in pairwise(shown)]
    return edges, [f"{name} <= {shown[0]}", *inner, f"{name} > {shown[-1]}"]


def _edges(column: np.ndarray, values: np.ndarray, n_bins: int) -> np.ndarray:
    """Round edges between bins of about equal size, none of them empty."""
    ordered = np.sort(column)
    n, done, edges = len(ordered), 0, []
    # Each bin takes its share of what is left, so that a heavy value costs one bin only.
    for left in range(n_bins, 1, -1):
        last = done + -(-(n - done) // left) - 1
        slack = int(_SLACK * (n - done) / left)
        low = min(ordered[max(last - slack, done)], values[-2])
        if edges and low <= edges[-1]:
            break
        after = np.searchsorted(ordered, ordered[min(last + slack, n - 1)], side="right")
        edges.append(_shortest(low, ordered[min(after, n - 1)]))
        done = np.searchsorted(ordered, edges[-1], side="right")
    return np.array(edges, dtype=column.dtype)


def _shortest(low: np.floating, high: np.floating) -> np.floating:
    """The number of fewest digits in [low, high)."""
    exact = Decimal(str(low))
    for digits in range(1, _MAX_DIGITS + 1):
        rounded = low.dtype.type(Context(prec=digits, rounding=ROUND_CEILING).plus(exact))
        if low <= rounded < high:
            return rounded
    return low


def _number(value: np.floating) -> str:
    """The shortest text that reads back as this value."""
    # Adding zero turns -0 into 0.
    value = value + value.dtype.type(0)
    if value == 0 or _PLAIN[0] <= abs(value) < _PLAIN[1]:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-")


def _checked_shape(image_shape: tuple[int, ...], d: int) -> tuple[int, int, int]:
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or min(shape) < 1 or np.prod(shape) != d:
        raise InvalidParameterError(
            f"image_shape={shape} must be (height, width) or (height, width, channels) and hold "
            f"the {d} columns of X. Give the shape of one row."
        )
    return (*shape, 1)[:3]


def _patch_columns(shape: tuple[int, int, int], patch: int, stride: int) -> np.ndarray:
    """The columns of each patch, (n_patches, patch_features)."""
    height, width, channels = shape
    column = np.arange(height * width * channels).reshape(shape)
    rows, columns = _windows(height, patch, stride), _windows(width, patch, stride)
    windows = column[rows[:, None, :, None], columns[None, :, None, :]]
    return windows.reshape(len(rows) * len(columns), -1)


def _windows(edge: int, patch: int, stride: int) -> np.ndarray:
    """Pixels of the windows that cover an edge, (n_windows, pixels)."""
    size = min(patch, edge)
    n_windows = -(-(edge - size) // stride) + 1
    starts = np.linspace(0, edge - size, n_windows).round().astype(int)
    return starts[:, None] + np.arange(size)
