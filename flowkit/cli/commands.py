"""The commands, their notes and errors in plain sentences, and their exit status."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings

from ..demo import main as run_demo
from ..exceptions import FlowkitError, InvalidParameterError
from . import detect, fit, report, sample, score

_DONE, _BAD_DATA, _BAD_USE, _INTERRUPTED = 0, 1, 2, 130


def _demo(options):
    run_demo(["--output", options.output, *(["--quick"] if options.quick else [])])


COMMANDS = {
    "fit": fit.fit,
    "score": score.score,
    "detect": detect.detect,
    "sample": sample.sample,
    "report": report.write_report,
    "demo": _demo,
}


def run(options: argparse.Namespace) -> int:
    """Run a command, and tell errors in one sentence.

    Parameters
    ----------
    options : Namespace
        What `flowkit_command` read.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 if data or files cannot be used, 2 if an option cannot
        have its value, 130 after Ctrl-C.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = _teller(getattr(options, "quiet", False))
        try:
            _refuse_own_input(options)
            COMMANDS[options.command](options)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader, such as head, has seen enough; the interpreter would flush once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            print("flowkit: interrupted.", file=sys.stderr)
            return _INTERRUPTED
        except Exception as error:
            if options.debug:
                traceback.print_exc()
            print(f"flowkit: error: {_told(error)}", file=sys.stderr)
            return _BAD_USE if isinstance(error, InvalidParameterError) else _BAD_DATA
    return _DONE


def _refuse_own_input(options):
    """Refuse results in the place of a file that the command reads, also by another path."""
    output = getattr(options, "output", None)
    for name in ("data", "train", "model"):
        path = getattr(options, name, None)
        if None in (path, output) or not (os.path.exists(path) and os.path.exists(output)):
            continue
        if os.path.samefile(path, output):
            raise InvalidParameterError(
                f"--output {output!r} would replace {path!r}, which the command reads: give "
                "another path."
            )


def _told(error) -> str:
    """An error in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, FlowkitError | OSError | MemoryError):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where.)"


def _teller(quiet):
    """What shows a warning: a line on standard error, each once."""
    told = set()

    def show(message, category, filename, lineno, file=None, line=None):
        text = " ".join(str(message).split())
        # What other packages warn of says nothing to those who cannot see the code.
        if quiet or text in told or not category.__module__.startswith("flowkit"):
            return
        told.add(text)
        print(f"flowkit: note: {text}", file=sys.stderr)

    return show
