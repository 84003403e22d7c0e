"""What processes do that load files, and know nothing else."""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np

import flowkit


def score_files(folder):
    """Load each file, write down what that set off, and score rows."""
    warnings.simplefilter("ignore")
    events, listening = [], [True]

    def note(event, args):
        if event in ("sys._getframe", "object.__getattr__") or not listening:
            return
        frame = sys._getframe()
        # numba keeps what it compiled on this machine in pickles; modules import others in turn.
        while frame is not None and not frame.f_globals.get("__name__", "").startswith("numba."):
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                return
            frame = frame.f_back
        if frame is None:
            events.append((event, str(args[:1])))

    sys.addaudithook(note)
    loaded = {path: flowkit.load(path) for path in folder.glob("*.flow")}
    listening.clear()
    (folder / "events.json").write_text(json.dumps(events))
    # Only now, or it would have imported what loading needs.
    from .examples import CASES

    for path, estimator in loaded.items():
        np.save(path.with_suffix(".npy"), estimator.score_samples(CASES[path.stem][1]))
