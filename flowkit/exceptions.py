"""Every error and warning that flowkit raises on purpose."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "ChangedParameterError",
    "ConstantColumnWarning",
    "DeviceUnavailableError",
    "FitDivergedError",
    "FlowkitError",
    "FlowkitWarning",
    "HeavyValueWarning",
    "InterruptedFitWarning",
    "InvalidDataError",
    "InvalidParameterError",
    "LostMassWarning",
    "MissingDependencyError",
    "MixedColumnsError",
    "NoHoldOutWarning",
    "NoMarginalError",
    "NotConvergedWarning",
    "OutsideSupportError",
    "RareLevelsWarning",
    "ShapeError",
    "SlowScoringWarning",
    "StopTraining",
    "UncopyableCallbackError",
    "UnknownNameError",
    "UnsupportedValueError",
]


class FlowkitError(Exception):
    """Base class of all errors that flowkit raises on purpose."""


class InvalidDataError(FlowkitError, ValueError):
    """The data cannot be used as they are; the message names the columns or rows."""


class OutsideSupportError(InvalidDataError):
    """Training rows lie where the density is zero whatever its parameters."""


class UnsupportedValueError(InvalidDataError, TypeError):
    """A column holds objects that are neither text nor numbers."""


class InvalidParameterError(FlowkitError, ValueError):
    """A parameter has a value that no model can be built from."""


class UnknownNameError(InvalidParameterError):
    """An estimator has no parameter of this name; the message gives the nearest."""


class ChangedParameterError(InvalidParameterError):
    """A parameter that shapes the module was changed between calls that train the same one."""


class UncopyableCallbackError(InvalidParameterError, TypeError):
    """A callback cannot be copied, so a fit would change the one that was given."""


class DeviceUnavailableError(InvalidParameterError):
    """The requested device does not exist on this machine."""


class MissingDependencyError(FlowkitError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""


class ShapeError(FlowkitError, ValueError):
    """A tensor has another shape than the module expects."""


class MixedColumnsError(FlowkitError, TypeError):
    """A bijection that mixes columns was asked for the slope of each."""


class NoMarginalError(FlowkitError, TypeError):
    """A prior was asked for marginals that it does not know in closed form."""


class FitDivergedError(FlowkitError, ArithmeticError):
    """The loss stayed non-finite after stepping back to the best weights at lower rates."""


class StopTraining(KeyboardInterrupt):
    """Raised by a callback, wherever it is called, to end training without an error or a warning.

    The best weights so far are kept. As a `KeyboardInterrupt` it ends other skorch nets too.

    Examples
    --------
    >>> from skorch.callbacks import Callback
    >>> from sklearn.datasets import load_iris
    >>> from flowkit import FlowDensity, StopTraining
    >>> class Enough(Callback):
    ...     def on_epoch_end(self, net, **kwargs):
    ...         if len(net.history) == 3:
    ...             raise StopTraining
    >>> FlowDensity(callbacks=[Enough()], random_state=0).fit(load_iris().data).n_iter_
    3
    """


class FlowkitWarning(UserWarning):
    """Base class of all warnings that flowkit gives."""


class ConstantColumnWarning(FlowkitWarning):
    """A column holds one value only, so it says nothing about the density."""


class HeavyValueWarning(FlowkitWarning):
    """Many rows share a value that stands alone, such as a code for missing."""


class NoHoldOutWarning(FlowkitWarning):
    """There are too few rows for a hold-out, so early stopping is off."""


class LostMassWarning(FlowkitWarning):
    """Part of a density lies where no row can be, so that scores are too low."""


class InterruptedFitWarning(FlowkitWarning):
    """Training was interrupted, as by Ctrl-C, and the best weights so far were kept."""


class NotConvergedWarning(FlowkitWarning, ConvergenceWarning):
    """Training ended while the density of the hold-out was still rising."""


class RareLevelsWarning(FlowkitWarning):
    """A category has levels that tell rows apart, or that are numbers."""


class SlowScoringWarning(FlowkitWarning):
    """What was asked for takes so many evaluations of a density that it may take minutes."""
