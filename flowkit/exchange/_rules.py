"""What each class becomes in a graph."""

from __future__ import annotations

from collections.abc import Callable

from ..exceptions import NotExportableError


class Rules:
    """A rule for each class of parts of a density.

    Parameters
    ----------
    kind : str
        What a part is, for the error, such as 'a prior'.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._rules: dict[type, Callable] = {}

    def of(self, *classes: type) -> Callable:
        """Decorator of the rule of these classes, and of no subclasses: these may map otherwise."""

        def register(rule):
            self._rules.update(dict.fromkeys(classes, rule))
            return rule

        return register

    def __call__(self, part, *args):
        """What a part becomes.

        Parameters
        ----------
        part : object
            A part of a density.
        *args
            What its rule takes beside it.

        Returns
        -------
        object
            What the rule returns.

        Raises
        ------
        NotExportableError
            If there is no rule of its class.
        """
        rule = self._rules.get(type(part))
        if rule is None:
            known = ", ".join(sorted(cls.__name__ for cls in self._rules))
            raise NotExportableError(
                f"expected {self.kind} that has a form in ONNX, {known}, got "
                f"{type(part).__name__}. Build the density of those, or keep it in a file by "
                "flowkit.save."
            )
        return rule(part, *args)


# Each rule is given the estimator and rows (n, d) of float64, and returns log densities (n,): -inf
# where a density is zero, and anything in rows that are not finite.
DENSITIES = Rules("a density")
