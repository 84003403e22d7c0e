"""A fitted module in an estimator: applied to rows, and kept as arrays in pickles and files."""

from __future__ import annotations

import torch

from ..modules import DensityModule, Evaluator
from ..validation import SuggestingEstimator
from ._device import problem_with
from ._training import DTYPES


class ModuleKeeper(SuggestingEstimator):
    """An estimator with a module, which pickles hold as plain values.

    Subclasses build an untrained module of ``_config``, the plain values that it needs, by
    ``_build_module(config, generator)``.

    Attributes
    ----------
    module_ : DensityModule
        The module, float64.
    """

    module_: DensityModule
    _device: str
    _dtype: str
    _config: dict

    @property
    def _evaluator(self) -> Evaluator:
        """The module, applied to standardised rows."""
        return Evaluator(self.module_, torch.device(self._device))

    def __getstate__(self):
        state = dict(super().__getstate__())
        module = state.pop("module_", None)
        if module is not None:
            # Training saw weights of this dtype, so nothing is lost by storing them in it.
            dtype = DTYPES[self._dtype]
            state["_weights"] = {
                k: (v.to(dtype) if v.is_floating_point() else v).detach().cpu().numpy()
                for k, v in module.state_dict().items()
            }
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            self._restore_module(weights, self._build_module)

    def _restore_module(self, weights, build):
        """Make the module of its weights, an array each, and of what `build` builds for them."""
        self._device = "cpu" if problem_with(self._device) else self._device
        module = build(self._config, torch.Generator())
        module = module.to(device=torch.device(self._device), dtype=torch.float64)
        # Copies of weights that lie in memory that must not be written to.
        tensors = {
            name: torch.from_numpy(value) if value.flags.writeable else torch.tensor(value)
            for name, value in weights.items()
        }
        module.load_state_dict(tensors)
        self.module_ = module.eval()
