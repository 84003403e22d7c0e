"""Rows as documents of words, and the topics that these words fall into."""

from ._kmeans import k_means
from .bags import BagsOfWords, bags_of_words
from .documents import Documents, count_documents, patch_documents, table_documents
from .lda import (
    Topics,
    fit_dirichlet,
    fit_lda,
    fold_in,
    group_responsibilities,
    heaviest_words,
    kmeans_topics,
    slot_responsibilities,
    topic_words,
)

__all__ = [
    "BagsOfWords",
    "Documents",
    "Topics",
    "bags_of_words",
    "count_documents",
    "fit_dirichlet",
    "fit_lda",
    "fold_in",
    "group_responsibilities",
    "heaviest_words",
    "k_means",
    "kmeans_topics",
    "patch_documents",
    "slot_responsibilities",
    "table_documents",
    "topic_words",
]
