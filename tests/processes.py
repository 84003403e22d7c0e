"""Processes of their own that need not import torch again: forks of one that has."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

FORKS = multiprocessing.get_context("forkserver")
_IMPORTED = ["flowkit", "numba"]


def serve() -> None:
    """Let the process that is forked import what it can, if it does not run yet."""
    FORKS.set_forkserver_preload(_IMPORTED)
    multiprocessing.forkserver.ensure_running()


def start(function: Callable, *args, said: Path, environment=None) -> multiprocessing.Process:
    """Start a process that calls a function of a module, and prints into a file.

    It knows nothing of what this process has made, and its `exitcode` is minus the number of the
    signal that killed it.
    """
    serve()
    process = FORKS.Process(target=_call, args=(function, args, said, environment or {}))
    process.start()
    return process


def _call(function, args, said, environment):
    os.environ.update(environment)
    torch.set_num_threads(1)
    with open(said, "w", buffering=1) as sys.stdout:
        function(*args)
