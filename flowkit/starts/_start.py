"""What a density module is initialised from."""

from __future__ import annotations

from typing import Protocol

from torch import nn


class Start(Protocol):
    """A classical model, fitted to training rows, that a module is initialised as.

    Attributes
    ----------
    config : dict
        Plain values that the start settles about the shape of the module.
    """

    config: dict

    def initialise(self, module: nn.Module) -> None:
        """Put the start into the parameters and buffers of a module, in place.

        Parameters
        ----------
        module : torch.nn.Module
            Built for `config`.
        """
