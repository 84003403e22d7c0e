"""How good topics are to read: whether their words go together, and whether they are their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .bags import BagsOfWords
from .documents import Documents

# As in gensim, so that words never seen together have a logarithm.
_EPSILON = 1e-12


def exclusivity(beta: np.ndarray, chosen: Sequence[np.ndarray]) -> np.ndarray:
    """How far the words of each topic are its own: mean of p(w | k) / sum_j p(w | j).

    It is the part of FREX (Bischof & Airoldi 2012) beside frequency: 1 if no other topic has these
    words, 1 / K if all have them alike.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Probability of each word under each topic.
    chosen : sequence of K ndarray of int
        Words of each topic that are looked at.

    Returns
    -------
    ndarray of shape (K,)
        A number in [0, 1] for each topic.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.topics import exclusivity
    >>> beta = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]])
    >>> exclusivity(beta, [np.array([1]), np.array([0, 2])])
    array([1.  , 0.75])
    """
    share = beta / np.maximum(beta.sum(0), np.finfo(np.float64).tiny)
    return np.array([share[k, words].mean() for k, words in enumerate(chosen)])


def coherence(documents: Documents | BagsOfWords, chosen: Sequence[np.ndarray]) -> np.ndarray:
    """How often the words of each topic are in one row: mean normalised pointwise information.

    The mean over pairs of ``log(p(v, w) / (p(v) p(w))) / -log p(v, w)``, of shares of rows that
    hold them (Bouma 2009; Aletras & Stevenson 2013): 1 if words are always together, 0 if by
    chance, -1 if never. It is what ``gensim.models.CoherenceModel(coherence='c_npmi')`` gives with
    windows as long as the longest row. Words that one slot holds, such as two bins of a column of a
    table, cannot be together, and are no pair.

    Parameters
    ----------
    documents : Documents or BagsOfWords
        Rows to count in; rows left out of the fit tell more than its own.
    chosen : sequence of K ndarray of int
        Words of each topic that are looked at.

    Returns
    -------
    ndarray of shape (K,)
        A number in [-1, 1] for each topic; NaN where there is no pair of words that occur.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.topics import bags_of_words, coherence
    >>> bags = bags_of_words([[1, 2, 0], [3, 1, 0], [0, 0, 1], [0, 0, 1]])
    >>> coherence(bags, [np.array([0, 1]), np.array([1, 2])]).round(3)
    array([ 1.  , -0.95])
    """
    used, place = np.unique(np.concatenate(chosen), return_inverse=True)
    held = documents.counts()[:, used]
    held.data = np.ones_like(held.data)
    together = (held.T @ held).toarray() / max(1, held.shape[0])
    alone = together.diagonal().copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        log_joint = np.log(together + _EPSILON)
        information = (log_joint - np.log(np.outer(alone, alone))) / -log_joint
    excluded = _exclude_each_other(documents, used) | (np.outer(alone, alone) == 0)
    # Words that all rows hold say nothing of each other.
    information[together >= 1] = 0.0
    information[excluded] = np.nan
    sizes = np.cumsum([len(words) for words in chosen])[:-1]
    return np.array([_mean_of_pairs(information, words) for words in np.split(place, sizes)])


def _mean_of_pairs(information, words):
    pairs = information[np.ix_(words, words)][~np.eye(len(words), dtype=bool)]
    pairs = pairs[~np.isnan(pairs)]
    return float(pairs.mean()) if len(pairs) else np.nan


def _exclude_each_other(documents, used):
    """Which of these words never share a row, as they are values of one slot."""
    slot = slot_of_words(documents)
    if slot is None:
        return np.eye(len(used), dtype=bool)
    return slot[used, None] == slot[used]


def slot_of_words(documents: Documents | BagsOfWords) -> np.ndarray | None:
    """The slot of each word, where slots hold one word a row and have words of their own.

    Parameters
    ----------
    documents : Documents or BagsOfWords
        Any ones.

    Returns
    -------
    ndarray of shape (V,), int, or None
        None where words lie in several slots, or rows hold several words of one.
    """
    if isinstance(documents, BagsOfWords) or documents.weights is not None:
        return None
    slot = np.full(len(documents.words), -1)
    for j, tokens in enumerate(documents.tokens.T):
        held = np.unique(tokens)
        if (slot[held] >= 0).any():
            return None
        slot[held] = j
    # Words of no row are in no slot together.
    unseen = np.flatnonzero(slot < 0)
    slot[unseen] = len(documents.slots) + np.arange(len(unseen))
    return slot
