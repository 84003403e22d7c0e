"""A skorch callback that keeps a training on disk, so that it can go on where a process died."""

from __future__ import annotations

import os
import pickle
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback

from .._replacing import replacing
from ..exceptions import CheckpointError
from ..nets import generator_of
from .processes import current_processes

_FORMAT = 2
# Writing takes at most this share of the time of training.
_MAX_SHARE = 0.05


class Checkpoint(Callback):
    """Writes all that training needs to go on, after epochs; reads it where there is any.

    Of processes that train together, the main one alone writes and reads.

    The file is replaced in one step, so that it is whole whenever a process dies. It holds tensors
    and plain values, and is read without running code of it. It is removed by `discard`.

    Parameters
    ----------
    path : str or PathLike
        Where.
    fingerprint : str
        What tells this training from others: rows, parameters and seeds.

    Raises
    ------
    CheckpointError
        If the file is none of these, or of another training.
    """

    def __init__(self, path: str | os.PathLike, fingerprint: str):
        self.path = path
        self.fingerprint = fingerprint

    def resume(self, net) -> None:
        """Put a net that is about to train where the file says; leave it as it is without one."""
        self.seconds_, self.written_ = 0.0, time.monotonic()
        self.processes_ = current_processes()
        state = self._found() if self.processes_.is_main else None
        state = self.processes_.from_main(state)
        if state is not None:
            self._restore(net, state)

    def on_epoch_end(self, net, **kwargs):
        now = time.monotonic()
        # Rows that an epoch cut short has not seen would never be.
        if net.is_closing_:
            return
        if self.processes_.from_main(_MAX_SHARE * (now - self.written_) >= self.seconds_):
            state = _state_of(net) | {"format": _FORMAT, "fingerprint": self.fingerprint}
            if self.processes_.is_main:
                self._write(state)
            self.written_ = time.monotonic()
            self.seconds_ = self.written_ - now

    def discard(self) -> None:
        """Remove the file: training has come to its end."""
        if not current_processes().is_main:
            return
        # A file that cannot be removed is no reason to lose what was trained.
        with suppress(OSError):
            Path(os.path.realpath(self.path)).unlink(missing_ok=True)

    def _found(self):
        """What the file holds; None without one."""
        path = Path(self.path)
        try:
            exists, is_file = path.exists(), path.is_file()
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"checkpoint={str(self.path)!r} is no path of a file ({error}). Give another one."
            ) from error
        if not exists:
            return None
        if not is_file:
            # Reading a pipe would wait for ever.
            raise self._unreadable("it is no regular file")
        return self._read()

    def _write(self, state):
        try:
            with replacing(os.fspath(self.path)) as file:
                torch.save(state, file)
        except (OSError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"checkpoint={str(self.path)!r} cannot be written ({error}). Give a file in a "
                "folder that exists, may be written to and has room. What it held before is whole: "
                "the same fit goes on from it."
            ) from error

    def _read(self):
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            if state["format"] != _FORMAT:
                raise ValueError(f"format {state['format']}, not {_FORMAT}")
            fingerprint = state["fingerprint"]
        except pickle.UnpicklingError as error:
            raise self._unreadable("it is no file of tensors and plain values") from error
        except Exception as error:
            # Damaged files make torch raise whatever they happen to lead to.
            raise self._unreadable(error) from error
        if fingerprint != self.fingerprint:
            raise CheckpointError(
                f"checkpoint={str(self.path)!r} holds another training: X, sample_weight, a "
                "parameter or random_state (which must be an int) differs. Delete the file to "
                "begin anew, or give another one."
            )
        return state

    def _unreadable(self, reason):
        return CheckpointError(
            f"checkpoint={str(self.path)!r} cannot be read ({reason}). Delete the file to begin "
            "anew, or give another one."
        )

    def _restore(self, net, state):
        try:
            _put(net, state)
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
            raise self._unreadable(error) from error


def _state_of(net) -> dict:
    generator = generator_of(net.module_)
    dropout = None if generator is None else generator.get_state()
    return {
        "module": net.module_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "best": {k: _plain(v) for k, v in net.best_weights.state_dict().items()},
        "batches": net.iterator_train__generator.get_state(),
        "dropout": net.processes_.gather(dropout),
        "n_setbacks": net.n_setbacks_,
        "n_steps": net.n_steps_,
        "n_begun": net.course.n_begun_,
        "seconds": time.monotonic() - net.course.began_,
        "warmth": net.module_.warmth,
        "history": [_told(row) for row in net.history],
    }


def _told(row: dict) -> dict:
    """An epoch of a history without what has no use after it."""
    return {k: _plain(v) for k, v in row.items() if isinstance(v, int | float | np.generic)}


def _plain(value):
    """Numbers without the types of numpy, which would not be read as plain ones."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _put(net, state: dict) -> None:
    net.module_.load_state_dict(state["module"])
    net.optimizer_.load_state_dict(state["optimizer"])
    net.best_weights.load_state_dict(state["best"])
    net.iterator_train__generator.set_state(state["batches"])
    # Processes that were not there before have masks of their own seeds.
    dropout = dict(enumerate(state["dropout"])).get(net.processes_.rank)
    if dropout is not None:
        generator_of(net.module_).set_state(dropout)
    net.n_setbacks_, net.n_steps_ = state["n_setbacks"], state["n_steps"]
    net.course.n_begun_ = state["n_begun"]
    net.course.began_ = time.monotonic() - state["seconds"]
    net.module_.warmth = state["warmth"]
    for row in state["history"]:
        net.history.new_epoch()
        for name, value in row.items():
            net.history.record(name, value)
