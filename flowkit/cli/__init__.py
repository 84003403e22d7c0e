"""The commands of ``flowkit``, once their options are read; `flowkit_command` reads them."""

from .commands import run

__all__ = ["run"]
