"""The one table of constructors: a new class is tested by the line that it gets here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from flowkit import (
    DensityOutlierDetector,
    DifferentiableFunctionTransformer,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit import bijections as b
from flowkit import estimators as e
from flowkit import modules as m
from flowkit import priors as p
from flowkit.nets import GroupedMLP, Polynomials, ResidualMLP
from flowkit.outliers import DependenceForest, LevelsAsColumns, RankedNeighbors, SingleColumns

NET = {"hidden_units": 16, "n_hidden_layers": 2}
_LATTICE = {"hidden_units": 8, "n_layers": 1, "kernel_size": 2}


@dataclass(frozen=True)
class BijectionCase:
    """How to build a bijection, and where it can be tested."""

    name: str
    build: Callable[[int], b.Bijection]
    n_context: int = 0
    starts_at_identity: bool = True
    # Domain of the data: all numbers, the positive ones, or the unit interval.
    domain: str = "real"
    # Where the map saturates, nothing far off comes back.
    far: float = 50.0

    def __str__(self) -> str:
        return self.name


def _case(name, build, **options):
    return BijectionCase(name, build, **options)


def _two_steps(d):
    return b.Compose([b.LULinear(d), b.SplineCoupling(d, **NET), b.Permutation(d)])


def _arcsinh(d):
    """Bent in the first column, and where there are more not in the last."""
    bijection = b.Arcsinh(d)
    one = torch.ones(d)
    bijection.start(-0.5 * one, 0.1 * one, one, 2 * one, torch.arange(d) <= max(0, d - 2))
    return bijection


def _predicting(d, **options):
    """A lattice whose blocks predict some of their values from others."""
    lattice = b.Lattice(d, hidden_units=8, n_layers=1, n_predicting=9, **options)
    generator = torch.Generator().manual_seed(0)
    for bijector in lattice.bijectors:
        prediction = bijector.prediction
        weight = torch.randn(prediction.weight.shape, generator=generator).tril(-1)
        weight[: prediction.n_staying] = 0
        prediction.weight.copy_(0.3 * weight)
        prediction.bias.copy_(0.1 * torch.arange(len(weight)))
        prediction.log_scale[prediction.n_staying :] = -0.2
    return lattice


def _lifting(**options):
    """Images of one row, or of two by two pixels, whose neighbours predict each other."""

    def build(d):
        shape = (2, d // 2) if d % 2 == 0 else (1, d)
        lifting = b.Lifting(d, shape, hidden_units=8, **options)
        generator = torch.Generator().manual_seed(0)
        for phase in lifting.phases:
            weight = torch.randn(phase.weight.shape, generator=generator)
            phase.weight.copy_(0.1 * weight * phase.mask)
            phase.steer[:, :, 0] = 0.3 * torch.randn(phase.steer.shape[:2], generator=generator)
            phase.boxes.fill_(0.2)
        return lifting

    return build


BIJECTIONS = [
    _case("actnorm", b.ActNorm),
    _case("elementwise_affine", b.ElementwiseAffine),
    _case("elementwise_affine_context", lambda d: b.ElementwiseAffine(d, 3, **NET), n_context=3),
    _case("elementwise_spline", b.ElementwiseSpline),
    _case("elementwise_spline_context", lambda d: b.ElementwiseSpline(d, 3, **NET), n_context=3),
    _case("exp", b.Exp, starts_at_identity=False, far=20.0),
    _case("log", b.Log, starts_at_identity=False, domain="positive"),
    _case("sigmoid", b.Sigmoid, starts_at_identity=False, far=15.0),
    _case("logit", b.Logit, starts_at_identity=False, domain="unit"),
    _case("softplus", b.Softplus, starts_at_identity=False),
    _case("tanh", b.Tanh, starts_at_identity=False, far=7.0),
    _case("sinh_arcsinh", b.SinhArcsinh),
    _case("arcsinh", b.Arcsinh),
    _case("arcsinh_started", _arcsinh, starts_at_identity=False),
    _case("lu_linear", b.LULinear),
    _case("permutation_reverse", b.Permutation, starts_at_identity=False),
    _case(
        "permutation_random",
        lambda d: b.Permutation(d, "random", torch.Generator().manual_seed(0)),
        starts_at_identity=False,
    ),
    _case("affine_coupling", lambda d: b.AffineCoupling(d, **NET)),
    _case("affine_coupling_reverse", lambda d: b.AffineCoupling(d, reverse=True, **NET)),
    _case("affine_coupling_context", lambda d: b.AffineCoupling(d, 3, **NET), n_context=3),
    _case("spline_coupling", lambda d: b.SplineCoupling(d, **NET)),
    _case("spline_coupling_2_bins", lambda d: b.SplineCoupling(d, n_bins=2, **NET)),
    _case("spline_coupling_wide", lambda d: b.SplineCoupling(d, tail_bound=10.0, **NET)),
    _case("spline_coupling_context", lambda d: b.SplineCoupling(d, 3, **NET), n_context=3),
    _case("affine_autoregressive", lambda d: b.AffineAutoregressive(d, **NET)),
    _case(
        "affine_autoregressive_context",
        lambda d: b.AffineAutoregressive(d, 3, **NET),
        n_context=3,
    ),
    _case("spline_autoregressive", lambda d: b.SplineAutoregressive(d, **NET)),
    _case(
        "spline_autoregressive_context",
        lambda d: b.SplineAutoregressive(d, 3, **NET),
        n_context=3,
    ),
    _case("fractal_coupling", lambda d: b.FractalCoupling(d, **NET)),
    _case("fractal_coupling_plain", lambda d: b.FractalCoupling(d, n_levels=0, **NET)),
    _case(
        "fractal_coupling_affine_tied_reverse",
        lambda d: b.FractalCoupling(d, coupling="affine", tied=True, reverse=True, **NET),
    ),
    _case("fractal_coupling_context", lambda d: b.FractalCoupling(d, 3, **NET), n_context=3),
    _case("fractal_coupling_kan", lambda d: b.FractalCoupling(d, conditioner="kan", **NET)),
    _case("fractal_autoregressive", lambda d: b.FractalAutoregressive(d, **NET)),
    _case(
        "fractal_autoregressive_context",
        lambda d: b.FractalAutoregressive(d, 3, reverse=True, **NET),
        n_context=3,
    ),
    _case("lattice", lambda d: b.Lattice(d, hidden_units=8)),
    _case("lattice_spline", lambda d: b.Lattice(d, coupling="spline", **_LATTICE)),
    _case(
        "lattice_open_shared",
        lambda d: b.Lattice(d, boundary="open", share_levels=True, **_LATTICE),
    ),
    _case("lattice_predicting", _predicting, starts_at_identity=False),
    _case(
        "lattice_predicting_open",
        functools.partial(_predicting, boundary="open"),
        starts_at_identity=False,
    ),
    _case(
        "lattice_image",
        lambda d: b.Lattice(d, image_shape=(1, d), gradient_checkpointing=True, hidden_units=8),
    ),
    _case(
        "lifting_unstarted",
        lambda d: b.Lifting(d, (d, 1), n_components=0, hidden_units=8),
    ),
    _case("lifting_affine", _lifting(n_components=0), starts_at_identity=False),
    _case("lifting_mixture", _lifting(n_components=2), starts_at_identity=False),
    _case(
        "lifting_affine_from",
        _lifting(n_components=2, affine_from=1),
        starts_at_identity=False,
    ),
    # Between a box and components far away the map is flat.
    _case("lifting_boxes", _lifting(n_components=2, n_boxes=1), starts_at_identity=False, far=2.0),
    _case("laplace_quantile", lambda d: b.LaplaceQuantile(d, 0.7), starts_at_identity=False),
    _case(
        "laplace_quantile_some",
        lambda d: b.LaplaceQuantile(d, columns=range(1, d)),
        starts_at_identity=False,
    ),
    _case("planar", b.Planar),
    _case("planar_context", lambda d: b.Planar(d, 3, **NET), n_context=3),
    _case("sylvester", b.Sylvester),
    _case("sylvester_context", lambda d: b.Sylvester(d, 3, n_columns=3, **NET), n_context=3),
    _case("inverse", lambda d: b.Inverse(b.SplineCoupling(d, **NET))),
    _case("compose", _two_steps, starts_at_identity=False),
]


def _mixture(covariance):
    def build(d):
        prior = p.GaussianMixture(d, 3, covariance)
        rng = np.random.default_rng(0)
        roots = rng.normal(size=(3, d, d)) * 0.3 + np.eye(d)
        covariances = roots @ roots.transpose(0, 2, 1)
        if covariance == "diag":
            covariances = np.diagonal(covariances, axis1=1, axis2=2).copy()
        prior.start(
            torch.tensor([0.2, 0.3, 0.5]),
            torch.from_numpy(rng.normal(size=(3, d))).float(),
            torch.from_numpy(covariances).float(),
        )
        return prior

    return build


def _topic(groups=None, **options):
    def build(d):
        prior = p.Topic(d, 3, groups and groups(d), **options)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            for parameter in prior.parameters():
                parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
        return prior

    return build


def _two_groups(d):
    """Of different sizes, and interleaved, where there are columns enough."""
    return [list(range(0, d, 2)), list(range(1, d, 2))] if d > 1 else [[0]]


def _partial_topic(d):
    """Of the first column of two groups, where there are columns enough."""
    groups = _two_groups(d)
    prior = p.PartialTopic(d, 3, groups, [group[0] for group in groups], nodes=16)
    with torch.no_grad():
        prior.topic.means.copy_(torch.linspace(-1, 1, 3)[:, None].expand_as(prior.topic.means))
    return prior


def _product(d):
    """Every second column Laplace, the others topics, where there are columns enough."""
    parts = [part for part in (range(0, d, 2), range(1, d, 2)) if part]
    builds = (p.Laplace, _topic(nodes="one_hot"))
    return p.Product([build(len(part)) for build, part in zip(builds, parts, strict=False)], parts)


def _kernel(d):
    prior = p.Kernel(d, 20)
    prior.start(torch.from_numpy(np.random.default_rng(0).normal(size=(20, d))).float())
    return prior


PRIORS = {
    "normal": p.Normal,
    "normal_learnable": lambda d: p.Normal(d, scale=0.7, learnable=True),
    "laplace": p.Laplace,
    "laplace_unit_variance": lambda d: p.Laplace(d, scale=0.5**0.5, learnable=True),
    "student_t": p.StudentT,
    "student_t_learnable": lambda d: p.StudentT(d, 3.0, scale=0.5, learnable=True),
    "gaussian_mixture_full": _mixture("full"),
    "gaussian_mixture_diag": _mixture("diag"),
    "topic": _topic(nodes=16),
    "topic_groups_full": _topic(_two_groups, covariance="full", nodes=16),
    "topic_few_nodes": _topic(_two_groups, nodes=5),
    "topic_one_hot": _topic(_two_groups, nodes="one_hot"),
    "partial_topic": _partial_topic,
    "product": _product,
    "kernel": _kernel,
    "hierarchical_normal": lambda d: p.HierarchicalNormal(1, d),
}


@dataclass(frozen=True)
class ModuleCase:
    """How to build a density module, without dropout."""

    name: str
    build: Callable[[int], m.DensityModule]
    n_context: int = 0

    def __str__(self) -> str:
        return self.name


def _flow(d):
    return m.Flow(b.Compose([b.LULinear(d), b.SplineCoupling(d, **NET)]), p.Normal(d))


def _conditional_flow(d):
    return m.Flow(b.AffineCoupling(d, 2, **NET), p.Laplace(d))


def _kernel_flow(d):
    module = m.KernelFlow(b.AffineCoupling(d, **NET), p.Kernel(d, 30))
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(size=(30, d)), rng.uniform(0.5, 2, 30)
    module.start(torch.from_numpy(rows), torch.from_numpy(weights))
    return module


def _vae(flows=False, neighbours=False, **options):
    def build(d):
        degree, k, n_context = 2, 1, int(flows)
        if flows:
            options["posterior_flow"] = b.AffineCoupling(k * degree, degree, **NET)
            options["prior_flow"] = b.SplineCoupling(k * degree, **NET)
        likelihood = m.LocationScaleLikelihood(p.Normal(d))
        if neighbours:
            likelihood = m.NeighbourLikelihood(likelihood, (1, d, 1))
        return m.PolynomialVAE(
            Polynomials(degree),
            GroupedMLP(d, 2 * k + n_context, degree, **NET),
            ResidualMLP(k * degree, d, **NET),
            likelihood,
            p.HierarchicalNormal(k, degree),
            **options,
        )

    return build


MODULES = [
    ModuleCase("flow", _flow),
    ModuleCase("conditional_flow", _conditional_flow, n_context=2),
    ModuleCase("kernel_flow", _kernel_flow),
    ModuleCase("vae", _vae()),
    ModuleCase("vae_neighbours", _vae(neighbours=True)),
    ModuleCase("vae_log_ratio", _vae(divergence="log_ratio", free_bits=0.1)),
    ModuleCase("vae_flows", _vae(flows=True, seed=3, n_importance_samples=20)),
]

_BRIEF = {"max_epochs": 4, "random_state": 0}
_SMALL = {"n_transforms": 2, "hidden_units": 16, **_BRIEF}

# Where the transforms are the case, the mixture is of a given size: only "default" searches for it.
_TWO = {**_SMALL, "n_components": 2}

# Topics of words take longest to find: only "fractal_groups" looks for them.
_SMALL_FRACTAL = {"n_topics": 3, "n_blocks": 2, "hidden_units": 16, "lda_backend": None, **_BRIEF}


def _fractal(**parameters):
    return lambda **kw: e.FractalFlowDensity(**{**_SMALL_FRACTAL, **parameters, **kw})


_SMALL_RG = {"n_layers": 1, "hidden_units": 8, **_BRIEF}
_OTHER_RG = {
    "kernel_size": 3,
    "coupling": "spline",
    "boundary": "open",
    "share_levels": True,
    "prior": "student_t",
    "top_prior": "topic",
    "n_topics": 3,
}

_SMALL_VAE = {"n_components": 1, "hidden_units": 16, **_BRIEF}
_OTHER_VAE = {
    "degree": 2,
    "basis": "power",
    "divergence": "log_ratio",
    "likelihood": "student_t",
    "decoder_scale": "learned",
    "posterior_flow": "iaf",
    "prior_flow": None,
}

# Exact densities, whose latent is the row itself in other coordinates.
FLOWS = {
    "default": lambda **kw: e.FlowDensity(**{**_SMALL, **kw}),
    "affine_coupling": lambda **kw: e.FlowDensity("affine_coupling", **{**_TWO, **kw}),
    "spline_autoregressive": lambda **kw: e.FlowDensity("spline_autoregressive", **{**_TWO, **kw}),
    "affine_autoregressive": lambda **kw: e.FlowDensity("affine_autoregressive", **{**_TWO, **kw}),
    "normal_prior": lambda **kw: e.FlowDensity(prior="normal", **{**_SMALL, **kw}),
    "laplace_prior": lambda **kw: e.FlowDensity(prior="laplace", **{**_SMALL, **kw}),
    "student_t_prior": lambda **kw: e.FlowDensity(prior="student_t", **{**_SMALL, **kw}),
    "kernel": lambda **kw: e.FlowDensity(prior="kernel", noise=0.1, **{**_SMALL, **kw}),
    "fractal": _fractal(),
    "fractal_groups": _fractal(n_word_groups=1, lda_backend="sklearn", n_levels=1),
    "fractal_autoregressive_kan": _fractal(
        fractal="autoregressive", conditioner="kan", n_blocks=1, n_word_groups=1
    ),
    "fractal_mixture_affine": _fractal(prior="gaussian_mixture", coupling="affine", tied=True),
    "rg": lambda **kw: e.RGFlowDensity(**{**_SMALL_RG, **kw}),
    "rg_lifting": lambda **kw: e.RGFlowDensity(layout="lifting", **{**_SMALL_RG, **kw}),
    "rg_lifting_topic": lambda **kw: e.RGFlowDensity(
        layout="lifting", top_prior="topic", n_topics=3, **{**_SMALL_RG, **kw}
    ),
    "rg_spline_topic": lambda **kw: e.RGFlowDensity(**{**_SMALL_RG, **_OTHER_RG, **kw}),
    "float64": lambda **kw: e.FlowDensity(dtype="float64", **{**_TWO, **kw}),
}

ESTIMATORS = {
    **FLOWS,
    "phvae": lambda **kw: e.PHVAE(**{**_SMALL_VAE, **kw}),
    "phvae_other": lambda **kw: e.PHVAE(**{**_SMALL_VAE, **_OTHER_VAE, **kw}),
}


def _table(density, **parameters):
    return lambda **kw: TableDensity(density(), **{"random_state": 0, **parameters, **kw})


def _transformed(density):
    return lambda **kw: TransformedDensity(StandardScaler(), density(), **kw)


def _stacked(*densities):
    """Members by their position."""

    def build(**kw):
        members = [(f"member{k}", density()) for k, density in enumerate(densities)]
        return StackedDensity(members, **{"cv": 3, "random_state": 0, **kw})

    return build


# Densities around others of several makes.
WRAPPERS = {
    "stacked": _stacked(KernelDensity, lambda: KernelDensity(bandwidth=0.3)),
    "stacked_flow": _stacked(
        KernelDensity,
        lambda: FLOWS["affine_coupling"](prior="normal", n_transforms=1, max_epochs=2),
    ),
    "table": _table(KernelDensity),
    "table_cells": _table(KernelDensity, cells="probability", n_draws=4),
    "table_flow": _table(lambda: FLOWS["default"](max_epochs=2)),
    "transformed": _transformed(KernelDensity),
    # Mixtures refuse other starts in scikit-learn's checks of other arrays than numpy's.
    "transformed_mixture": _transformed(
        lambda: GaussianMixture(init_params="random_from_data", random_state=0)
    ),
    "transformed_flow": _transformed(
        lambda: FLOWS["affine_coupling"](prior="normal", n_transforms=1, max_epochs=2)
    ),
}

# Detectors over densities of several makes.
DETECTORS = {
    "kernels": lambda **kw: DensityOutlierDetector(KernelDensity(), **kw),
    "mixture": lambda **kw: DensityOutlierDetector(
        GaussianMixture(init_params="random_from_data"), random_state=0, **kw
    ),
    "flows": lambda **kw: DensityOutlierDetector(
        [FLOWS["kernel"](max_epochs=1, bandwidth_factor=factor) for factor in (0.5, 0.25)],
        random_state=0,
        **kw,
    ),
}

# Ways to look at rows of numbers; `categorical_features` of those that know of levels.
VIEWS = {
    "dependence": lambda **kw: DependenceForest(n_estimators=20, random_state=0, **kw),
    "encoded": lambda **kw: LevelsAsColumns(KernelDensity(), **kw),
    "neighbours": lambda **kw: RankedNeighbors(random_state=0, **kw),
    "single_columns": lambda **kw: SingleColumns(**kw),
}

# Statistics of detectors, with densities that have all that these can use.
STATISTICS = {
    "log_density": FLOWS["default"],
    "typicality": FLOWS["default"],
    "levels": FLOWS["rg"],
    "dose": FLOWS["rg"],
}

# Transformers that are no densities; of ufuncs, whose names are the same in every process.
TRANSFORMERS = {
    "function": lambda: DifferentiableFunctionTransformer(np.sinh, np.arcsinh, np.cosh),
    "one_way": lambda: DifferentiableFunctionTransformer(np.exp, None, np.exp),
}


# Of each Display: an estimator that it draws, and what `from_estimator` takes beside it, of X.
DISPLAYS = {
    "CalibrationDisplay": (lambda: DETECTORS["mixture"](calibrate=True), lambda X: {"X": X}),
    "DensityDisplay": (FLOWS["default"], lambda X: {"X": X, "grid_resolution": 5}),
    "ExplanationDisplay": (DETECTORS["mixture"], lambda X: {"X": X[:2]}),
    "LatentPyramidDisplay": (FLOWS["rg"], lambda X: {"X": X, "max_rows": 2}),
    "LogDetTreeDisplay": (FLOWS["fractal"], lambda X: {"X": X[:5], "reference": X}),
    "PairDisplay": (FLOWS["default"], lambda X: {"X": X, "random_state": 0}),
    "ReceptiveFieldDisplay": (FLOWS["rg"], lambda X: {"n_samples": 2}),
    "ReconstructionDisplay": (ESTIMATORS["phvae"], lambda X: {"X": X[:3]}),
    "ScoreHistogramDisplay": (DETECTORS["mixture"], lambda X: {"X": X}),
    "SteeringDisplay": (
        _fractal(image_shape=(2, 2), fractal="coupling", n_word_groups=1),
        lambda X: {"X": X[:2], "random_state": 0},
    ),
    "StyleMixDisplay": (FLOWS["rg"], lambda X: {"content": X[:2], "style": X[2:4], "level": 1}),
    "TopicDisplay": (FLOWS["fractal"], lambda X: {"X": X}),
    "TopicMapDisplay": (FLOWS["fractal"], lambda X: {"X": X}),
    "TopicNumberDisplay": (_fractal(n_topics="auto", n_word_groups=1), lambda X: {}),
    "TrainingCurveDisplay": (FLOWS["default"], lambda X: {}),
}
