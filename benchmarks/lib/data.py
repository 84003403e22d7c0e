"""Tables and images: those of the folder FLOWKIT_DATA, and small ones that ship with scikit-learn.

FLOWKIT_DATA holds ``adbench/*.npz`` (`X`, and `y` with 1 for anomalies), ``mnist.npz``,
``cifar10_train_first10k.npz``, ``cifar10_test_2k.npz``, ``seismic_field_patches_32x32.npz``,
``yaleb_32x32.npz``, ``olivetti.npz``, and the files of `SURVEYS`.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

GREY = 255
# Tables that ship, and shipped images of 8 x 8 pixels in 8-bit grey levels.
SHIPPED = ("iris", "wine", "breast_cancer")
# Tables that are none of ADBench: their file, and how many of its columns are taken.
SURVEYS = {"earthquakes": ("earthquakes_23k", 2), "wells": ("well_f3_F02_1", 7)}
DIGITS_TEST, MNIST_TEST, SEISMIC_TEST = 497, 1000, 500
TEST_PEOPLE = 8
MAX_CORRELATION = 0.98
TEST_FRACTION = 0.2
# Few anomalies are kept where the share of them would leave hardly any.
FEWEST_ANOMALIES = 10


def data_folder(needed: str) -> Path:
    """The folder named by FLOWKIT_DATA; ends the program with what to do where there is none."""
    name = os.environ.get("FLOWKIT_DATA")
    if not name:
        raise SystemExit(
            f"{needed} is not among the data that ship: set the environment variable FLOWKIT_DATA "
            "to a folder that holds it, or run with --smoke."
        )
    return Path(name)


def load_arrays(name: str) -> dict[str, np.ndarray]:
    """All arrays of a file of FLOWKIT_DATA."""
    path = data_folder(f"{name}.npz") / f"{name}.npz"
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.npz"))) or "none"
        raise SystemExit(f"No {path.name} in {path.parent}; there are: {known}.")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


# Tables


def table_names(wanted: Sequence[str] | None = None, default: Sequence[str] | None = None) -> list:
    """Names of tables.

    Parameters
    ----------
    wanted : sequence of str or None, default=None
        What was asked for; None takes the default.
    default : sequence of str or None, default=None
        Of ADBench; None takes all of it. Without FLOWKIT_DATA, those that ship take its place.
    """
    if wanted is not None:
        return list(wanted)
    if not os.environ.get("FLOWKIT_DATA"):
        print(f"FLOWKIT_DATA is not set: {', '.join(SHIPPED)} instead of the tables of ADBench")
        return list(SHIPPED)
    if default is not None:
        return list(default)
    folder = data_folder("ADBench") / "adbench"
    return sorted((path.stem for path in folder.glob("*.npz")), key=by_number)


def by_number(name: str) -> tuple[int, str]:
    """Order of the tables of ADBench."""
    return len(name.partition("_")[0]), name


def load_table(name: str) -> np.ndarray:
    """All rows of a table, normal and anomalous, as float64."""
    return _load_table(name)[0]


def _load_table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and whether they are anomalies: of tables that ship, those of the rarest class."""
    if name in SHIPPED:
        from sklearn import datasets

        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return X, y == np.bincount(y).argmin()
    if name in SURVEYS:
        file, n_columns = SURVEYS[name]
        X = load_arrays(file)["X"][:, :n_columns].astype(np.float64)
        X = X[np.isfinite(X).all(1)]
        return X, np.zeros(len(X), dtype=bool)
    arrays = load_arrays(f"adbench/{name}")
    return arrays["X"].astype(np.float64), arrays["y"].astype(bool)


def dequantize(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Centred uniform noise, as wide as the median gap, on columns whose values repeat."""
    X = X.copy()
    for column in X.T:
        values = np.unique(column)
        if len(values) < len(column):
            column += np.median(np.diff(values)) * rng.uniform(-0.5, 0.5, len(column))
    return X


def drop_correlated(X: np.ndarray) -> np.ndarray:
    """Keep a column unless an earlier kept one is almost the same up to scale."""
    correlation = np.abs(np.corrcoef(X, rowvar=False))
    kept: list[int] = []
    for j in range(X.shape[1]):
        if all(correlation[j, i] <= MAX_CORRELATION for i in kept):
            kept.append(j)
    return X[:, kept]


def split_for_likelihood(name: str, seed: int, max_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows of a table, prepared the same for every method.

    Rows are drawn, constant columns dropped, columns with ties get uniform noise of their spacing,
    one of each pair of columns with an absolute correlation above 0.98 is dropped, 80 % of the rows
    train, 20 % test, and all are standardised with the training rows' statistics.
    """
    X, rng = load_table(name), np.random.default_rng(seed)
    X = X[rng.permutation(len(X))[:max_rows]]
    X = X[:, np.ptp(X, axis=0) > 0]
    X = drop_correlated(dequantize(X, rng))
    n_test = round(TEST_FRACTION * len(X))
    test, train = X[:n_test], X[n_test:]
    mean, scale = train.mean(0), train.std(0)
    return (train - mean) / scale, (test - mean) / scale


def standardised(X: np.ndarray, train: np.ndarray) -> np.ndarray:
    """By the rows with indices `train`, without the columns that are constant there."""
    varying = np.ptp(X[train], axis=0) > 0
    mean, scale = X[train].mean(0)[varying], X[train].std(0)[varying]
    return (X[:, varying] - mean) / scale


def split_for_outliers(
    name: str, protocol: str, seed: int, max_train: int, max_test: int, keep_share: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised training rows, test rows, and whether these are anomalies.

    Parameters
    ----------
    name : str
        Table.
    protocol : {'one-class', 'unsupervised'}
        Half of the normal rows train, the others and all anomalies test; or a random sample of all
        rows trains, anomalies included, and all rows test.
    seed : int
        Of the split.
    max_train, max_test : int
        Most rows of each.
    keep_share : bool, default=True
        Whether capped test rows keep the share of anomalies, of which at least ten are left.
    """
    X, anomalous = _load_table(name)
    rng = np.random.default_rng(seed)
    if protocol == "one-class":
        normal = rng.permutation(np.flatnonzero(~anomalous))
        half = len(normal) // 2
        train, rest = normal[:half], np.concatenate([normal[half:], np.flatnonzero(anomalous)])
    else:
        train, rest = rng.permutation(len(anomalous)), np.arange(len(anomalous))
    train, test = train[:max_train], rng.permutation(rest)
    if len(test) > max_test and keep_share:
        test = _capped(test, anomalous, max_test, rng)
    X, test = standardised(X, train), test[:max_test]
    return X[train], X[test], anomalous[test]


def _capped(
    rows: np.ndarray, anomalous: np.ndarray, most: int, rng: np.random.Generator
) -> np.ndarray:
    strange, usual = rows[anomalous[rows]], rows[~anomalous[rows]]
    n_strange = max(round(most * len(strange) / len(rows)), FEWEST_ANOMALIES)
    strange = strange[:n_strange]
    return rng.permutation(np.concatenate([strange, usual[: most - len(strange)]]))


# Images


def flat(images: np.ndarray) -> np.ndarray:
    """One row an image."""
    return images.reshape(len(images), -1)


def draw(images: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many images, without replacement."""
    return images[rng.permutation(len(images))[:n]]


@functools.lru_cache(maxsize=4)
def make_msds(kind: int, n: int, state: int) -> Any:
    """Images of ellipses whose factors are known; not to be written to."""
    from flowkit.datasets import make_msds

    return make_msds(kind, n, random_state=state)


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of 8 x 8 pixels with levels 0 to 16, and the digit that each shows."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    return bunch.images, bunch.target


def load_labelled(name: str) -> dict[str, np.ndarray]:
    """8-bit digits by class: `x_train`, `y_train`, `x_test`, `y_test` of 'mnist' or 'digits'."""
    if name == "mnist":
        return load_arrays("mnist")
    images, labels = load_digits()
    images = np.rint(images * GREY / 16).astype(np.uint8)
    parts = {"x_train": images[:-DIGITS_TEST], "y_train": labels[:-DIGITS_TEST]}
    return {**parts, "x_test": images[-DIGITS_TEST:], "y_test": labels[-DIGITS_TEST:]}


def load_images(name: str, rows: int, seed: int, fold: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Training and test images.

    Parameters
    ----------
    name : {'digits', 'mnist', 'cifar', 'seismic', 'yale', 'olivetti'}
        'digits' ships. Yale and Olivetti faces are split by person.
    rows : int
        Most training images, drawn at random.
    seed : int
        Of the draw.
    fold : int, default=0
        Section of 'seismic' to test on; the surveys that it is not of train, as another line of the
        same survey would be the same geology.
    """
    return _IMAGES[name](rows, np.random.default_rng(seed), fold)


def _labelled(name: str) -> Callable:
    def load(rows: int, rng: np.random.Generator, fold: int) -> tuple[np.ndarray, np.ndarray]:
        arrays = load_labelled(name)
        return draw(arrays["x_train"], rows, rng), arrays["x_test"][:MNIST_TEST]

    return load


def _cifar(rows: int, rng: np.random.Generator, fold: int) -> tuple[np.ndarray, np.ndarray]:
    arrays = load_arrays("cifar10_train_first10k")
    train = draw(arrays["x_train"][arrays["exact_train"]], rows, rng)
    return train, load_arrays("cifar10_test_2k")["x_test"][:SEISMIC_TEST]


def _seismic(rows: int, rng: np.random.Generator, fold: int) -> tuple[np.ndarray, np.ndarray]:
    arrays = load_arrays("seismic_field_patches_32x32")
    patches, section = arrays["patches"], arrays["section"]
    survey = np.array([name.partition("_")[0] for name in arrays["section_names"]])
    train = patches[survey[section] != survey[fold]]
    return draw(train, rows, rng), draw(patches[section == fold], SEISMIC_TEST, rng)


def _faces(file: str, key: str) -> Callable:
    def load(rows: int, rng: np.random.Generator, fold: int) -> tuple[np.ndarray, np.ndarray]:
        arrays = load_arrays(file)
        people = rng.permutation(np.unique(arrays["person"]))
        unseen = np.isin(arrays["person"], people[:TEST_PEOPLE])
        train = draw(arrays[key][~unseen], rows, rng)
        return train, draw(arrays[key][unseen], SEISMIC_TEST, rng)

    return load


_IMAGES = {
    "digits": _labelled("digits"),
    "mnist": _labelled("mnist"),
    "cifar": _cifar,
    "seismic": _seismic,
    "yale": _faces("yaleb_32x32", "images"),
    "olivetti": _faces("olivetti", "images32"),
}


def logits(images: np.ndarray) -> np.ndarray:
    """Logit of grey levels squeezed into [0.05, 0.95], as the flows have it; one row an image."""
    p = 0.05 + 0.9 * (flat(images).astype(np.float64) + 0.5) / (GREY + 1)
    return np.log(p / (1 - p))


def turned(degrees: np.ndarray) -> np.ndarray:
    """Sine and cosine of twice an angle: half a turn leaves an ellipse as it was."""
    angle = 2 * np.radians(degrees)
    return np.stack([np.sin(angle), np.cos(angle)], -1)


def bits(log_density: float, n_values: int) -> float:
    """Bits per dimension of a mean log density in nats."""
    return -float(log_density) / (n_values * math.log(2))
