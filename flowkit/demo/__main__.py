"""``python -m flowkit.demo``."""

from .tour import main

main()
