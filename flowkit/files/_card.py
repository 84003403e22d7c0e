"""What a file says of the model in it: what it is, what it was trained on, and its scores."""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..exceptions import DamagedFileError, InvalidParameterError

# Where an object lies in memory, which is another place each time.
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_MAX_NAMES = 8
_MAX_TEXT = 2000


def make_card(estimator, scores, note: str | None) -> dict[str, Any]:
    """What is worth knowing of an estimator, in JSON.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    scores : dict of float or None
        Scores by what they are of.
    note : str or None
        Anything else.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    InvalidParameterError
        If scores are no numbers with names, or the note is no text.
    """
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "estimator": _ADDRESS.sub("", repr(estimator)),
        "rows": _rows_seen(estimator),
        "columns": _whole(getattr(estimator, "n_features_in_", None)),
        "names": None if names is None else [str(name) for name in names],
        "held_out": _held_out(estimator),
        "scores": _checked_scores(scores),
        "note": _checked_note(note),
    }


def card_text(card, name: str, versions: dict) -> str:
    """A card for people to read.

    Parameters
    ----------
    card : dict
        As `make_card` gives it, from a file.
    name : str
        Class of the estimator.
    versions : dict of str
        What wrote the file.

    Returns
    -------
    str
        Several lines.

    Raises
    ------
    DamagedFileError
        If it is no card.
    """
    try:
        lines = [("model", name), ("estimator", card["estimator"])]
        lines += [("trained on", _shape(card))] if card["columns"] is not None else []
        if card["held_out"] is not None:
            lines.append(("held-out rows", f"{card['held_out']:.6g} nats a row"))
        lines += [(f"score, {what}", f"{score:.6g}") for what, score in card["scores"].items()]
        lines += [("note", card["note"])] if card["note"] else []
        lines.append(("written by", ", ".join(f"{k} {v}" for k, v in versions.items())))
        return "\n".join(f"{_printable(what)}: {_printable(text)}" for what, text in lines)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError("what it says of its model is no card.") from error


def _shape(card):
    rows = "rows" if card["rows"] is None else f"{card['rows']} rows"
    text = f"{rows} of {card['columns']} columns"
    if card["names"]:
        more = ", ..." if len(card["names"]) > _MAX_NAMES else ""
        text += f" ({', '.join(card['names'][:_MAX_NAMES])}{more})"
    return text


def _printable(text):
    """Text without what a terminal would obey."""
    kept = "".join(c if c.isprintable() or c == "\n" else "?" for c in str(text)[:_MAX_TEXT])
    return kept.replace("\n", "\n    ")


def _rows_seen(estimator):
    """Rows that an estimator, or one in it, was trained on; None if none says so."""
    found = _whole(getattr(estimator, "n_samples_seen_", None))
    if found is not None:
        return found
    inside = []
    for value in vars(estimator).values():
        several = value if isinstance(value, list | tuple) else [value]
        inside += [part[-1] if isinstance(part, tuple) and part else part for part in several]
    seen = [_rows_seen(part) for part in inside if isinstance(part, BaseEstimator)]
    return max((n for n in seen if n is not None), default=None)


def _held_out(estimator):
    """Mean log density of the hold-out under the weights that were kept."""
    history = getattr(estimator, "history_", {}).get("valid_log_density", [])
    best = getattr(estimator, "best_epoch_", 0)
    value = float(history[best]) if best < len(history) else math.nan
    return value if math.isfinite(value) else None


def _whole(number):
    return int(number) if isinstance(number, int | np.integer) else None


def _checked_scores(scores):
    scores = {} if scores is None else scores
    is_table = isinstance(scores, dict) and all(isinstance(name, str) for name in scores)
    if not is_table or not all(isinstance(s, Real) and math.isfinite(s) for s in scores.values()):
        raise InvalidParameterError(
            f"scores must be a dict of finite numbers by what they are of, got {scores!r}: for "
            'example {"test rows": density.score(X_test)}.'
        )
    return {name: float(score) for name, score in scores.items()}


def _checked_note(note):
    if note is not None and not isinstance(note, str):
        raise InvalidParameterError(f"note must be text, got {type(note).__name__}.")
    return note
