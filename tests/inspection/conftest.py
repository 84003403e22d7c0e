"""Fitted estimators and axes that tests of Displays share."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits, load_wine, make_moons
from sklearn.mixture import GaussianMixture

from flowkit import DensityOutlierDetector, FlowDensity

from .examples import lattice, polynomial, tiny


@pytest.fixture
def ax():
    """Axes of a figure that belongs to no window and no list of open figures."""
    return Figure().subplots()


@pytest.fixture(scope="session")
def moons():
    return make_moons(120, noise=0.1, random_state=0)[0] * [3.0, 0.5] + [10.0, 0.0]


@pytest.fixture(scope="session")
def flow(moons):
    return FlowDensity(prior="normal", max_epochs=3, random_state=0).fit(moons)


@pytest.fixture(scope="session")
def four_columns():
    rng = np.random.RandomState(0)
    return rng.standard_normal((80, 4)) * [1, 2, 3, 4] + [5, 6, 7, 8]


@pytest.fixture(scope="session")
def mixture(four_columns):
    return GaussianMixture(2, random_state=0).fit(four_columns)


@pytest.fixture
def figures():
    """New figures need no window and are closed in the end."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="session")
def fractal(wine):
    return tiny(n_word_groups=13).fit(wine)


@pytest.fixture(scope="session")
def digits():
    return load_digits().data[:200] + np.random.RandomState(0).uniform(-0.5, 0.5, (200, 64))


@pytest.fixture(scope="session")
def images(digits):
    return tiny(n_word_groups=4, image_shape=(8, 8)).fit(digits)


@pytest.fixture(scope="session")
def scales(digits):
    return lattice(image_shape=(8, 8)).fit(digits)


@pytest.fixture(scope="session")
def chains():
    return np.random.RandomState(0).standard_normal((60, 11)).cumsum(1)


@pytest.fixture(scope="session")
def chain(chains):
    return lattice().fit(chains)


@pytest.fixture(scope="session")
def colours():
    return np.random.RandomState(0).randint(0, 256, (60, 5, 6, 3)).astype(np.uint8)


@pytest.fixture(scope="session")
def coloured(colours):
    return lattice(image_shape=(5, 6, 3)).fit(colours)


@pytest.fixture(scope="session")
def orders(digits):
    return polynomial().fit(digits)


@pytest.fixture(scope="session")
def rows():
    return np.random.RandomState(0).standard_normal((300, 3)) * [1.0, 2.0, 3.0]


@pytest.fixture(scope="session")
def others(rows):
    """Rows like those before, and rows that are not."""
    rng = np.random.RandomState(1)
    alike = rng.standard_normal((200, 3)) * [1.0, 2.0, 3.0]
    return np.concatenate([alike, alike[:50] + np.array([6.0, 0.0, 0.0])])


@pytest.fixture(scope="session")
def detector(rows):
    return DensityOutlierDetector(GaussianMixture(), random_state=0).fit(rows)
