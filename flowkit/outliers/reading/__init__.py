"""How the default detector reads a table: numbers, dates, levels and missing values as numbers."""

from .table_reading import TableReading

__all__ = ["TableReading"]
