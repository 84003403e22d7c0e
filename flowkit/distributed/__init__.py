"""Beyond one machine, on engines that exist: dask, Spark, Ray and Hugging Face accelerate."""

from ._dask import decision_function, predict, score_samples, transform
from ._data_parallel import data_parallel
from ._frames import FrameScorer

__all__ = [
    "FrameScorer",
    "data_parallel",
    "decision_function",
    "predict",
    "score_samples",
    "transform",
]
