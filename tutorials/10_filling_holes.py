"""
Filling holes in a table
========================

What was this value, had it been measured? A column's mean says the same for all rows, and a
regression needs all other columns. A density knows what goes with what, whichever columns are
missing, and how uncertain it is. :class:`flowkit.DensityImputer` fills from densities, and from
trees that predict each column from the others.
"""

# %%
# Holes
# -----
# Breast tumours, measured in thirty ways. One value in five is taken out at random, so that nearly
# no row is complete; what was there is kept for the comparison.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityImputer, FlowDensity

table, benign = load_breast_cancer(return_X_y=True, as_frame=True)
table = table.iloc[:, :10]
rng = np.random.default_rng(0)
is_hole = rng.uniform(size=table.shape) < 0.2
holes = table.mask(is_hole)
print(f"complete rows: {(~is_hole.any(axis=1)).mean():.0%}")

# %%
# Fill
# ----
# The density learns from the incomplete rows themselves, with ``missing="marginalize"``; the
# imputer sets this if you do not. Trees fill as well: some known values are hidden at first, to see
# which share of the draws trees should get. Errors are in standard deviations of each column.

density = FlowDensity(n_transforms=0, missing="marginalize", random_state=0)
imputers = {
    "mean of the column": SimpleImputer(),
    "iterative ridge": IterativeImputer(random_state=0),
    "density and trees": DensityImputer(density, random_state=0),
}
filled, error = {}, {}
for name, imputer in imputers.items():
    filled[name] = np.asarray(imputer.fit_transform(holes))
    off = (filled[name] - table) / table.std()
    error[name] = np.sqrt(np.mean(off.to_numpy()[is_hole] ** 2))
    print(f"{name}: off by {error[name]:.2f} standard deviations")
print(f"share of trees: {imputers['density and trees'].tree_share_:.0%}")

# %%
# How sure?
# ---------
# ``impute`` of the imputer draws each value several times, from densities and from trees. The draws
# are wide where the rest of the row says little, and narrow where it says much.

draws = imputers["density and trees"].impute(holes, n_draws=100, random_state=0)
low, high = np.quantile(draws, [0.05, 0.95], axis=0)
inside = (low <= table) & (table <= high)
coverage = inside.to_numpy()[is_hole].mean()
print(f"true values between the 5 % and 95 % quantiles of the draws: {coverage:.0%}")

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
for ax, name in zip(axes, ["mean area", "mean smoothness"], strict=True):
    j = table.columns.get_loc(name)
    rows = np.flatnonzero(is_hole[:, j])[:60]
    true, middle = table[name].to_numpy()[rows], filled["density and trees"][rows, j]
    bars = np.abs(np.stack([low[rows, j], high[rows, j]]) - middle)
    ax.errorbar(true, middle, bars, fmt="o", ms=3, lw=0.8, color="tab:blue", label="filled in")
    ends = [true.min(), true.max()]
    ax.plot(ends, ends, color="black", linestyle=":", label="right")
    ax.set(xlabel=f"true {name}", ylabel="filled in, with 90 % of the draws", title=name)
axes[0].legend()

# %%
# In a pipeline
# -------------
# As any transformer of scikit-learn it goes before a classifier, and keeps the names of columns.

models = {}
for name in ("mean of the column", "density and trees"):
    steps = make_pipeline(imputers[name], StandardScaler(), LogisticRegression())
    models[name] = cross_val_score(steps, holes, benign, cv=3).mean()
    print(f"accuracy after filling with {name}: {models[name]:.1%}")

# %%
# Draws or means?
# ---------------
# A mean is the best single guess, and a table of best guesses is too orderly: its columns vary
# less, and go together more closely, than the true ones. For statistics of the table, fill with
# draws.

name = "mean symmetry"
drawn = DensityImputer(density, statistic="draw", random_state=0).set_output(transform="pandas")
spread = {
    "true values": table[name].std(),
    "means filled in": filled["density and trees"][:, table.columns.get_loc(name)].std(),
    "draws filled in": drawn.fit_transform(holes)[name].std(),
}
print(f"standard deviation of the {name}:", {k: round(float(v), 4) for k, v in spread.items()})

plt.show()
