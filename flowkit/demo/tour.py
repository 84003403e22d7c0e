"""The sections of the tour, one after the other."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from . import densities, pixels, strange_rows, topics

SECTIONS = {
    "strange_rows": strange_rows,
    "densities": densities,
    "topics": topics,
    "pixels": pixels,
}
_DPI = 130


def main(arguments: list[str] | None = None) -> None:
    """Show what flowkit does on a few tables: what it finds on the screen, and pictures.

    Parameters
    ----------
    arguments : list of str, default=None
        As on the command line, without the name of the program; None for those given there.

    Raises
    ------
    MissingDependencyError
        If matplotlib or pandas is not installed.
    """
    parser = argparse.ArgumentParser(prog="python -m flowkit.demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="for pictures")
    parser.add_argument("--quick", action="store_true", help="the same, smaller and worse")
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="which ones"
    )
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    for name in options.sections:
        _show(name, options.output / f"{name}.png", options.quick)
    print(f"\nDone in {time.process_time() - start:.0f} CPU seconds.")


def _show(name: str, path: Path, quick: bool) -> None:
    section, start = SECTIONS[name], time.process_time()
    print(f"\n{section.HEADING}\n{'=' * len(section.HEADING)}", flush=True)
    text, figure = section.show(quick)
    figure.savefig(path, dpi=_DPI)
    seconds = time.process_time() - start
    print(f"{text}\n\n[{seconds:.1f} CPU seconds, picture: {path}]", flush=True)
