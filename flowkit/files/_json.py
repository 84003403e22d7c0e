"""JSON that is read strictly, and only if what it becomes fits into the memory allowed for it."""

from __future__ import annotations

import json

from ..exceptions import DamagedFileError
from ._memory import FACTOR, SLACK

# The text itself and what is built of its values take memory as well.
# Bytes that Python takes for one pair of a table, and for any other value.
_PAIR, _VALUE = 240, 80


def fits(text: bytes, file_size: int) -> bool:
    """Whether what JSON becomes fits into the memory that a file of this size may take."""
    n_values = sum(text.count(sign) for sign in (b",", b"[", b"{"))
    n_bytes = _PAIR * text.count(b":") + _VALUE * n_values
    return n_bytes <= (FACTOR - 2) * file_size + SLACK // 2


def parse(text: bytes, what: str, file_size: int):
    """The value that JSON stands for.

    Parameters
    ----------
    text : bytes
        JSON in UTF-8.
    what : str
        What it is, for messages.
    file_size : int
        Size of the file that it is from, which limits the memory that its value may take.

    Returns
    -------
    object
        The value.

    Raises
    ------
    DamagedFileError
        If it is no JSON, has a name twice in one table, or holds so many values that they would
        fill the memory.
    """
    if not fits(text, file_size):
        raise DamagedFileError(f"{what} holds more values than a file of its size can.")
    try:
        return json.loads(text.decode(), object_pairs_hook=_table, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{what} cannot be read: {error}.") from error


def _table(pairs):
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name stands twice in one table")
    return table


def _refuse_constant(name):
    raise ValueError(f"{name} is no number of JSON")
