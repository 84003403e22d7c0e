"""
Regression with distributions
=============================

Most regressions answer with one number, and say nothing of how far off it may be here rather than
there. :class:`flowkit.ConditionalFlow` answers with a whole distribution for each row: its mean,
its quantiles, how likely each value is, and draws.
"""

# %%
# One mean, many shapes
# ---------------------
# Made-up values whose mean is a wave. On the left they scatter little, in the middle widely, and on
# the right there are two branches, with nothing where the mean is. ``start`` is the regression that
# the flow begins at: forests here, which are quick; by default several are weighed.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import ShuffleSplit

from flowkit import ConditionalFlow


def draw(n, rng):
    x = rng.uniform(0, 3, n)
    spread = np.where(x < 1, 0.1, np.where(x < 2, 0.6, 0.15))
    branch = np.where(x < 2, 0.0, rng.choice([-1.0, 1.0], n))
    return x[:, None], np.sin(2 * x) + branch + spread * rng.normal(size=n)


rng = np.random.default_rng(0)
X, y = draw(800, rng)
X_new, y_new = draw(1000, rng)
model = ConditionalFlow(start="forest", max_epochs=25, random_state=0).fit(X, y)
mean, std = model.predict(X_new, return_std=True)
print(f"R^2 of the mean: {model.score(X_new, y_new):.2f}")

# %%
# The fan of quantiles follows spread and branches. Darkness is the density itself.

line = np.linspace(0, 3, 120)[:, None]
heights = np.linspace(-3, 3, 121)
points = np.repeat(line, len(heights), axis=0)
log_density = model.log_prob(points, np.tile(heights, len(line))).reshape(len(line), -1)
quantiles = model.predict_quantiles(line, [0.05, 0.5, 0.95])

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
surface = ax.pcolormesh(line[:, 0], heights, np.exp(log_density.T).clip(0, 2), cmap="Blues")
ax.plot(line, quantiles, color="tab:orange", linewidth=1.2)
ax.scatter(X_new[:300], y_new[:300], s=5, color="black", alpha=0.5)
ax.set(xlabel="x", ylabel="y", title="Density of y given x, and quantiles of 5, 50 and 95 %")
fig.colorbar(surface, label="density (per unit of y)")

# %%
# Quality is the log density of new values: how likely the model thought what came. One standard
# deviation for all rows, as in an ordinary regression, loses here.

trees = GradientBoostingRegressor(random_state=0).fit(X[:500], y[:500])
noise = np.std(y[500:] - trees.predict(X[500:]))
off = (y_new - trees.predict(X_new)) / noise
one_scale = np.mean(-0.5 * off**2 - np.log(noise) - 0.5 * np.log(2 * np.pi))
flow = model.log_prob(X_new, y_new).mean()
print(f"log density of new values: {flow:.2f} nats, boosting with one scale {one_scale:.2f}")

# %%
# Intervals that hold
# -------------------
# The share of new values below each quantile should be the quantile's own: the histogram of ``cdf``
# is flat where it is.

shares = model.cdf(X_new, y_new)
fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
ax.hist(shares, 20, (0, 1), color="tab:blue")
ax.axhline(len(shares) / 20, color="black", linestyle=":", label="as promised")
ax.set(xlabel="probability of at most the true value", ylabel="rows", title="Is it calibrated?")
ax.legend()

# %%
# A model may be wrong. With ``calibrate=True`` a quarter of the rows is held out, to widen or
# narrow intervals until they hold over new rows, whatever the model got wrong. On real data, here
# the progress of diabetes:

features, target = load_diabetes(return_X_y=True)
inside, width = {}, {}
for calibrate in (False, True):
    covered, widths = [], []
    for train, test in ShuffleSplit(5, test_size=0.4, random_state=0).split(features):
        patients = ConditionalFlow(
            start="ridge", calibrate=calibrate, max_epochs=10, random_state=0
        )
        patients.fit(features[train], target[train])
        low, high = patients.predict_interval(features[test], coverage=0.9).T
        covered.append(np.mean((low <= target[test]) & (target[test] <= high)))
        widths.append(np.mean(high - low))
    inside[calibrate], width[calibrate] = np.mean(covered), np.mean(widths)
    words = "calibrated" if calibrate else "as it is"
    print(f"{words}: {inside[calibrate]:.1%} inside, intervals {width[calibrate]:.0f} wide")

plt.show()
