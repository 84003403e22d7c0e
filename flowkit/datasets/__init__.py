"""Data sets whose factors are known, drawn on the spot."""

from ._msds import make_msds

__all__ = ["make_msds"]
