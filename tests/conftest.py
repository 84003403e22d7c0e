"""What every test starts from."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def same_starting_weights():
    """Networks built without a generator start from torch's global one: the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
