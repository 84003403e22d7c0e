"""Figures of how a flow works, of one small flow that is fitted when the site is built."""

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

from flowkit import FlowDensity
from flowkit.bijections import ElementwiseSpline


def draw(folder):
    """Draw all figures into a folder."""
    X, half = make_moons(800, noise=0.08, random_state=0)
    density = FlowDensity(n_components=1, max_epochs=60, random_state=0).fit(X)
    _save(_spline(), folder / "spline.svg")
    _save(_latent(density, X, half), folder / "latent.svg")
    _save(_training(density), folder / "training.svg")


def _save(figure, path):
    figure.savefig(path, metadata={"Date": None})


def _spline():
    """A monotone spline of one number, and the density that it gives a normal latent."""
    spline = ElementwiseSpline(1)
    generator = torch.Generator().manual_seed(3)
    for parameter in spline.parameters():
        parameter.data.normal_(0.0, 0.7, generator=generator)
    x = torch.linspace(-5, 5, 600)[:, None]
    with torch.no_grad():
        z, log_det = spline(x)
    density = np.exp(-(z[:, 0] ** 2) / 2 + log_det) / np.sqrt(2 * np.pi)
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(x, z)
    left.set(xlabel="column x", ylabel="latent z", title="a monotone map ...")
    right.plot(x, density, color="tab:orange")
    right.set(xlabel="column x", ylabel="density", title="... and the density of x")
    return figure


def _latent(density, X, half):
    """Rows, and the latents that the flow makes of them."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    rows = {"rows x": X, "their latents z = f(x)": density.transform(X)}
    for ax, (title, points) in zip(axes, rows.items(), strict=True):
        ax.scatter(*points.T, c=half, cmap="coolwarm", s=6, linewidths=0)
        ax.set(title=title, aspect="equal")
    return figure


def _training(density):
    """The log density of the hold-out, from the Gaussian that training begins at."""
    history = density.history_
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    ax = figure.subplots()
    ax.plot(history["epoch"], history["train_log_density"], "0.6", label="training rows")
    ax.plot(history["epoch"], history["valid_log_density"], "tab:blue", label="rows held out")
    ax.axvline(density.best_epoch_, color="tab:orange", ls=":", label="weights that are kept")
    ax.set(xlabel="epoch", ylabel="mean log density, nats")
    ax.legend()
    return figure
