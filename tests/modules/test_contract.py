"""What every density module keeps to."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from flowkit.exceptions import InvalidParameterError
from flowkit.modules import DensityModule, Flow, KernelFlow
from flowkit.nets import set_generator

from ..table import MODULES
from ..tensors import context_for, perturbed, rows_in

D, N = 3, 40
every_module = pytest.mark.parametrize("case", MODULES, ids=str)
# Batches of training hold no context.
WITHOUT_CONTEXT = [case for case in MODULES if not case.n_context]
trained_modules = pytest.mark.parametrize("case", WITHOUT_CONTEXT, ids=str)
exact_modules = pytest.mark.parametrize(
    "case", [case for case in WITHOUT_CONTEXT if case.build(D).is_exact], ids=str
)


def made(case):
    """The module, moved away from its initial weights, with rows and context."""
    module = perturbed(case.build(D))
    module.refresh()
    return module, rows_in("real", N, D), context_for(case.n_context, N)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def loss_of(module, batch, seed=0):
    set_generator(module, seeded(seed))
    return module.loss(batch)


def weights(n=N):
    weight = torch.rand(n, generator=seeded(5), dtype=torch.float64) + 0.5
    return weight / weight.mean()


@every_module
def test_it_knows_its_numbers_of_columns(case):
    module, x, context = made(case)
    assert module.n_features == D
    assert module.encode(x, context).shape == (N, module.n_latent)
    assert module.warmth == 1.0


@torch.no_grad()
@every_module
def test_scores_are_the_same_in_train_and_eval_mode_and_at_every_call(case):
    module, x, context = made(case)
    scores = module.log_prob(x, context)
    assert scores.shape == (N,)
    assert torch.isfinite(scores).all()
    for training in (True, False):
        module.train(training)
        assert torch.equal(module.log_prob(x, context), scores)
        assert torch.equal(module(x, context), scores)


@torch.no_grad()
@every_module
def test_scores_do_not_depend_on_neighbours(case):
    module, x, context = made(case)
    parts = x.split(7), [None] * 6 if context is None else context.split(7)
    apart = torch.cat([module.log_prob(*part) for part in zip(*parts, strict=True)])
    torch.testing.assert_close(apart, module.log_prob(x, context), rtol=0, atol=1e-10)


@trained_modules
def test_the_loss_is_a_scalar_whose_gradient_reaches_what_is_trained(case):
    module, x, _ = made(case)
    for weight in (None, weights()):
        loss = loss_of(module, (x, weight))
        assert loss.shape == ()
        module.zero_grad()
        loss.backward()
        gradients = {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
        assert all(torch.isfinite(g).all() for g in gradients.values() if g is not None)
        assert sum(g is not None and bool(g.any()) for g in gradients.values()) > 3


@torch.no_grad()
@trained_modules
def test_losses_do_not_depend_on_the_mode(case):
    module, x, _ = made(case)
    batch = (x, weights())
    losses, validation_losses = [], []
    for training in (True, False):
        module.train(training)
        losses.append(loss_of(module, batch))
        validation_losses.append(module.validation_loss(batch))
        assert module.training is training
    assert torch.equal(*losses)
    assert torch.equal(*validation_losses)


@torch.no_grad()
@trained_modules
def test_equal_weights_are_no_weights(case):
    module, x, _ = made(case)
    ones = torch.ones(N, dtype=torch.float64)
    assert torch.equal(loss_of(module, (x, None)), loss_of(module, (x, ones)))
    assert torch.equal(module.validation_loss((x, None)), module.validation_loss((x, ones)))


@torch.no_grad()
@exact_modules
def test_exact_densities_are_validated_by_their_weighted_mean(case):
    module, x, _ = made(case)
    weight = weights()
    expected = -(weight * module.log_prob(x)).mean()
    torch.testing.assert_close(module.validation_loss((x, weight)), expected)
    if type(module) is Flow:
        torch.testing.assert_close(module.loss((x, weight)), expected)


@torch.no_grad()
def test_the_loss_of_kernels_leaves_each_row_to_the_others_of_its_batch():
    case = next(case for case in MODULES if case.name == "kernel_flow")
    module, x, _ = made(case)
    # Kernels on other rows, for scores alone, so that the loss cannot depend on them.
    loss = module.loss((x, None))
    module.start(x[:30] + 1)
    assert torch.equal(module.loss((x, None)), loss)
    rows = KernelFlow(module.bijection, copy.deepcopy(module.prior))
    torch.testing.assert_close(
        loss, -rows.prior.leave_one_out(module.encode(x)).mean() - (module.bijection(x)[1].mean())
    )


@trained_modules
def test_training_steps_lower_the_validation_loss(case):
    module, x, _ = made(case)
    batch, before = (x, None), module.validation_loss((x, None)).item()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    set_generator(module, seeded())
    for _ in range(30):
        optimiser.zero_grad()
        module.loss(batch).backward()
        optimiser.step()
    module.refresh()
    assert module.validation_loss(batch).item() < before - 0.1


@every_module
def test_draws_repeat_by_seed_and_leave_the_global_generator_alone(case):
    module, _, _ = made(case)
    context = context_for(case.n_context, 7)
    state = torch.get_rng_state()
    draws = module.sample(7, seeded(), context)
    assert draws.shape == (7, D)
    assert not draws.requires_grad
    assert torch.equal(module.sample(7, seeded(), context), draws)
    assert not torch.equal(module.sample(7, seeded(1), context), draws)
    assert torch.equal(torch.get_rng_state(), state)


@torch.no_grad()
@every_module
def test_latents_are_the_same_at_every_call_and_decode_to_rows(case):
    module, x, context = made(case)
    z = module.encode(x, context)
    assert torch.equal(module.encode(x, context), z)
    decoded = module.decode(z, context)
    assert decoded.shape == x.shape
    if module.is_exact:
        torch.testing.assert_close(decoded, x)


@torch.no_grad()
@every_module
def test_context_is_passed_on_or_ignored(case):
    module, x, _ = made(case)
    first, second = (context_for(case.n_context or 2, N, seed) for seed in (2, 3))
    z = module.encode(x, first)
    changed = [
        not torch.equal(module.log_prob(x, first), module.log_prob(x, second)),
        not torch.equal(z, module.encode(x, second)),
        not torch.equal(module.decode(z, first), module.decode(z, second)),
        not torch.equal(module.sample(N, seeded(), first), module.sample(N, seeded(), second)),
    ]
    assert changed == [bool(case.n_context)] * 4


@torch.no_grad()
@every_module
@pytest.mark.parametrize("training", [True, False])
def test_a_state_restores_the_scores(case, training):
    module, x, context = made(case)
    other = case.build(D).double().train(training)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.log_prob(x, context), module.log_prob(x, context))
    assert other.training is training


@torch.no_grad()
@every_module
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_and_pickles_score_alike(case, copied):
    module, x, context = made(case)
    if not case.n_context:
        loss_of(module, (x, None))
        set_generator(module, None)
    other = copied(module)
    assert torch.equal(other.log_prob(x, context), module.log_prob(x, context))
    # The copy keeps the promise that loading refreshes.
    other.load_state_dict(perturbed(case.build(D), seed=1).state_dict())
    scores = other.log_prob(x, context)
    other.refresh()
    assert torch.equal(other.log_prob(x, context), scores)


class Exponential(DensityModule):
    """What a user writes at least."""

    def __init__(self, n_features):
        super().__init__(n_features)
        self.log_rate = torch.nn.Parameter(torch.zeros(n_features))

    def log_prob(self, x, context=None):
        return (self.log_rate - self.log_rate.exp() * x).sum(1)


def test_a_log_density_is_enough_for_training():
    module, x = Exponential(2), torch.rand(9, 2, generator=seeded())
    expected = -module.log_prob(x).mean()
    assert torch.equal(module.loss((x, None)), expected)
    assert torch.equal(module.validation_loss((x, None)), expected)
    assert module.is_exact
    assert module.monitored == {}
    assert module.n_latent == 2
    module.refresh()


@pytest.mark.parametrize(
    ("method", "argument"), [("sample", 3), ("encode", torch.ones(1, 2)), ("decode", None)]
)
def test_what_a_module_lacks_is_said(method, argument):
    with pytest.raises(NotImplementedError, match=rf"Exponential does not implement {method}"):
        getattr(Exponential(2), method)(argument)
    with pytest.raises(NotImplementedError, match="log_prob"):
        DensityModule(2)(torch.ones(1, 2))


def test_a_density_has_columns():
    with pytest.raises(InvalidParameterError, match="n_features must be at least 1, got 0"):
        Exponential(0)


def test_what_is_monitored_belongs_to_one_module():
    first, second = Exponential(2), Exponential(2)
    first.monitored["x"] = torch.zeros(())
    assert second.monitored == {}
