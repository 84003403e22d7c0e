"""What the benchmark scripts share: options, clocks, tables, JSON and the data folder."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).resolve().parent / "results"
DISTRIBUTIONS = (
    "flowkit-density",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "skorch",
    "zuko",
    "nflows",
    "normflows",
    "pyod",
)


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Parser with the option that every benchmark has: where the JSON goes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS / f"{name}.json", help="file for the JSON results"
    )
    return parser


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=1, help="threads of torch and BLAS")


def set_threads(n_threads: int) -> None:
    """Limit torch, OpenMP and BLAS; call it before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    os.environ["MKL_NUM_THREADS"] = str(n_threads)
    import torch

    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)


def is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


class Stopwatch:
    """Process CPU seconds (all threads) and wall seconds of a `with` block."""

    cpu: float
    wall: float

    def __enter__(self) -> Stopwatch:
        self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cpu = time.process_time() - self._start[0]
        self.wall = time.perf_counter() - self._start[1]


def cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def environment(threads: int | list[int]) -> dict:
    """The circumstances of a run: machine, threads and package versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cpu_count": os.cpu_count(),
        "threads": threads,
        # Other work on the machine is what spoils timings most, several threads above all.
        "load_average": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in DISTRIBUTIONS},
    }


def write_json(path: Path, payload: dict) -> None:
    """Write in one step, so that an interrupted run leaves the last complete file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(payload, indent=1) + "\n")
    unfinished.replace(path)


def format_table(header: list[str], rows: list[list[str]]) -> str:
    """Aligned text: first column to the left, the others to the right."""
    widths = [max(len(row[j]) for row in [header, *rows]) for j in range(len(header))]

    def line(cells: list[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1])] + [cell.rjust(w) for cell, w in others])

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, rows)])


def data_folder() -> Path:
    """The folder named by FLOWKIT_DATA; leaves the program with a clear message without it."""
    name = os.environ.get("FLOWKIT_DATA")
    if not name:
        raise SystemExit(
            "This benchmark reads real tables: set the environment variable FLOWKIT_DATA to the "
            "folder that holds adbench/*.npz."
        )
    folder = Path(name)
    if not (folder / "adbench").is_dir():
        raise SystemExit(f"FLOWKIT_DATA={name}: no folder 'adbench' in it.")
    return folder


def load_table(name: str) -> np.ndarray:
    """All rows of one ADBench table, normal and anomalous, as float64."""
    path = data_folder() / "adbench" / f"{name}.npz"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.npz")))
        raise SystemExit(f"No table {name!r} in {path.parent}; there are: {known}.")
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["X"].astype(np.float64)
