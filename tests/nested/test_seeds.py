"""Where randomness comes from: seeds of nested densities, and numpy's Generators."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import flowkit
from flowkit import (
    PHVAE,
    ConditionalFlow,
    DensityDisplay,
    DensityImputer,
    DensityOutlierDetector,
    FlowDensity,
    FractalFlowDensity,
    RGFlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
    datasets,
    inspection,
    topics,
)
from flowkit._seeds import check_random_state
from flowkit.exceptions import FlowkitError, InvalidParameterError
from flowkit.nested import find

X = np.random.default_rng(0).normal(size=(60, 2)) @ [[1.0, 0.5], [0.0, 2.0]]


def mixture(**parameters):
    return GaussianMixture(2, init_params="random_from_data", **parameters)


def piped(density):
    return make_pipeline(StandardScaler(), density)


def search(density):
    return GridSearchCV(density, {"n_components": [2]}, cv=2)


def seeds_within(estimator):
    return {
        name: seed
        for name, seed in estimator.get_params().items()
        if name.split("__")[-1] == "random_state"
    }


HOLDERS = {
    "table": lambda density, **kw: TableDensity(density, **kw),
    "detector": lambda density, **kw: DensityOutlierDetector(density, **kw),
}
NESTED = {
    "bare": lambda **kw: mixture(**kw),
    "pipeline": lambda **kw: piped(mixture(**kw)),
    "search": lambda **kw: search(mixture(**kw)),
    "transformed": lambda **kw: TransformedDensity(StandardScaler(), mixture(**kw)),
    "table": lambda **kw: TableDensity(mixture(**kw), **kw),
}
every_holder = pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
every_nested = pytest.mark.parametrize("build", NESTED.values(), ids=NESTED)


def inner(holder):
    return holder.density_ if hasattr(holder, "density_") else holder.densities_[0]


def innermost_seed(holder):
    return find(holder, "means_").estimator.random_state


@every_holder
@every_nested
@pytest.mark.parametrize("outer", [0, None])
def test_a_seed_that_is_given_stays(hold, build, outer):
    density = build(random_state=5)
    fitted = [hold(density, random_state=outer).fit(X) for _ in range(2)]
    assert set(seeds_within(inner(fitted[0])).values()) == {5}
    assert set(seeds_within(density).values()) == {5}
    if outer is not None:
        np.testing.assert_array_equal(fitted[0].score_samples(X), fitted[1].score_samples(X))


@every_holder
@every_nested
def test_a_seed_fills_those_that_are_none(hold, build):
    density = build()
    fitted = [hold(density, random_state=seed).fit(X) for seed in (0, 0, 1)]
    first, same, other = map(innermost_seed, fitted)
    assert first == same
    assert first not in (None, other)
    assert set(seeds_within(density).values()) == {None}
    np.testing.assert_array_equal(fitted[0].score_samples(X), fitted[1].score_samples(X))


def test_a_seed_that_is_given_leaves_the_others_as_they_are():
    given, filled = (
        DensityOutlierDetector(TableDensity(density), random_state=0).fit(X).densities_[0]
        for density in (mixture(random_state=5), mixture())
    )
    assert given.random_state == filled.random_state
    assert given.density_.random_state == 5
    assert innermost_seed(filled) != 5


@every_nested
@pytest.mark.parametrize("seed", [5, None])
def test_members_differ_at_every_depth(build, seed):
    detector = DensityOutlierDetector(build(random_state=seed), n_estimators=3, random_state=0)
    members = detector.fit(X).densities_
    assert len(set(map(innermost_seed, members))) == len(members) == 3
    assert innermost_seed(members[0]) == 5 or seed is None
    again = clone(detector).fit(X)
    assert list(map(innermost_seed, again.densities_)) == list(map(innermost_seed, members))
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))


@every_holder
@every_nested
@pytest.mark.parametrize("seed", [5, None])
def test_without_a_seed_those_within_are_kept(hold, build, seed):
    holder = hold(build(random_state=seed)).fit(X)
    assert set(seeds_within(inner(holder)).values()) == {seed}


@pytest.mark.parametrize("seed", [5, None])
def test_a_transformed_density_has_no_seed_and_sets_none(seed):
    fitted = TransformedDensity(StandardScaler(), mixture(random_state=seed)).fit(X)
    assert fitted.density_.random_state == seed


@every_nested
def test_members_differ_and_repeat_the_seeds_of_their_density(build):
    density = build(random_state=5)
    members = [
        [seeds_within(d) for d in DensityOutlierDetector(density, n_estimators=3).fit(X).densities_]
        for _ in range(2)
    ]
    assert members[0] == members[1]
    assert members[0][0] == seeds_within(density)
    for name in seeds_within(density):
        assert len({seeds[name] for seeds in members[0]}) == 3


def test_members_of_a_density_without_a_seed_differ_each_time():
    first, other = (DensityOutlierDetector(mixture(), n_estimators=3).fit(X) for _ in range(2))
    seeds = [density.random_state for density in first.densities_]
    assert seeds[0] is None
    assert len(set(seeds)) == 3
    assert seeds[1:] != [density.random_state for density in other.densities_][1:]


@every_holder
@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_source_that_a_nested_density_holds_does_not_move(hold, make):
    density = FlowDensity(
        "affine_coupling", n_transforms=1, prior="normal", max_epochs=1, random_state=make(0)
    )
    options = {"n_estimators": 2} if hold is HOLDERS["detector"] else {}
    hold(density, **options).fit(X)
    untouched, used = make(0), density.random_state
    draw = "integers" if hasattr(used, "integers") else "randint"
    assert getattr(used, draw)(2**31) == getattr(untouched, draw)(2**31)


@every_holder
@pytest.mark.parametrize("nest", [FrozenEstimator, lambda d: piped(FrozenEstimator(d))])
def test_nothing_changes_within_what_is_frozen(hold, nest):
    density = mixture(random_state=5).fit(X)
    before = copy.deepcopy(vars(density))
    holder = hold(nest(density), random_state=0).fit(X)
    if hasattr(holder, "density_") and nest is FrozenEstimator:
        holder.sample(3, random_state=0)
    assert vars(density).keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(density, name), value)


DRAWN = {
    "mixture": mixture(random_state=5),
    "bayesian": BayesianGaussianMixture(n_components=2, max_iter=500, random_state=5),
    "kernels": KernelDensity(),
    "frozen": FrozenEstimator(mixture(random_state=5).fit(X)),
    "frozen_twice": FrozenEstimator(FrozenEstimator(mixture(random_state=5).fit(X))),
    "frozen_kernels": FrozenEstimator(KernelDensity().fit(X)),
    "search": search(mixture(random_state=5)),
    "frozen_search": FrozenEstimator(search(mixture(random_state=5)).fit(X)),
    "transformed": TransformedDensity(StandardScaler(), mixture(random_state=5)),
    "transformed_frozen": TransformedDensity(
        "passthrough", FrozenEstimator(mixture(random_state=5).fit(X))
    ),
    "table_frozen": TableDensity(FrozenEstimator(mixture(random_state=5).fit(X))),
}
every_drawn = pytest.mark.parametrize("density", DRAWN.values(), ids=DRAWN)


def assert_draws_repeat(draw):
    first, same, other = draw(0), draw(0), draw(1)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@every_drawn
@pytest.mark.parametrize(
    "hold", [lambda d: TransformedDensity("passthrough", d), TableDensity], ids=["map", "table"]
)
def test_draws_repeat_with_their_seed_whatever_holds_it(density, hold):
    holder = hold(density)
    assert hasattr(holder, "sample")
    holder.fit(X)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert_draws_repeat(lambda seed: holder.sample(50, random_state=seed))
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


@every_drawn
def test_samples_of_a_display_repeat_with_their_seed(density):
    fitted = clone(density).fit(X, None)
    state = np.random.get_state()[1].copy()  # noqa: NPY002

    def draw(seed):
        display = DensityDisplay.from_estimator(
            fitted, X, n_samples=20, random_state=seed, grid_resolution=5
        )
        plt.close(display.figure_)
        return display.samples

    assert_draws_repeat(draw)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


COUNTS = np.random.default_rng(1).integers(0, 256, (40, 16)).astype(np.uint8)
SMALL = {"hidden_units": 8, "max_epochs": 1, "random_state": 0}


def images(kind, **parameters):
    return kind(image_shape=(4, 4), **{**SMALL, **parameters}).fit(COUNTS.reshape(-1, 4, 4))


def table(kind, **parameters):
    return kind(**{**SMALL, "missing": "marginalize", **parameters}).fit(X)


FITTED = {
    "FlowDensity": lambda: FlowDensity(
        "affine_coupling", n_transforms=1, prior="normal", **SMALL, missing="marginalize"
    ).fit(X),
    "FractalFlowDensity": lambda: images(FractalFlowDensity, n_topics=2),
    "RGFlowDensity": lambda: images(RGFlowDensity, n_layers=1),
    "PHVAE": lambda: images(PHVAE, degree=1, likelihood="student_t"),
    "ConditionalFlow": lambda: ConditionalFlow(start="ridge", **SMALL).fit(X[:, :1], X[:, 1]),
    "DensityImputer": lambda: DensityImputer(
        FlowDensity(n_components=1, **SMALL), with_trees=False
    ).fit(X),
    "StackedDensity": lambda: StackedDensity(
        [("mixture", mixture(random_state=5)), ("kernels", KernelDensity())], cv=2, random_state=0
    ).fit(X),
    "TableDensity": lambda: TableDensity(KernelDensity()).fit(X),
    "TransformedDensity": lambda: TransformedDensity(StandardScaler(), KernelDensity()).fit(X),
    "FractalFlowDensity.inpaint": lambda: images(FractalFlowDensity, fractal="lifting", n_topics=2),
    # Pixels are not imputed.
    "FractalFlowDensity.impute": lambda: table(FractalFlowDensity, n_topics=2),
    "RGFlowDensity.impute": lambda: table(RGFlowDensity, n_layers=1),
}
DISPLAYED = {"DensityDisplay": "FlowDensity", "TopicDisplay": "FractalFlowDensity"}
ARGUMENTS = {
    "bits_per_dim": {"X": COUNTS},
    "ConditionalFlow.sample": {"X": X[:, :1]},
    "impute": {"X": np.where(np.arange(2) == 1, np.nan, X)},
    "inpaint": {
        "X": COUNTS[:2],
        "mask": np.arange(16) < 3,
        "n_samples": 1,
        "n_steps": 2,
        "n_langevin_steps": 4,
    },
    "receptive_fields": {"level": 0, "latents": [0], "n_samples": 1},
    "make_msds": {"n_samples": 20},
    "make_orders": {"n_samples": 20, "n_wrong": 2},
    "dci": {"codes": X, "factors": X > 0},
    "DensityDisplay": {"X": X, "n_samples": 5, "grid_resolution": 4},
    "TopicDisplay": {"n_samples": 2},
    "ReceptiveFieldDisplay": {"n_samples": 1, "latents": [0]},
}


def takes_a_seed(function):
    # Methods of built-in classes have no signature, and no seed.
    own = inspect.isfunction(function) or inspect.ismethod(function) or inspect.isclass(function)
    return own and "random_state" in inspect.signature(function).parameters


def public_draws():
    """Names of all public methods and functions that take a source of randomness."""
    for name in flowkit.__all__:
        kind = getattr(flowkit, name)
        if not inspect.isclass(kind):
            continue
        for method, function in inspect.getmembers(kind, callable):
            if not method.startswith("_") and takes_a_seed(function):
                yield f"{name}.{method}"
    for module in (datasets, inspection, topics):
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)) and takes_a_seed(getattr(module, name)):
                yield f"{module.__name__}.{name}"


_cache = {}


def fitted(name):
    if name not in _cache:
        _cache[name] = FITTED[name]()
    return _cache[name]


def drawing(path):
    """A function of the source of randomness alone."""
    owner, name = path.rsplit(".", 1)
    if owner.startswith("flowkit."):
        module = {"flowkit.datasets": datasets, "flowkit.inspection": inspection}[owner]
        return lambda rng: getattr(module, name)(random_state=rng, **ARGUMENTS[name])
    if owner.endswith("Display"):
        estimator = fitted(DISPLAYED.get(owner, "RGFlowDensity"))
        display = getattr(flowkit, owner).from_estimator
        return lambda rng: display(estimator, random_state=rng, **ARGUMENTS[owner])
    estimator = fitted(path if path in FITTED else owner)
    arguments = ARGUMENTS.get(path, ARGUMENTS.get(name, {}))
    return lambda rng: getattr(estimator, name)(random_state=rng, **arguments)


def numbers(drawn):
    if hasattr(drawn, "figure_"):
        plt.close(drawn.figure_)
        parts = vars(drawn).values()
        arrays = [part for part in parts if isinstance(part, np.ndarray) and part.dtype != object]
        return np.concatenate([np.ravel(part) for part in arrays])
    if isinstance(drawn, dict):
        frames = (hasattr(part, "select_dtypes") for part in drawn.values())
        pairs = zip(drawn.values(), frames, strict=True)
        parts = [np.ravel(part.select_dtypes("number") if f else part) for part, f in pairs]
        return np.concatenate([part for part in parts if part.dtype.kind in "biuf"])
    return np.asarray(drawn)


def test_the_search_finds_what_draws():
    assert {"FlowDensity.sample", "FlowDensity.impute", "RGFlowDensity.inpaint"} <= set(
        public_draws()
    )
    assert {"flowkit.datasets.make_msds", "flowkit.inspection.dci"} <= set(public_draws())


@pytest.mark.parametrize("path", list(public_draws()))
def test_a_generator_moves_on_and_its_copy_repeats(path):
    draw, generator = drawing(path), np.random.default_rng(0)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = numbers(draw(generator)), numbers(draw(generator))
    np.testing.assert_array_equal(numbers(draw(np.random.default_rng(0))), first)
    assert first.shape == second.shape
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


CONSTRUCTED = {
    "flow": lambda seed: FlowDensity(
        "affine_coupling", n_transforms=1, max_epochs=1, random_state=seed
    ),
    "phvae": lambda seed: PHVAE(**{**SMALL, "degree": 1, "random_state": seed}),
    "table": lambda seed: TableDensity(mixture(), random_state=seed),
    "stack": lambda seed: StackedDensity([("mixture", mixture())], cv=2, random_state=seed),
    "detector": lambda seed: DensityOutlierDetector(
        mixture(), n_estimators=2, contamination=0.2, calibrate=True, random_state=seed
    ),
}


@pytest.mark.parametrize("build", CONSTRUCTED.values(), ids=CONSTRUCTED)
def test_a_generator_as_parameter_seeds_the_fit(build):
    """Like a RandomState: a second fit goes on with it, a clone has a copy of its own."""
    estimator = build(np.random.default_rng(0))
    copied = clone(estimator)
    assert copied.random_state is not estimator.random_state
    first = estimator.fit(X).score_samples(X)
    np.testing.assert_array_equal(copied.fit(X).score_samples(X), first)
    assert not np.array_equal(estimator.fit(X).score_samples(X), first)


def test_other_sources_are_those_of_scikit_learn():
    rng = np.random.RandomState(0)
    assert check_random_state(rng) is rng
    assert check_random_state(3).randint(1000) == np.random.RandomState(3).randint(1000)
    assert check_random_state(None) is np.random.mtrand._rand
    for wrong in ("seed", -1, 2**32, 0.5):
        with pytest.raises(InvalidParameterError, match="Generator or None, got"):
            check_random_state(wrong)
    with pytest.raises(FlowkitError, match="random_state must be"):
        fitted("FlowDensity").sample(2, random_state="seed")
