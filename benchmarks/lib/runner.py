"""A study: its options, the cells that it measures once each, and the JSON file that holds them."""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import math
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .clocks import Stopwatch, environment, set_threads

_BENCHMARKS = Path(__file__).resolve().parents[1]
# Results that pages show, and those of runs that record nothing.
RESULTS, OUTPUT = _BENCHMARKS / "results", _BENCHMARKS / "output"
BUDGET = "CPU seconds after which one training, or one timing, ends; a pass under way is finished"


class Study:
    """A benchmark with the options that all have.

    A cell is the smallest thing that is measured, such as one method on one data set with one seed.
    The file is complete after every cell.

    Parameters
    ----------
    name : str
        Name of the results file.
    description : str
        Docstring of the study; its first paragraph is shown by ``--help``.
    seeds : int
        Default of ``--seeds``: seeds 0 to ``seeds - 1`` are run.
    budget : float or None
        Default of ``--budget``; None sets no limit.
    smoke_budget : float, default=0.5
        The same with ``--smoke``.
    threads : int or list of int, default=1
        Default of ``--threads``; a list makes it take several.

    Attributes
    ----------
    args : argparse.Namespace
        What was chosen.
    results : list of dict
        One entry a cell.
    """

    def __init__(
        self,
        name: str,
        description: str,
        *,
        seeds: int,
        budget: float | None,
        smoke_budget: float = 0.5,
        threads: int | list[int] = 1,
    ):
        self.name, self.results = name, []
        self.parser = argparse.ArgumentParser(
            description=description.split("\n\n")[0],
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        self._smoke: dict[str, Any] = {}
        self._selecting: dict[str, str] = {}
        self.option("--seeds", type=int, default=seeds, smoke=1, help="number of seeds, from 0 on")
        self.option("--first-seed", type=int, default=0, help="where they begin instead")
        self.option("--budget", type=float, default=budget, smoke=smoke_budget, help=BUDGET)
        many = {"nargs": "+"} if isinstance(threads, list) else {}
        few = [1] if many else 1
        threads_help = "threads of torch and BLAS"
        self.option("--threads", type=int, default=threads, smoke=few, help=threads_help, **many)
        default = f"file of results, instead of {OUTPUT.parent.name}/{OUTPUT.name}/{name}.json"
        self.option("--output", type=Path, help=default)
        flag = {"action": "store_true"}
        self.option("--record", help="write the committed results, those of --report", **flag)
        self.option("--resume", help="keep the cells that the file has", **flag)
        redo = {"nargs": "+", "default": [], "metavar": "METHOD"}
        self.option("--redo", help="with --resume: but not the cells of these", **redo)
        self.option("--report", help="only print what the file has", **flag)
        self.option("--merge", nargs="+", type=Path, metavar="FILE", help="add cells of files")
        self.option("--smoke", help="tiny sizes, data that ship, a temporary file", **flag)

    def option(self, flag: str, *, smoke: Any = None, selects: str | None = None, **options: Any):
        """Add an option.

        Parameters
        ----------
        flag : str
            Its name.
        smoke : object, default=None
            Its default with ``--smoke``; None leaves the other one.
        selects : str or None, default=None
            Entry of the results that it chooses by, for reports.
        **options
            Passed to `argparse.ArgumentParser.add_argument`.
        """
        action = self.parser.add_argument(flag, **options)
        if smoke is not None:
            self._smoke[action.dest] = smoke
        if selects is not None:
            self._selecting[action.dest] = selects

    @property
    def seeds(self) -> range:
        """Those asked for."""
        return range(self.args.first_seed, self.args.first_seed + self.args.seeds)

    @property
    def budget(self) -> float:
        """CPU seconds, infinite without a limit."""
        return math.inf if self.args.budget is None else self.args.budget

    def run(
        self,
        measure: Callable[[Study], None],
        report: Callable[[list[dict]], None],
        argv: list[str] | None = None,
    ) -> None:
        """Measure and report.

        Parameters
        ----------
        measure : callable
            Gets the study and calls `cell`.
        report : callable
            Gets the results that the options choose, less those that failed.
        argv : list of str or None, default=None
            Arguments; None takes those of the program.
        """
        self._parse(argv)
        if not (self.args.report or self.args.merge):
            set_threads(max(_as_list(self.args.threads)))
            # Otherwise the first fit would be charged for the import.
            import flowkit  # noqa: F401

            measure(self)
        failed = [r for r in self.selected() if "error" in r]
        results = [r for r in self.selected() if "error" not in r]
        if results:
            report(results)
        for r in failed:
            print(f"Failed: {_in_words(r)}: {r['error']}")
        if not self.args.report:
            self._write()
        if not (self.args.report or self.args.smoke):
            print(f"Written: {self.output}")
        if self.args.smoke and (failed or not results):
            raise SystemExit(f"{self.name}: {len(failed)} cells failed, {len(results)} did not.")

    def cell(
        self, about: dict[str, Any], settings: dict[str, Any], work: Callable[..., dict], *args: Any
    ) -> dict | None:
        """Measure what the file does not have yet.

        Parameters
        ----------
        about : dict
            What the cell is; no two cells of a file share it.
        settings : dict
            What cells of one file must share with those of an earlier run.
        work : callable
            Measures it and returns its results. An error is recorded, and the study goes on.
        *args
            Given to `work`.

        Returns
        -------
        dict or None
            The results; None if it failed.
        """
        settings = _as_json(settings)
        if (kept := self.find(about)) is not None:
            if kept["settings"] != settings:
                raise SystemExit(
                    f"{self.output} has {_in_words(about)} with {kept['settings']}, now it is "
                    f"{settings}: choose another --output, or measure it again with --redo."
                )
            return None if "error" in kept else kept
        try:
            with warnings.catch_warnings(), Stopwatch() as watch:
                warnings.simplefilter("ignore")
                result = work(*args)
            result = {**watch.seconds(), **result}
        except Exception as error:
            if self.args.smoke:
                traceback.print_exc()
            result = {"error": f"{type(error).__name__}: {error}"}
        entry = {**about, "settings": settings, **_as_json(result)}
        self.results.append(entry)
        self._write()
        print(_in_words(about), _in_short(result), flush=True)
        return None if "error" in entry else entry

    def find(self, about: dict[str, Any]) -> dict | None:
        """The results of a cell, if there are any."""
        return next((r for r in self.results if about.items() <= r.items()), None)

    def lacks(self, abouts: Iterable[dict[str, Any]]) -> bool:
        """Whether any of these cells is still to be measured, and its data to be loaded."""
        return any(self.find(about) is None for about in abouts)

    def installed(self, names: Iterable[str], libraries: Mapping[str, str]) -> list[str]:
        """Names whose library can be imported; the others are said to be left out.

        Parameters
        ----------
        names : iterable of str
            Methods asked for.
        libraries : mapping of str to str
            Module that a method needs; methods that are not in it need none.
        """
        present = []
        for name in names:
            if name in libraries and importlib.util.find_spec(libraries[name]) is None:
                print(f"{name}: left out, as {libraries[name]} is not installed")
            else:
                present.append(name)
        return present

    def selected(self) -> list[dict]:
        """Results that the options choose."""
        return [r for r in self.results if self._is_asked(r)]

    def _parse(self, argv: list[str] | None) -> None:
        args = self.parser.parse_args(argv)
        if args.smoke:
            self.parser.set_defaults(**self._smoke)
            args = self.parser.parse_args(argv)
        self.args, self.output = args, args.output
        if self.output is None:
            folder = RESULTS if args.record or args.report else OUTPUT
            if args.smoke:
                # Results that mean nothing must not replace those that do.
                self._temporary = tempfile.TemporaryDirectory(prefix="flowkit-bench-")
                folder = Path(self._temporary.name)
            self.output = folder / f"{self.name}.json"
        if args.report and not self.output.exists():
            raise SystemExit(f"No results to report: {self.output} is not there.")
        if self.output.exists() and (args.resume or args.report or args.merge):
            self.payload = json.loads(self.output.read_text())
            self.results = self.payload["results"]
        else:
            self.payload = {}
        if args.resume:
            # What failed is tried again.
            self.results = [
                r
                for r in self.results
                if "error" not in r and not (r.get("method") in args.redo and self._is_asked(r))
            ]
        if not (args.report or args.merge):
            self.payload["environment"] = environment(args.threads)
        for file in args.merge or []:
            self._merge(json.loads(file.read_text()), file)

    def _is_asked(self, r: dict) -> bool:
        if r.get("seed") is not None and r["seed"] not in self.seeds:
            return False
        for option, key in self._selecting.items():
            wanted = getattr(self.args, option)
            if wanted is not None and r.get(key) not in (None, *_as_list(wanted)):
                return False
        return True

    def _merge(self, added: dict, file: Path) -> None:
        """Add cells that are not there yet; one that failed gives way to one that did not."""
        self.payload["environment"] = added["environment"]
        for r in added["results"]:
            earlier = self.find(_about(r))
            if earlier is None:
                self.results.append(r)
            elif earlier["settings"] != r["settings"]:
                raise SystemExit(
                    f"{file} has {_in_words(r)} with {r['settings']}, the others have it with "
                    f"{earlier['settings']}: these cannot be merged."
                )
            elif "error" in earlier:
                self.results[self.results.index(earlier)] = r

    def _write(self) -> None:
        """Write in one step, so that an interrupted run leaves the last complete file."""
        self.payload["results"] = self.results
        self.output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.output.with_name(self.output.name + ".part")
        unfinished.write_text(json.dumps(self.payload, indent=1) + "\n")
        unfinished.replace(self.output)


def _about(r: dict) -> dict:
    """What a cell is: the entries before its settings."""
    return dict(itertools.takewhile(lambda entry: entry[0] != "settings", r.items()))


def _in_words(r: dict) -> str:
    return ", ".join(f"{k} {v}" if isinstance(v, int) else str(v) for k, v in _about(r).items())


def _in_short(result: dict) -> str:
    """The first results that are numbers, and the time that they took."""
    if "error" in result:
        return result["error"]
    numbers = {k: v for k, v in result.items() if isinstance(v, float)}
    seconds = numbers.pop("cpu_seconds"), numbers.pop("wall_seconds")
    shown = [f"{k} {v:.4g}" for k, v in list(numbers.items())[:3]]
    return " ".join([*shown, "({:.1f} CPU s, {:.1f} s)".format(*seconds)])


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def _as_json(value: dict) -> dict:
    """As it comes back from a file."""
    return json.loads(json.dumps(value, default=_as_plain))


def _as_plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)
