"""
Scales of an image
==================

What is unusual about an image: a large shape or a detail, and where? :class:`flowkit.RGFlowDensity`
is a density of images whose latents, the numbers that the flow maps an image to, have a *scale* and
a *location*. Level by level it separates what sets a pixel apart from its neighbours, which stays
behind as the latents of that level, from what goes on to a lattice half as fine. So one can ask at
which scale, and where, an image is surprising, and change it at one scale alone. Here it reads
digits of 8 by 8 pixels and then, where they are at hand, photographs of faces. Scores of images are
what it is good at; faces, samples and fillings are experimental, and this page measures how far
they go.
"""

# %%
# Fit
# ---
# Rows are flattened images, ``image_shape`` says of which shape. Pixels of these digits are whole
# numbers from 0 to 16; that they repeat is noticed, and training adds uniform noise of width one.
# Three pixels at the border are 0 in all training images, of which ``fit`` warns. Eight epochs save
# time here.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from flowkit import (
    LatentPyramidDisplay,
    ReceptiveFieldDisplay,
    RGFlowDensity,
    StyleMixDisplay,
)

X, digit = load_digits(return_X_y=True)
X_train, X_test, digit_train, digit_test = train_test_split(X, digit, random_state=0)

density = RGFlowDensity(image_shape=(8, 8), max_epochs=8, random_state=0)
density.fit(X_train)
print(f"mean log density of held-out digits: {density.score(X_test):.1f} nats")
for level, latents in enumerate(density.latent_pyramid(X_test)):
    print(f"level {level}: {latents.shape[1]} latents")

# %%
# Two levels: 48 latents on the grid of the pixels, and 16 on a grid of 4 by 4. Larger images have
# more.
#
# Which scale, and which location
# -------------------------------
# Below are the two least likely held-out digits, and one in the middle. The display compares each
# with the training digits, level by level and pixel by pixel: red is less likely than usual, and
# the numbers are *nats*, units of log densities; one nat more is e, or about 2.7, times as likely.
# In the first two most of the surprise is at the fine level.

order = np.argsort(density.score_samples(X_test))
LatentPyramidDisplay.from_estimator(
    density, X_test[order[[0, 1, len(order) // 2]]], reference=X_train
)

# %%
# The shares behind that come from ``score_levels``, which cuts the log density of each row into
# those of levels and locations. Nothing is lost: they sum to ``score_samples``.

shares = density.score_levels(X_test)
difference = shares.maps.sum((1, 2, 3)) - density.score_samples(X_test)
print(f"largest difference: {np.abs(difference).max():.0e} nats")

# %%
# Does a map point at what is wrong with an image? In each held-out digit one pixel, not at the
# border, is turned from dark to bright or the other way round, and the most surprising pixel of the
# map of both levels is looked up. Pixels in between, which turning hardly changes, are left out. It
# is the very one far more often than by chance, though not for most digits.

rng = np.random.RandomState(0)
row, (i, j) = np.arange(len(X_test)), rng.randint(1, 7, (2, len(X_test)))
spoilt = X_test.reshape(-1, 8, 8).copy()
spoilt[row, i, j] = 16 - spoilt[row, i, j]
changed = np.abs(spoilt[row, i, j] - 8) >= 4
usual = density.score_levels(X_train).maps.mean(0)
surprise = (usual - density.score_levels(spoilt[changed]).maps).sum(1)
found = np.array(np.unravel_index(surprise.reshape(len(surprise), -1).argmax(1), (8, 8)))
print(f"the very pixel: {np.mean((found == [i[changed], j[changed]]).all(0)):.0%}, by chance 2%")

# %%
# How far latents reach
# ---------------------
# The receptive field of a latent is what moves with it. The lattice bounds it, but 8 by 8 pixels
# are within the bounds of both levels; how it spreads within them is learned. The ring is where the
# latent sits, and titles count the pixels that hold half of the field. On so small an image, after
# so few epochs, that is the pixel itself; on larger images, fields grow from level to level.

ReceptiveFieldDisplay.from_estimator(density)

# %%
# Mix
# ---
# Coarse latents of one digit, fine latents of another. With two levels there is one way to cut.

StyleMixDisplay.from_estimator(density, X_test[:4], X_test[4:9], level=1)

# %%
# Which of the two does a mix look like? A classifier of digits is asked about mixes of two unlike
# digits. On so small an image the fine latents, three quarters of all, decide more often.

classifier = KNeighborsClassifier(3).fit(X_train, digit_train)
other = rng.permutation(len(X_test))
seen_as = classifier.predict(density.mix_styles(X_test, X_test[other], level=1))
unlike = digit_test != digit_test[other]
taken_for_coarse = np.mean((seen_as == digit_test)[unlike])
taken_for_fine = np.mean((seen_as == digit_test[other])[unlike])
print(f"taken for the digit of the coarse latents: {taken_for_coarse:.0%}")
print(f"for that of the fine latents: {taken_for_fine:.0%}")

# %%
# Walk
# ----
# One latent of the coarse level moves, from four below its value to four above it; the others stay.


def show(rows, title, largest=16):
    """A grid of images."""
    n_rows, n_columns, height, width = rows.shape
    size = n_columns * 0.8, n_rows * 0.8 * height / width + 0.4
    fig, axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
    for ax, image in zip(axes.flat, rows.reshape(-1, height, width), strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=largest)
        ax.set_axis_off()
    fig.suptitle(title, fontsize=10)


steps = np.linspace(-4, 4, 9)
walks = [density.walk(X_test[:1], 1, latent, steps=steps)[:, 0] for latent in (5, 6, 9, 10)]
show(np.reshape(walks, (4, 9, 8, 8)), "four coarse latents, each from below to above")

# %%
# Sample
# ------
# A temperature below one draws latents that vary less, so that samples are tamer, and less diverse.
# The brightness of an image, the sum of its pixels, tells how diverse: at temperature 1 it should
# vary as much as that of digits. Here it varies far more, and few samples could be named; lower
# temperatures make them paler rather than better. Use this density to score images, not to make
# them.

temperatures = (1.0, 0.7, 0.4)
samples = {t: density.sample(200, random_state=0, temperature=t) for t in temperatures}
for t, drawn in samples.items():
    print(f"temperature {t}: standard deviation of the brightness {drawn.sum(1).std():.0f}")
print(f"held-out digits: {X_test.sum(1).std():.0f}")
show(
    np.stack([drawn[:10] for drawn in samples.values()]).reshape(3, 10, 8, 8),
    "samples at temperatures 1, 0.7 and 0.4",
)

# %%
# Fill a hole
# -----------
# ``inpaint`` gives the most likely values for what is missing, or with ``n_samples`` draws of what
# may be there. Among the errors are those of two simple ways of filling holes.

hole = np.zeros((8, 8), dtype=bool)
hole[2:6, 2:6] = True
missing = hole.ravel()
rows = X_test[:12]
filled = density.inpaint(rows, hole, n_steps=30)
draws = density.inpaint(rows, hole, n_samples=4, n_steps=30, n_langevin_steps=50)

linear = LinearRegression().fit(X_train[:, ~missing], X_train[:, missing])
fillings = {
    "mean of the training digits": X_train.mean(0)[missing],
    "linear regression": linear.predict(rows[:, ~missing]),
    "most likely values": filled[:, missing],
    "one draw": draws[0][:, missing],
    "mean of the four draws": draws[..., missing].mean(0),
}
errors = {name: np.mean((values - rows[:, missing]) ** 2) for name, values in fillings.items()}
for name, error in errors.items():
    print(f"{name}: mean squared error {error:.1f}")

holed = np.where(missing, 8, rows)
show(
    np.stack([rows, holed, filled, *draws], 1)[:6].reshape(6, -1, 8, 8),
    "digit, hole, most likely values, four draws",
)

# %%
# In the mean over pixels, the most likely values and the mean of the draws are closer to the truth
# than the mean image. Linear regression is closer still: nothing but the squared error counts for
# it, and this hole is the only one that it can fill. A single draw is far off, as it should be: it
# is one way in which the digit may go on, with all its contrast, and not the middle of all ways.
#
# Faces
# -----
# Photographs of 38 people under many lights, if the environment variable ``FLOWKIT_DATA`` names a
# folder that has them. Four pixels become one here, which leaves 16 by 16. As they are of dtype
# uint8, their grey levels go through a logit first. Eight epochs make a rough density, but show
# what its levels hold.

path = Path(os.environ.get("FLOWKIT_DATA", "")) / "yaleb_32x32.npz"
if has_faces := path.is_file():
    faces = np.random.RandomState(0).permutation(np.load(path)["images"])
    faces = faces.reshape(-1, 16, 2, 16, 2).mean((2, 4)).round().astype(np.uint8)
    seen, unseen = faces[:1500], faces[1500:]
    face_density = RGFlowDensity(
        image_shape=(16, 16), layout="blocks", hidden_units=32, max_epochs=8, random_state=0
    )
    face_density.fit(seen)
    print(f"{face_density.bits_per_dim(unseen[:100]):.2f} bits per pixel")
    print("latents of the levels:", np.bincount(face_density.latent_levels_))
    ReceptiveFieldDisplay.from_estimator(face_density, n_samples=8)

# %%
# There are three levels now, and fields grow from level to level. Next, a surprising face, one in
# the middle, and one that is likelier than most because it is nearly black: dark images have few
# grey levels to choose from.

if has_faces:
    order = np.argsort(face_density.score_samples(unseen[:100]))
    LatentPyramidDisplay.from_estimator(
        face_density, unseen[order[[0, 50, 99]]], reference=seen[:200]
    )

# %%
# Mixed at the coarsest level, a face has 16 of its 256 latents from the left and all others from
# above. Dark blotches and seams show how rough the density is.

if has_faces:
    StyleMixDisplay.from_estimator(face_density, unseen[:5], unseen[6:12], level=2)

# %%
# What do these 16 decide? Two things are measured on mixes of other faces: brightness, the mean of
# the pixels, and edges, the differences between neighbours. Brightness follows the coarse latents
# more, edges are those of the fine ones.


def edges(rows):
    return np.diff(np.reshape(rows, (-1, 16, 16)).astype(float)).reshape(len(rows), -1)


def mean_correlation(a, b):
    return np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(a, b, strict=True)])


if has_faces:
    coarse, fine = unseen[:200], unseen[200:400]
    mixed = face_density.mix_styles(coarse, fine, level=2)
    brightness, alike = {}, {}
    for name, part in (("coarse", coarse), ("fine", fine)):
        brightness[name] = np.corrcoef(mixed.mean(1), part.mean((1, 2)))[0, 1]
        alike[name] = mean_correlation(edges(mixed), edges(part))
        print(
            f"correlation with the {name} face: brightness {brightness[name]:.2f}, "
            f"edges {alike[name]:.2f}"
        )

# %%
# And walk along four of these 16, for one face.

if has_faces:
    walks = [
        face_density.walk(unseen[1:2], 2, latent, steps=steps)[:, 0] for latent in (1, 2, 3, 11)
    ]
    show(
        np.reshape(walks, (4, 9, 16, 16)),
        "four of the coarsest latents, each from below to above",
        255,
    )

plt.show()
