"""Parameters as one vector, and what a step leaves behind."""

from __future__ import annotations

import pytest
import torch

from flowkit.exceptions import InvalidParameterError
from flowkit.training import make_net

from .examples import D, N, Shift, generator, options, rows


def test_a_step_keeps_nothing_of_what_led_to_its_loss():
    net = make_net(Shift(), None, options(), generator(), N)
    net.initialize()
    net.on_train_begin(net)
    assert net.train_step_single((rows().x, None))["loss"].grad_fn is None


def test_parameters_of_two_kinds_are_refused():
    module = Shift()
    module.scale = torch.nn.Parameter(torch.zeros(D, dtype=torch.float64))
    with pytest.raises(InvalidParameterError, match="one dtype"):
        make_net(module, None, options(), generator(), N).initialize()


def test_parameters_with_gaps_in_memory_are_trained():
    module = Shift()
    module.mean = torch.nn.Parameter(torch.zeros(D, 3).t()[0])
    module.matrix = torch.nn.Parameter(torch.zeros(2, 3).t())
    make_net(module, None, options(), generator(), N).fit(rows())
    assert module.mean.abs().min() > 0.1
