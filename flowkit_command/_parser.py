"""Commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable

SHELLS = ("bash", "zsh")
_EXAMPLES = """\
examples:
  flowkit detect orders.csv                        rows that do not belong, and why
  flowkit detect new.csv --train orders.csv        the same, learned from other rows
  flowkit fit orders.csv --output orders.flow      learn a density, keep it in a file
  flowkit score orders.flow new.csv > scores.csv   log density of each row
  flowkit sample orders.flow -n 1000 -o drawn.csv  rows that could have been there
  flowkit report orders.csv --output report.html   a page about the table and its density

Tables are CSV, TSV, Parquet, Excel or npz files; "-" is CSV from standard input. Results go to
standard output or to the file of --output, all else to standard error. The exit status is 0 if all
went well, 1 if data or files cannot be used, and 2 if the command is used wrongly.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="flowkit",
        description="Deep density estimation of tables: strange rows, scores, new rows, reports.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, (text, examples, add_options) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_options(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of errors")
    return parser


class _Version(argparse.Action):
    """Print the version of the installed distribution."""

    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("flowkit-density")
        except PackageNotFoundError:
            from flowkit import __version__ as number
        print(f"flowkit {number}")
        parser.exit()


def _fit(command):
    _add_data(command)
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="for the model")
    command.add_argument(
        "--estimator",
        choices=("density", "detector"),
        default="density",
        help="a density of the table (default), or a detector of rows that do not belong",
    )
    _add_training(command)


def _score(command):
    _add_model(command)
    _add_data(command, kinds=False)
    _add_output(command, ("csv", "json"), "csv")


def _detect(command):
    _add_data(command)
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--train",
        metavar="FILE",
        help="rows that belong; by default the rows learn from each other",
    )
    source.add_argument(
        "--model", metavar="FILE", help="a detector from `flowkit fit --estimator detector`"
    )
    command.add_argument(
        "--top", type=_count, default=10, metavar="N", help="how many rows to tell (default: 10)"
    )
    command.add_argument(
        "--reasons",
        type=_count,
        default=3,
        metavar="N",
        help="columns to tell of each (default: 3)",
    )
    _add_training(command)
    _add_output(command, ("text", "csv", "json"), "text")


def _sample(command):
    _add_model(command)
    command.add_argument(
        "-n", "--rows", type=_count, default=1, metavar="N", help="how many rows (default: 1)"
    )
    command.add_argument(
        "--given",
        nargs="+",
        action="extend",
        metavar="COLUMN=VALUE",
        help="values that columns have, levels as drawn rows show them",
    )
    _add_seed(command)
    _add_output(command, ("csv", "json"), "csv")


def _report(command):
    _add_data(command)
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="a page (.html), text (.md) or numbers (.json); by default text on standard output",
    )
    command.add_argument(
        "--model", metavar="FILE", help="a model of the table, instead of a new one"
    )
    _add_training(command)


def _demo(command):
    command.add_argument(
        "-o", "--output", default="demo-output", metavar="FOLDER", help="for pictures"
    )
    command.add_argument("--quick", action="store_true", help="the same, smaller and worse")


def _completion(command):
    command.add_argument("shell", choices=SHELLS, help="which shell")


_COMMANDS: dict[str, tuple[str, tuple[str, ...], Callable]] = {
    "fit": (
        "learn the density of a table and keep it in a file",
        (
            "flowkit fit orders.csv --output orders.flow",
            "flowkit fit orders.csv --drop order --kinds wind=circular:360 income=bounded:0: "
            "-o orders.flow",
            "flowkit fit orders.csv --estimator detector --output detector.flow",
        ),
        _fit,
    ),
    "score": (
        "score each row of a table by a model: its log density in nats, or how well it belongs",
        (
            "flowkit score orders.flow new.csv > scores.csv",
            "flowkit score orders.flow new.parquet --output scores.parquet",
        ),
        _score,
    ),
    "detect": (
        "find the rows that do not belong, with p-values and reasons",
        (
            "flowkit detect orders.csv",
            "flowkit detect new.csv --train orders.csv --top 20 --output strange.csv",
            "flowkit detect new.csv --model detector.flow --format json",
        ),
        _detect,
    ),
    "sample": (
        "draw rows from a density",
        (
            "flowkit sample orders.flow -n 1000 --output drawn.csv",
            "flowkit sample orders.flow -n 5 --given country=DE size=3",
        ),
        _sample,
    ),
    "report": (
        "tell what a table holds, how well a density fits it, and what is unusual",
        (
            "flowkit report orders.csv --output report.html",
            "flowkit report orders.csv --model orders.flow --output report.json",
        ),
        _report,
    ),
    "demo": (
        "show what flowkit does on a few tables",
        ("flowkit demo --quick --output pictures",),
        _demo,
    ),
    "completion": (
        "print a script that completes commands in a shell",
        (
            'eval "$(flowkit completion bash)"    # in ~/.bashrc',
            'eval "$(flowkit completion zsh)"     # in ~/.zshrc',
        ),
        _completion,
    ),
}


def _add_data(command, kinds=True):
    command.add_argument(
        "data", help='table: .csv, .tsv, .parquet, .xlsx, .npz, or "-" for CSV from standard input'
    )
    command.add_argument(
        "--target",
        metavar="COLUMN",
        help="a label: the model does not see it, the results keep it",
    )
    command.add_argument(
        "--drop",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns to leave out",
    )
    command.add_argument(
        "--missing",
        nargs="+",
        action="extend",
        default=[],
        metavar="VALUE",
        help="values that stand for missing ones, such as -999",
    )
    if kinds:
        command.add_argument(
            "--kinds",
            nargs="+",
            action="extend",
            default=[],
            metavar="COLUMN=KIND",
            help="what columns are, where that is not clear: continuous, bounded:LOW:HIGH, "
            "integer, categorical, circular:PERIOD, spiked or date; either bound may be left out",
        )
    command.add_argument(
        "--separator",
        type=_character,
        metavar="CHARACTER",
        help="between cells of text; found by itself if not given",
    )
    command.add_argument("--array", metavar="NAME", help="which array of an .npz file has the rows")
    command.add_argument("--sheet", metavar="NAME", help="which sheet of a workbook has the rows")


def _add_model(command):
    command.add_argument("model", help="file of a model from `flowkit fit` or flowkit.save")


def _add_training(command):
    command.add_argument(
        "--max-time", type=_positive, metavar="SECONDS", help="end training after these seconds"
    )
    command.add_argument(
        "--max-epochs", type=_count, metavar="N", help="end training after N epochs"
    )
    _add_seed(command)
    command.add_argument("--quiet", action="store_true", help="no progress bars and no notes")


def _add_seed(command):
    command.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="source of randomness (default: 0)"
    )


def _add_output(command, formats, default):
    command.add_argument(
        "-o", "--output", metavar="FILE", help=".csv, .tsv, .json, .parquet, .xlsx or .npz"
    )
    command.add_argument(
        "--format",
        choices=formats,
        default=default,
        help=f"on standard output (default: {default})",
    )


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def _positive(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return seconds


def _seed(text):
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {2**32 - 1}, got {text!r}"
        )
    return int(text)


def _character(text):
    # Shells hand over a tab as it is called.
    text = "\t" if text == "\\t" else text
    if len(text) != 1:
        raise argparse.ArgumentTypeError(f"must be one character, got {text!r}")
    return text
