"""What a fit would give if it ended early: the weights kept so far, at CPU seconds on a log grid.

Weights are copied while a fit goes on and score rows once it is over, so that scores take none of
its time.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from skorch.callbacks import Callback

# Ratio of two neighbouring times, and seconds before the first.
STEP, FIRST = 1.05, 0.01

# CPU seconds and the log density of new rows that would be reached then, both rising in time.
Curve = list[tuple[float, float]]


class Path:
    """Weights, or models, that a fit keeps as it goes on; the clock begins with the object."""

    def __init__(self) -> None:
        self.notes: list[tuple[float, Any]] = []
        self._begin, self._next = time.process_time(), FIRST

    def __deepcopy__(self, memo: dict) -> Path:
        # Callbacks are copied, what they write to must not be.
        return self

    def note(self, kept: Any) -> None:
        """Copy what is kept now, unless the last copy is of just before."""
        now = time.process_time()
        if now - self._begin >= self._next:
            self.notes.append((now - self._begin, copy.deepcopy(kept)))
            self._next = STEP * (now - self._begin)
            self._begin += time.process_time() - now


class Watch(Callback):
    """Notes the best weights of a training of ours, those before the first epoch too."""

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.path.note(net.best_weights.state_)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.path.note(net.best_weights.state_)


def watched(model: Any, path: Path) -> Any:
    """The model, which will note what it keeps while it is fitted."""
    if hasattr(model, "watch"):
        model.watch = path.note
    else:
        model.set_params(callbacks=[*(model.callbacks or ()), Watch(path)])
    return model


def curve(model: Any, path: Path, rows: np.ndarray) -> Curve:
    """Mean log density of rows along the path of a fitted model, whose weights are changed."""
    points = []
    for seconds, kept in path.notes:
        if hasattr(model, "take"):
            model.take(kept)
        else:
            model.module_.load_state_dict(kept)
            model.module_.refresh()
        points.append((seconds, float(np.mean(model.score_samples(rows)))))
    return points


def seconds_to(points: Sequence[Sequence[float]], level: float) -> float:
    """CPU seconds after which a log density is reached for the first time; NaN for never."""
    return next((seconds for seconds, value in points if value >= level), np.nan)


def value_at(points: Sequence[Sequence[float]], seconds: float) -> float:
    """Log density that has been reached at a time; NaN before the first point."""
    return next((value for at, value in reversed(points) if at <= seconds), np.nan)
