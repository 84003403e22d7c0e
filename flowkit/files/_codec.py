"""What a kind of values is in a file: one base class, whose subclasses are one kind each."""

from __future__ import annotations

from typing import Any, ClassVar

from ..exceptions import DamagedFileError


class Codec:
    """Turns values of one kind into fields of JSON and arrays, and back.

    Attributes
    ----------
    tag : str
        Names the kind in files.
    types : tuple of str
        Qualified names of the types whose values are of this kind; no subclasses.
    """

    tag: ClassVar[str]
    types: ClassVar[tuple[str, ...]] = ()

    def takes(self, value: Any) -> bool:
        """Whether a value whose type no codec names is of this kind."""
        return False

    def encode(self, value: Any, encoder) -> dict:
        """Fields of a value.

        Parameters
        ----------
        value : object
            The value.
        encoder : Encoder
            Its `value` gives JSON for values inside; its `array` stores an array.

        Returns
        -------
        dict of str to JSON
            The fields.
        """
        raise NotImplementedError

    def decode(self, fields: dict, decoder) -> Any:
        """The value of fields, of which nothing is known; any exception says that they are wrong.

        Parameters
        ----------
        fields : dict of str to JSON
            As `encode` gives them.
        decoder : Decoder
            Its `value` gives values inside, its `array` an array; `take` asks it for memory.

        Returns
        -------
        object
            The value.
        """
        raise NotImplementedError


def expect(holds: bool, what: str) -> None:
    """Refuse fields that no value has.

    Raises
    ------
    DamagedFileError
        If the condition does not hold.
    """
    if not holds:
        raise DamagedFileError(f"it holds {what}.")
