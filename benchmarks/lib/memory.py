"""Peak resident memory of this process, as Linux tells it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

_SECONDS = 0.01
AVAILABLE = sys.platform.startswith("linux")


class PeakMemory:
    """MiB by which the peak within a `with` block exceeds the memory in use before; None elsewhere.

    A peak counts memory that was freed since, so that what comes later hides behind it: each
    measurement belongs into a fresh process.
    """

    mebibytes: float | None = None

    def __enter__(self) -> PeakMemory:
        if AVAILABLE:
            # Makes the present size the peak so far; getrusage would report the parent's.
            Path("/proc/self/clear_refs").write_text("5")
            self._before = peak_resident()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if AVAILABLE:
            self.mebibytes = peak_resident() - self._before


class PeakOwnMemory:
    """The same of memory that is no page of a file, which the system would take back for others.

    Linux keeps no peak of it, so that it is looked at every few milliseconds.
    """

    mebibytes: float | None = None

    def __enter__(self) -> PeakOwnMemory:
        if AVAILABLE:
            self._before = self._peak = own_resident()
            self._is_over = threading.Event()
            self._watch = threading.Thread(target=self._look, daemon=True)
            self._watch.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if AVAILABLE:
            self._is_over.set()
            self._watch.join()
            self.mebibytes = self._peak - self._before

    def _look(self) -> None:
        while not self._is_over.wait(_SECONDS):
            self._peak = max(self._peak, own_resident())


def peak_resident() -> float:
    """MiB."""
    return _of_status("VmHWM")


def own_resident() -> float:
    """MiB at present, without pages of files."""
    return _of_status("RssAnon") + _of_status("RssShmem")


def _of_status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
