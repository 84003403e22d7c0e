"""Rows as documents of words, and the topics that these words fall into."""

from ._kmeans import k_means
from .bags import BagsOfWords, bags_of_words
from .distances import classical_scaling, gaussian_distances, word_distances
from .documents import (
    Documents,
    PatchWords,
    TableWords,
    count_documents,
    patch_documents,
    table_documents,
)
from .lda import (
    Topics,
    fit_dirichlet,
    fit_lda,
    fold_in,
    group_responsibilities,
    heaviest_words,
    kmeans_topics,
    relevant_words,
    slot_responsibilities,
    topic_words,
)
from .quality import coherence, exclusivity

__all__ = [
    "BagsOfWords",
    "Documents",
    "PatchWords",
    "TableWords",
    "Topics",
    "bags_of_words",
    "classical_scaling",
    "coherence",
    "count_documents",
    "exclusivity",
    "fit_dirichlet",
    "fit_lda",
    "fold_in",
    "gaussian_distances",
    "group_responsibilities",
    "heaviest_words",
    "k_means",
    "kmeans_topics",
    "patch_documents",
    "relevant_words",
    "slot_responsibilities",
    "table_documents",
    "topic_words",
    "word_distances",
]
