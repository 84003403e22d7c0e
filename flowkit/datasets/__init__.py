"""Data sets of which more is known than data tell, drawn on the spot."""

from ._msds import make_msds
from ._orders import make_orders

__all__ = ["make_msds", "make_orders"]
