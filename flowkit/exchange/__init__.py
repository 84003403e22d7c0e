"""Densities for other libraries and languages: ONNX, skl2onnx and PyOD."""

from ._converters import register_onnx_converters
from .onnx import to_onnx
from .pyod import PyODScores, to_pyod

__all__ = ["PyODScores", "register_onnx_converters", "to_onnx", "to_pyod"]
