"""The command ``flowkit``: what the shell needs before torch and the package are loaded.

It is a package of its own, so that ``flowkit --help`` and the completion of a shell take no
seconds. The commands themselves are in `flowkit.cli`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ._completion import completion_script
from ._parser import build_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, default=None
        As on the command line, without the name of the program; None for those given there.

    Returns
    -------
    int
        0 if all went well, 1 if data or files cannot be used, 2 if the command is used wrongly.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command == "completion":
        print(completion_script(parser, options.shell), end="")
        return 0
    from flowkit.cli import run

    return run(options)
