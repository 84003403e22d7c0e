"""Densities of measurements, beside those that scikit-learn has."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from ..estimators import FlowDensity
from ..transforms import TransformedDensity
from ._report import DRAWN, MUTED, aligned, headline, new_figure, paragraph, plain

HEADING = "2. How likely a row is"
_SEED = 0
_PAIR = ["mean concavity", "mean concave points"]
_TUMOURS, _WINES, _TWO = "breast cancer", "wine", "two columns of breast cancer"
_METHODS = ("KernelDensity", "GaussianMixture", "FlowDensity")
_COVARIANCES = ("full", "tied", "diag")
# Log densities so far below the highest are drawn alike.
_DEPTH = 7.0
_N_DOTS = 150


def show(quick: bool):
    """Held-out log densities of three methods, and their densities of two columns, drawn."""
    chosen = {name: X for name, X in tables().items() if not quick or name != _TUMOURS}
    rows = [["", "rows x columns", *_METHODS, "gain of the flow"]]
    fitted, held_out = {}, {}
    for name, X in chosen.items():
        train, test = train_test_split(X, test_size=0.3, random_state=_SEED)
        fitted[name] = {
            method: density.fit(train)
            for method, density in zip(_METHODS, _densities(train, quick), strict=True)
        }
        held_out[name] = {m: density.score_samples(test) for m, density in fitted[name].items()}
        rows.append([name, f"{len(train)} x {X.shape[1]}", *summary(held_out[name])])
    text = [
        paragraph(
            "Mean log density of held-out rows in nats, the higher the better; one nat is a factor "
            "of e. The tables are those of fine measurements that scikit-learn ships. Left out are "
            "tables whose values repeat (iris, diabetes) and tumours with a measurement of zero: "
            "where a value repeats, a density per unit can be as high as one likes."
        ),
        f"\n{aligned(rows)}\n",
        paragraph(
            "Bandwidth by 5-fold cross-validation, components and covariances by BIC, FlowDensity "
            "as it is. Gain over the better of the two, with its standard error over held-out rows."
        ),
    ]
    if not quick:
        text += ["", paragraph(_impossible(fitted[_TUMOURS]))]
    return "\n".join(text), _drawn(chosen[_TWO], fitted, held_out)


def tables() -> dict[str, np.ndarray]:
    tumours, wines = load_breast_cancer(as_frame=True).data, load_wine().data
    # No density per unit is right for a single value that repeats.
    tumours = tumours[(tumours > 0).all(axis=1)]
    return {_TUMOURS: tumours.to_numpy(), _WINES: wines, _TWO: tumours[_PAIR].to_numpy()}


def _densities(train: np.ndarray, quick: bool) -> list:
    """Densities to fit to these rows, in the order of the methods."""
    bandwidths = {"bandwidth": np.geomspace(0.05, 2.0, 16)}
    kernels = GridSearchCV(KernelDensity(), bandwidths, cv=5)
    return [
        TransformedDensity(StandardScaler(), kernels),
        TransformedDensity(StandardScaler(), best_mixture(train)),
        FlowDensity(max_epochs=5 if quick else 100, random_state=_SEED),
    ]


def best_mixture(train: np.ndarray) -> GaussianMixture:
    """The mixture of the lowest BIC."""
    rows = StandardScaler().fit_transform(train)
    candidates = (
        GaussianMixture(n, covariance_type=kind, random_state=_SEED)
        for n in range(1, 9)
        for kind in _COVARIANCES
    )
    return min(candidates, key=lambda mixture: mixture.fit(rows).bic(rows))


def summary(scores: dict[str, np.ndarray]) -> list[str]:
    """Means of the methods, and the gain of the last over the best of the others."""
    *others, own = scores.values()
    gain = own - max(others, key=np.mean)
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return [*(f"{s.mean():.2f}" for s in scores.values()), f"{gain.mean():+.2f} ± {error:.2f}"]


def _impossible(densities: dict) -> str:
    """How many rows drawn from each density have a measurement below zero."""
    shares = ", ".join(f"{name} {_negative(density):.0%}" for name, density in densities.items())
    return (
        "Tumours drawn from each density that have a length, an area or another measurement below "
        f"zero, which nobody told it cannot be: {shares}."
    )


def _negative(density) -> float:
    return np.mean((_draw(density, 1000) < 0).any(axis=1))


def _draw(density, n: int) -> np.ndarray:
    # GaussianMixture draws from one component after the other.
    return np.random.default_rng(_SEED).permutation(density.sample(n, random_state=_SEED))


def _drawn(X, fitted, held_out):
    """Densities of two columns, and below the same columns of rows drawn from densities of all."""
    has_all = _TUMOURS in fitted
    figure = new_figure(8, 6.4 if has_all else 3.5)
    headline(figure, "Tumours: densities of two measurements, and of thirty")
    panels = figure.subplots(1 + has_all, 3, sharex=True, sharey=True, squeeze=False)
    _draw_maps(panels[0], X, fitted[_TWO], held_out[_TWO])
    if has_all:
        _draw_rows(panels[1], X, fitted[_TUMOURS], held_out[_TUMOURS])
        note = "negative: drawn rows of which any of the 30 columns is below zero, as none can be"
        figure.supxlabel(note, fontsize=8, color=MUTED)
    for ax in panels.ravel():
        for line in (ax.axhline, ax.axvline):
            line(0, color=MUTED, linewidth=0.7, linestyle=":")
        plain(ax)
    for ax in panels[-1]:
        ax.set_xlabel(_PAIR[0])
    for ax in panels[:, 0]:
        ax.set_ylabel(_PAIR[1])
    return figure


def _draw_maps(panels, X, densities, held_out):
    """Log densities of two columns as shades, and rows drawn from them as dots."""
    axes = [np.linspace(-0.1 * top, top, 150) for top in 1.03 * X.max(axis=0)]
    grid = np.stack(np.meshgrid(*axes), axis=-1)
    maps = {
        name: density.score_samples(grid.reshape(-1, 2)).reshape(grid.shape[:2])
        for name, density in densities.items()
    }
    top = max(values.max() for values in maps.values())
    levels = np.linspace(top - _DEPTH, top, 15)
    for ax, (name, values) in zip(panels, maps.items(), strict=True):
        shades = ax.contourf(*axes, values, levels, extend="min", cmap="YlGnBu")
        ax.scatter(*_draw(densities[name], _N_DOTS).T, s=5, color=DRAWN, linewidths=0)
        ax.set(xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]])
        ax.set_title(f"{name} of 2 columns\n{held_out[name].mean():.2f} nats, held out")
    bar = panels[0].figure.colorbar(shades, ax=panels, fraction=0.03, pad=0.01, ticks=levels[::2])
    bar.ax.set_yticklabels([f"{round(level)}" for level in levels[::2]], fontsize=8)
    bar.set_label("log density (nats)", fontsize=9)
    bar.outline.set_visible(False)


def _draw_rows(panels, X, densities, held_out):
    """Two of all columns, of rows drawn from densities of all."""
    columns = [list(load_breast_cancer().feature_names).index(name) for name in _PAIR]
    for ax, (name, density) in zip(panels, densities.items(), strict=True):
        ax.scatter(*X.T, s=6, color="0.8", linewidths=0, label="table")
        drawn = _draw(density, 2 * _N_DOTS)[:, columns]
        ax.scatter(*drawn.T, s=5, color=DRAWN, linewidths=0, label="drawn")
        score = f"{held_out[name].mean():.1f} nats, {_negative(density):.0%} negative"
        ax.set_title(f"{name} of 30 columns\n{score}")
    panels[0].legend(frameon=False, fontsize=9, loc="upper left", markerscale=2)
