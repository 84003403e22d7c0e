"""One picture of every Display, of small fits, drawn when the site is built."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits, load_wine

from flowkit import (
    PHVAE,
    DensityOutlierDetector,
    FlowDensity,
    FractalFlowDensity,
    RGFlowDensity,
    TableDensity,
    inspection,
)
from flowkit.datasets import make_orders


def draw(folder):
    """Draw all Displays into a folder: `<name>.png`."""
    folder.mkdir(exist_ok=True)
    for pictures in (_of_wine, _of_detectors, _of_orders, _of_topics, _of_scales, _of_digits):
        for name, (estimator, options) in pictures().items():
            display = getattr(inspection, name).from_estimator(estimator, **options)
            display.figure_.savefig(folder / f"{name}.png", dpi=100)
            plt.close(display.figure_)


def _wine():
    return load_wine(as_frame=True).data


def _digits():
    return load_digits().data[:400].astype(np.uint8)


def _of_wine():
    X = _wine()[["alcohol", "flavanoids", "color_intensity", "proline"]]
    density = FlowDensity(max_epochs=15, random_state=0).fit(X)
    return {
        "DensityDisplay": (density, {"X": X, "features": (1, 2)}),
        "TrainingCurveDisplay": (density, {}),
    }


def _of_detectors():
    wine, kinds = load_wine(as_frame=True, return_X_y=True)
    usual, strange = wine[kinds < 2].sample(frac=1, random_state=0), wine[kinds == 2]
    density = FlowDensity(max_epochs=5, random_state=0)
    detector = DensityOutlierDetector(density, calibrate=True, random_state=0).fit(usual[:100])
    new = usual[100:]
    rows = pd.concat([new, strange])
    is_strange = np.repeat([0, 1], [len(new), len(strange)])
    return {
        "ScoreHistogramDisplay": (detector, {"X": rows, "y": is_strange}),
        "ExplanationDisplay": (detector, {"X": strange[:3]}),
        "CalibrationDisplay": (detector, {"X": new}),
    }


def _of_orders():
    X = make_orders(400, random_state=0).data[["category", "price", "weight", "payment"]]
    inner = FlowDensity(max_epochs=5, missing="marginalize")
    density = TableDensity(inner, bounds={"weight": (0, None)}, random_state=0).fit(X)
    return {"PairDisplay": (density, {"X": X, "random_state": 0})}


def _of_topics():
    X = _wine()
    options = {"n_word_groups": 13, "random_state": 0}
    density = FractalFlowDensity("auto", max_epochs=1, **options).fit(X)
    trained = FractalFlowDensity(3, max_epochs=15, **options).fit(X)
    return {
        "TopicDisplay": (density, {"X": X}),
        "TopicMapDisplay": (density, {"X": X}),
        "TopicNumberDisplay": (density, {}),
        "LogDetTreeDisplay": (trained, {"X": X[:5], "reference": X}),
    }


def _of_scales():
    X = _digits()
    scales = RGFlowDensity(image_shape=(8, 8), max_epochs=5, random_state=0).fit(X)
    return {
        "LatentPyramidDisplay": (scales, {"X": X[:4], "reference": X}),
        "ReceptiveFieldDisplay": (scales, {"random_state": 0}),
        "StyleMixDisplay": (scales, {"content": X[:4], "style": X[4:8], "level": 1}),
    }


def _of_digits():
    X = _digits()
    orders = PHVAE(image_shape=(8, 8), n_components=8, degree=3, max_epochs=10, random_state=0).fit(
        X
    )
    topics = FractalFlowDensity(4, image_shape=(8, 8), max_epochs=2, random_state=0).fit(X)
    return {
        "ReconstructionDisplay": (orders, {"X": X[:5]}),
        "SteeringDisplay": (topics, {"X": X[:4], "random_state": 0}),
    }
