"""Torch modules that own a whole density."""

from .flow import Flow

__all__ = ["Flow"]
