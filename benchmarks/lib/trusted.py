"""Every estimator, and the numbers of it that must not change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

METHODS = (
    "FlowDensity",
    "FlowDensity, kernel",
    "FractalFlowDensity",
    "RGFlowDensity",
    "PHVAE",
    "StackedDensity",
    "TableDensity",
    "TransformedDensity",
    "DensityOutlierDetector",
    "ConditionalFlow",
    "DensityImputer",
)
# Those whose latent is the row itself in other coordinates.
INVERTIBLE = METHODS[:4]
# Those that take `dtype`.
SINGLE = METHODS[:5]
# Those whose density integrates to one over rows: cells have no density, and two are given columns.
INTEGRABLE = (*METHODS[:6], "TransformedDensity")
# Those whose numbers are no draws, and those that have one for any row: others tell what overflows.
FIXED, EVERYWHERE = METHODS[:-1], METHODS[:-2]


def fitted(method: str, X: np.ndarray, epochs: int, seed: int, **changes: object):
    """An estimator fitted to rows; a regressor to their first column, given the others."""
    from sklearn.preprocessing import StandardScaler

    import flowkit

    brief = {"max_epochs": epochs, "random_state": seed, **changes}

    def flow():
        return flowkit.FlowDensity(n_components=2, **brief)

    around: dict[str, Callable] = {
        "FlowDensity": flow,
        "FlowDensity, kernel": lambda: flowkit.FlowDensity(prior="kernel", **brief),
        "FractalFlowDensity": lambda: flowkit.FractalFlowDensity(n_topics=3, **brief),
        "StackedDensity": lambda: flowkit.StackedDensity(
            [("flow", flow()), ("normal", flowkit.FlowDensity(prior="normal", **brief))],
            random_state=seed,
        ),
        "TableDensity": lambda: flowkit.TableDensity(flow(), random_state=seed),
        "TransformedDensity": lambda: flowkit.TransformedDensity(StandardScaler(), flow()),
        "DensityOutlierDetector": lambda: flowkit.DensityOutlierDetector(flow(), random_state=seed),
        "DensityImputer": lambda: flowkit.DensityImputer(flow(), n_draws=8, random_state=seed),
    }
    model = around[method]() if method in around else getattr(flowkit, method)(**brief)
    if method == "ConditionalFlow":
        return model.fit(X[:, 1:], X[:, 0])
    return model.fit(X)


def numbers(model, X: np.ndarray) -> np.ndarray:
    """One number a row: its score, or what fills its first column once that is hidden."""
    if hasattr(model, "score_samples"):
        return model.score_samples(X)
    if hasattr(model, "log_prob"):
        return model.log_prob(X[:, 1:], X[:, 0])
    holes = np.array(X)
    holes[:, 0] = np.nan
    return model.transform(holes)[:, 0]
