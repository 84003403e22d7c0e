"""Densities for other libraries and languages: ONNX, skl2onnx and PyOD."""

from ._converters import register_onnx_converters
from .onnx import to_onnx

__all__ = ["register_onnx_converters", "to_onnx"]
