"""Peak resident memory of this process, as Linux tells it."""

from __future__ import annotations

import sys
from pathlib import Path

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


def peak_resident() -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
