"""Every error and warning that flowkit raises on purpose.

Each error is also the built-in one that a user of Python expects.

=================================== ===================== =======================================
Family                              Also                  Raised where
=================================== ===================== =======================================
`InvalidParameterError`             `ValueError`          a parameter has an impossible value
`InvalidDataError`                  `ValueError`          rows cannot be used as they are
`InvalidFileError`                  `OSError`             a file cannot be read or written
`MissingDependencyError`            `ImportError`         an optional package is not installed
`FitDivergedError`                  `ArithmeticError`     training cannot go on
`BatchMemoryError`                  `MemoryError`         training finds no memory
`LostProcessError`                  `RuntimeError`        a process that helps was killed
`NotExportableError`                `TypeError`           a part has no form in another format
`ShapeError`, `MixedColumnsError`   `ValueError`,         modules are put together wrongly
                                    `TypeError`
=================================== ===================== =======================================
"""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _param_validation

__all__ = [
    "BatchInPartsWarning",
    "BatchMemoryError",
    "ChangedParameterError",
    "CheckpointError",
    "ConstantColumnWarning",
    "ConstraintError",
    "DamagedFileError",
    "DeviceUnavailableError",
    "FewCalibrationRowsWarning",
    "FewEffectiveDrawsWarning",
    "FileVersionError",
    "FileVersionWarning",
    "FitDivergedError",
    "FlowkitError",
    "FlowkitFileError",
    "FlowkitWarning",
    "HeavyValueWarning",
    "IdentifierWarning",
    "InaccurateScoresWarning",
    "InterruptedFitWarning",
    "InvalidDataError",
    "InvalidFileError",
    "InvalidParameterError",
    "LostMassWarning",
    "LostProcessError",
    "MemberLeftOutWarning",
    "MissingDependencyError",
    "MissingFileError",
    "MixedColumnsError",
    "NoHoldOutWarning",
    "NoMarginalError",
    "NotConvergedWarning",
    "NotExportableError",
    "OutsideSupportError",
    "RareLevelsWarning",
    "RowsLeftOutWarning",
    "SecondDerivativeError",
    "ShapeError",
    "SlowScoringWarning",
    "StopTraining",
    "UncopyableCallbackError",
    "UnknownNameError",
    "UnmetConstraintsError",
    "UnreachedRowsWarning",
    "UnsupportedValueError",
    "UntrustedTypeError",
]


class FlowkitError(Exception):
    """Base class of all errors that flowkit raises on purpose."""


class InvalidParameterError(FlowkitError, ValueError):
    """A parameter has a value that no model can be built from."""


class ConstraintError(InvalidParameterError, _param_validation.InvalidParameterError):
    """A parameter has a type or value that its constraints exclude."""


class UnknownNameError(InvalidParameterError):
    """No parameter, column or kind has this name; the message gives the nearest."""


class ChangedParameterError(InvalidParameterError):
    """A parameter that shapes the module was changed between calls that train the same one."""


class UncopyableCallbackError(InvalidParameterError, TypeError):
    """A callback cannot be copied, so a fit would change the one that was given."""


class DeviceUnavailableError(InvalidParameterError):
    """The requested device does not exist on this machine."""


class UnmetConstraintsError(InvalidParameterError):
    """Hardly any draw meets the constraints; the message tells the share that meets each."""


class InvalidDataError(FlowkitError, ValueError):
    """The data cannot be used as they are; the message names the columns or rows."""


class OutsideSupportError(InvalidDataError):
    """Training rows, or values that are given, lie where the density is zero."""


class UnsupportedValueError(InvalidDataError, TypeError):
    """A column holds objects that are neither text nor numbers."""


class InvalidFileError(FlowkitError, OSError):
    """A file cannot be read or written, or does not hold what is expected of it."""


class CheckpointError(InvalidFileError):
    """A checkpoint of training cannot be written or read, or is of another training."""


class FlowkitFileError(InvalidFileError):
    """An estimator cannot be saved to a file, or none can be loaded from it."""


class MissingFileError(FlowkitFileError, FileNotFoundError):
    """There is no file, or no folder to save one in."""


class DamagedFileError(FlowkitFileError, ValueError):
    """A file is not as `flowkit.save` wrote it, or was not written by it."""


class FileVersionError(FlowkitFileError):
    """A file was written by versions that this one does not read."""


class UntrustedTypeError(FlowkitFileError, TypeError):
    """A class that files may not hold; the message names it."""


class MissingDependencyError(FlowkitError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""


class FitDivergedError(FlowkitError, ArithmeticError):
    """The loss stayed non-finite after stepping back to the best weights at lower rates."""


# MemoryError makes instances of its own kind alone, so it comes first.
class BatchMemoryError(MemoryError, FlowkitError):
    """Not even the smallest part of a batch fits into memory."""


class LostProcessError(FlowkitError, RuntimeError):
    """A process that takes part in a fit was killed, failed, or gave no answer in time."""


class ShapeError(FlowkitError, ValueError):
    """A tensor has another shape than the module expects."""


class MixedColumnsError(FlowkitError, TypeError):
    """A bijection that mixes columns was asked for the slope of each."""


class SecondDerivativeError(FlowkitError, RuntimeError):
    """Second derivatives by torch.autograd, which gradients by hand do not have."""


class NoMarginalError(FlowkitError, TypeError):
    """A prior was asked for marginals that it does not know in closed form."""


class NotExportableError(FlowkitError, TypeError):
    """Something has no form in the format that it is to be exported to; the message names it."""


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


class BatchInPartsWarning(FlowkitWarning):
    """Memory ran out in a step of training, which takes batches in parts since."""


class ConstantColumnWarning(FlowkitWarning):
    """A column holds one value only, so it says nothing about the density."""


class FewCalibrationRowsWarning(FlowkitWarning):
    """There are too few calibration rows to find what was searched for."""


class FewEffectiveDrawsWarning(FlowkitWarning):
    """Few of the weighted draws that an answer comes from have nearly all of the weight."""


class FileVersionWarning(FlowkitWarning):
    """A file was written by another major version of flowkit or of a library below it."""


class HeavyValueWarning(FlowkitWarning):
    """Many rows share a value that stands alone, such as a code for missing."""


class IdentifierWarning(FlowkitWarning):
    """A column tells rows apart but says nothing of them, and is left out."""


class InaccurateScoresWarning(FlowkitWarning):
    """Scores of rows are averages over too few points of the cells of their discrete columns."""


class NoHoldOutWarning(FlowkitWarning):
    """There are too few rows for a hold-out, so early stopping is off."""


class LostMassWarning(FlowkitWarning):
    """Part of a density lies where no row can be, so that scores are too low."""


class MemberLeftOutWarning(FlowkitWarning):
    """Time ran out before a member of a stack began to be fitted."""


class InterruptedFitWarning(FlowkitWarning):
    """Training was interrupted, as by Ctrl-C, and the best weights so far were kept."""


class NotConvergedWarning(FlowkitWarning, ConvergenceWarning):
    """Training ended while the density of the hold-out was still rising."""


class RareLevelsWarning(FlowkitWarning):
    """A category has levels that tell rows apart, or that are numbers."""


class RowsLeftOutWarning(FlowkitWarning):
    """Rows of a chunk have no probability under what earlier chunks settled, and were left out."""


class SlowScoringWarning(FlowkitWarning):
    """What was asked for takes so many evaluations of a density that it may take minutes."""


class UnreachedRowsWarning(FlowkitWarning):
    """Rows have no density under any member of a stack, so that they say nothing of its weights."""
