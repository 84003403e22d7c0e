"""Rows that are too many for memory: read in chunks, stored on disk for training, scored."""

from .chunks import Chunks, is_stream, refuse_streams
from .scores import score_chunks
from .stored import StoredRows, store_rows

__all__ = [
    "Chunks",
    "StoredRows",
    "is_stream",
    "refuse_streams",
    "score_chunks",
    "store_rows",
]
