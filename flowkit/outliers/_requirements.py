"""What a density must have beside ``score_samples``."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import InvalidParameterError


@dataclass(frozen=True)
class Requirement:
    """A method that a density must have.

    Parameters
    ----------
    method : str
        Its name.
    example : str
        Densities that have it.
    """

    method: str
    example: str

    def is_met_by(self, density) -> bool:
        """Whether a fitted density without wrappers has the method."""
        return hasattr(density, self.method)

    def check(self, density, wanted: str) -> None:
        """Refuse a density that lacks the method.

        Parameters
        ----------
        density : estimator
            Fitted, without wrappers.
        wanted : str
            The value of a parameter that needs the method.

        Raises
        ------
        InvalidParameterError
            If it lacks the method.
        """
        if not self.is_met_by(density):
            raise InvalidParameterError(
                f"{wanted!r} needs a density with {self.method}, such as {self.example}; "
                f"{type(density).__name__} has none."
            )


SCALES = Requirement("score_levels", "RGFlowDensity")
