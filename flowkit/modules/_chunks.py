"""How many rows go through a module at once."""

from __future__ import annotations

# Few enough for the cache, many enough for the calls.
_MAX_CHUNK, _MIN_CHUNK = 1024, 64
_CHUNK_VALUES = 2**18


def chunk_size(n_features: int) -> int:
    """Rows of so many columns that go through a module at once."""
    return min(max(_CHUNK_VALUES // n_features, _MIN_CHUNK), _MAX_CHUNK)
