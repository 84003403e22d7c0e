"""A progress bar over the steps of a fit."""

from __future__ import annotations

import contextlib


class Progress:
    """A bar that names the current step. A context: the bar is closed at its end.

    Parameters
    ----------
    n_steps : int
        Number of steps.
    shown : bool
        Whether there is a bar at all.
    """

    def __init__(self, n_steps: int, shown: bool):
        self._bar = None
        if shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=n_steps, unit="step")

    @contextlib.contextmanager
    def step(self, name: str):
        """Context of one step."""
        if self._bar is not None:
            self._bar.set_description(name)
        yield
        if self._bar is not None:
            self._bar.update()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.close()
