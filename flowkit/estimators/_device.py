"""Where a module is trained and evaluated."""

from __future__ import annotations

import torch

from ..exceptions import DeviceUnavailableError


def resolve_device(device: str | torch.device) -> torch.device:
    """The device that a parameter stands for.

    Parameters
    ----------
    device : str or torch.device
        'auto' is CUDA where there is one, else the CPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    DeviceUnavailableError
        If this machine has none of that name, or it cannot hold double precision.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if problem := problem_with(device):
        raise DeviceUnavailableError(
            f"device={str(device)!r} cannot be used on this machine ({problem}). Use "
            "device='auto' or device='cpu'."
        )
    return torch.device(device)


def problem_with(device: str | torch.device) -> str:
    """Why a device cannot be used, empty if it can."""
    try:
        # Scores are float64, which some devices lack; others hold no values at all.
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        return str(error).splitlines()[0]
    return ""
