"""Estimators with scikit-learn's interface."""

from ._base import BaseDensity
from ._base import usual_dropout as usual_dropout
from ._checkpoint import checkpoint_of as checkpoint_of
from ._device import resolve_device as resolve_device
from ._hold_out import split as split
from ._module_keeper import ModuleKeeper as ModuleKeeper
from ._parameters import SHARED_CONSTRAINTS as SHARED_CONSTRAINTS
from ._parameters import with_parameters as with_parameters
from ._training import Trainer as Trainer
from ._training import copied_callbacks as copied_callbacks
from ._training import pass_interruption_on as pass_interruption_on
from ._training import warn_of_interruption as warn_of_interruption
from ._training import warn_of_late_gains as warn_of_late_gains
from .flow import FlowDensity
from .fractal import FractalFlowDensity
from .phvae import PHVAE
from .rg import RGFlowDensity

__all__ = [
    "PHVAE",
    "BaseDensity",
    "FlowDensity",
    "FractalFlowDensity",
    "RGFlowDensity",
]
