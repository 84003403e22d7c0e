"""What all estimators do about mistakes: suggest a name, and leave nothing half done."""

from __future__ import annotations

import contextlib
import difflib

from sklearn.base import BaseEstimator
from sklearn.utils import _param_validation
from sklearn.utils._param_validation import StrOptions

from ..exceptions import ConstraintError, UnknownNameError
from ._documentation import DocumentationLinks


class SuggestingEstimator(DocumentationLinks, BaseEstimator):
    """A `BaseEstimator` whose errors say which name was probably meant, and change nothing."""

    # What None stands for in parameters that take an estimator.
    _stand_ins: dict[str, str] = {}

    def _validate_params(self):
        try:
            super()._validate_params()
        except _param_validation.InvalidParameterError as error:
            raise ConstraintError(str(error) + self._suggestion(str(error))) from None

    def _suggestion(self, message: str) -> str:
        """The nearest allowed name, where an unknown one was given."""
        for name, value in self.get_params(deep=False).items():
            if isinstance(value, str) and f"The {name!r} parameter" in message:
                options = [
                    option
                    for constraint in self._parameter_constraints[name]
                    if isinstance(constraint, StrOptions)
                    for option in constraint.options
                ]
                near = difflib.get_close_matches(value, options, n=1)
                return f" Did you mean {near[0]!r}?" if near else ""
        return ""

    def set_params(self, **params):
        """Set parameters, as scikit-learn does; an unknown name suggests the nearest.

        Parameters
        ----------
        **params : dict
            Parameters and their values.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a parameter does not exist, or belongs to one that is no estimator.
        """
        known = self.get_params(deep=True)
        for name in params:
            # The estimator before the underscores checks what follows them.
            own = name.split("__", 1)[0]
            near = difflib.get_close_matches(own, known, n=1)
            if own not in known:
                names = ", ".join(sorted(self.get_params(deep=False)))
                raise UnknownNameError(
                    f"Invalid parameter {own!r} for estimator {type(self).__name__}. "
                    + (f"Did you mean {near[0]!r}?" if near else f"It has {names}.")
                )
        self._refuse_parts_of_nothing(params)
        return super().set_params(**params)

    def _refuse_parts_of_nothing(self, params):
        """Refuse parameters of a parameter that is no estimator, such as those of None."""
        known = self.get_params(deep=True)
        for name, value in params.items():
            owner, part = name.split("__", 1) if "__" in name else ("", "")
            held = params.get(owner, known.get(owner)) if owner else self
            if hasattr(held, "set_params") or owner not in known:
                continue
            default = self._stand_ins.get(owner)
            meaning = f", which stands for {default}," if held is None and default else ""
            example = "an estimator first"
            if default and "__" not in part:
                example = f"one whose parameters can be set: {owner}=FlowDensity({part}={value!r})"
            raise UnknownNameError(
                f"{name} cannot be set, as {owner} is {held!r}{meaning} and has no parameters: "
                f"give {example}."
            )

    @contextlib.contextmanager
    def _unchanged_on_failure(self):
        """Take back all changes of attributes if an error ends the block; gives those before it."""
        before = dict(self.__dict__)
        try:
            yield before
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
