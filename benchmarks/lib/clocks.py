"""Process CPU time and wall time, and the machine that they were taken on."""

from __future__ import annotations

import os
import platform
import resource
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from threadpoolctl import threadpool_limits

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
    "pillow",
    "imagecodecs",
)


class Stopwatch:
    """Seconds of a `with` block: CPU time of the process and of children that ended, wall time."""

    cpu: float
    wall: float

    def __enter__(self) -> Stopwatch:
        self._begin = _cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cpu = _cpu_seconds() - self._begin[0]
        self.wall = time.perf_counter() - self._begin[1]

    def seconds(self, name: str = "") -> dict[str, float]:
        """Both clocks, as entries of a result."""
        stem = f"{name}_" if name else ""
        return {f"{stem}cpu_seconds": self.cpu, f"{stem}wall_seconds": self.wall}


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def set_threads(n_threads: int) -> None:
    """Limit torch, OpenMP and BLAS; call it before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(n_threads)
    import torch

    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)


def environment(threads: int | list[int]) -> dict:
    """The circumstances of a run: machine, threads and package versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "threads": threads,
        # Other work on the machine is what spoils timings most, several threads above all.
        "load_average": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in DISTRIBUTIONS},
    }


def _cpu_model() -> str:
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
