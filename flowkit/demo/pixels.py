"""One wrong pixel in an image of a digit, and where the detector looks for it."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from .._optional import require
from ..outliers import DensityOutlierDetector
from ._report import DRAWN, MUTED, aligned, headline, new_figure, paragraph, with_remarks

HEADING = "4. Where an image is wrong"
_SEED = 0
_EDGE, _BLACK = 8, 16
# An inverted pixel is off by at least twice this, as those of medium grey hardly change.
_LEAST_CONTRAST = 4
_OURS = "DensityOutlierDetector"
_N_DRAWN = 8


def show(quick: bool):
    """How often the wrong pixel has the largest effect, and some images with their effects."""
    n_train, n_wrong = (150, 8) if quick else (1200, 40)
    train, test = train_test_split(load_digits().data, train_size=n_train, random_state=_SEED)
    images, wrong = with_wrong_pixels(test, n_wrong)
    detector, remarks = with_remarks(DensityOutlierDetector(random_state=_SEED).fit, train)
    effects = {_OURS: detector.explain(images), **effects_of_others(train, images)}
    hits = {name: values.argmax(axis=1) == wrong for name, values in effects.items()}
    rows = [["the wrong pixel is named first by", "of images"]]
    rows += [[name, f"{hit.mean():.0%}"] for name, hit in hits.items()]
    text = [
        paragraph(
            f"{n_train:,} digits of {_EDGE} x {_EDGE} pixels to learn from. In each of {n_wrong} "
            "new ones a pixel at random, not at the border, is inverted. Which one? The detector "
            "names that of the largest effect: where another value would make the image likeliest."
        ),
        *(f"\n{paragraph(f'The detector says: {remark}')}" for remark in remarks),
        f"\n{aligned([*rows, ['chance', f'{_EDGE**-2:.0%}']])}\n",
    ]
    return "\n".join(text).rstrip(), _drawn(images, wrong, effects[_OURS])


def with_wrong_pixels(test, n):
    """The first images in which a pixel at random stands out when inverted, and that pixel."""
    rng = np.random.default_rng(_SEED)
    row, column = rng.integers(1, _EDGE - 1, (2, len(test)))
    wrong, images = _EDGE * row + column, test.copy()
    all_rows = np.arange(len(test))
    images[all_rows, wrong] = _BLACK - test[all_rows, wrong]
    kept = np.flatnonzero(np.abs(test[all_rows, wrong] - _BLACK / 2) >= _LEAST_CONTRAST)[:n]
    return images[kept], wrong[kept]


def effects_of_others(train, images, n_components=16):
    """How much each pixel is off, for methods that people use."""
    center, covariance = train.mean(axis=0), np.cov(train.T)
    components = PCA(n_components, svd_solver="full").fit(train)
    rebuilt = components.inverse_transform(components.transform(images))
    # Noise of one grey level, so that pixels that hardly vary can be divided by.
    precision = np.linalg.inv(covariance + np.eye(len(center)))
    return {
        "a Gaussian of all pixels": ((images - center) @ precision) ** 2 / np.diag(precision),
        f"the residual of PCA, {n_components} components": np.abs(images - rebuilt),
        "the distance to the mean, in deviations": np.abs(images - center)
        / np.sqrt(np.diag(covariance) + 1),
    }


def _drawn(images, wrong, effects):
    n = min(_N_DRAWN, len(images))
    figure = new_figure(8, 2.5)
    headline(figure, "One pixel of each digit is inverted (ring): does the detector see which?")
    # Small effects show, so that it does where the detector is wrong.
    scale = require("matplotlib.colors", "the demo").PowerNorm(0.5, 0, effects[:n].max())
    for k, (above, below) in enumerate(figure.subplots(2, n).T):
        above.imshow(images[k].reshape(_EDGE, _EDGE), cmap="gray_r", vmin=0, vmax=_BLACK)
        shades = below.imshow(effects[k].reshape(_EDGE, _EDGE), cmap="Reds", norm=scale)
        row, column = divmod(wrong[k], _EDGE)
        for ax in (above, below):
            ring = {"markersize": 13, "markeredgewidth": 1.6, "fillstyle": "none", "color": DRAWN}
            ax.plot(column, row, "o", **ring)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_color("#d5dbe3")
        if k == 0:
            above.set_ylabel("image", fontsize=9, color=MUTED)
            below.set_ylabel("effect", fontsize=9, color=MUTED)
    bar = figure.colorbar(shades, ax=figure.axes[1::2], fraction=0.02, pad=0.01)
    bar.set_label("nats", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure
