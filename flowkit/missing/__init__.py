"""Incomplete rows: completed in training, integrated out in scores, imputed."""

from ._completion import FIRST_DRAWS, N_DRAWS, Completion
from ._completion_noise import CompletionNoise
from ._importance import resample, shares
from ._incomplete_rows import IncompleteRows, refuse_empty, refuse_images

__all__ = [
    "FIRST_DRAWS",
    "N_DRAWS",
    "Completion",
    "CompletionNoise",
    "IncompleteRows",
    "refuse_empty",
    "refuse_images",
    "resample",
    "shares",
]
