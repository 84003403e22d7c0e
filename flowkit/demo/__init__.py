"""The tour of ``make demo``: strange rows with reasons, densities, topics and wrong pixels.

Run as ``python -m flowkit.demo``. Each section is a module with a heading and a function ``show``.
"""

from .tour import main

__all__ = ["main"]
