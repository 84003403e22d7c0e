"""Densities of mixed tables: reading, kinds of columns, codecs."""

from .table import TableDensity

__all__ = ["TableDensity"]
