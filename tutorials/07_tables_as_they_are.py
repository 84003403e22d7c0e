"""
Tables as they are
==================

How likely is a row that holds text, a count, an hour and a weight, some of them missing, and what
would more such rows look like? Most densities know numbers only. :class:`flowkit.TableDensity`
takes a DataFrame as it is: it maps each column onto one that a continuous density can model, counts
what that does to the scores, and gives everything back in the units of the table. Empty cells are
for densities with ``missing="marginalize"``, at the end.
"""

# %%
# Fit
# ---
# Orders of a shop, made up so that we know what should be found: small, medium and large parcels,
# of which large ones weigh more, the number of items, and the hour of the day, mostly around eleven
# at night. Text is a pandas category, made one *before* rows are split, so that every part of the
# table knows all of its levels.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity

rng = np.random.default_rng(0)
size = rng.choice(["S", "M", "L"], 800, p=[0.5, 0.3, 0.2])
X = pd.DataFrame(
    {
        "size": pd.Categorical(size, categories=["S", "M", "L"], ordered=True),
        "weight": rng.lognormal(1.5 * (size == "L"), 0.3),
        "items": rng.poisson(2, 800),
        "hour": rng.normal(23, 2, 800) % 24,
    }
)
X_train, X_test = train_test_split(X, random_state=0)

bounds = {"weight": (0, None), "items": (0, None)}
density = TableDensity(
    FlowDensity(max_epochs=12), bounds=bounds, periods={"hour": 24}, random_state=0
)
density.fit(X_train)

# %%
# Sample
# ------
# Samples are a DataFrame with the same columns, types and levels.

drawn = density.sample(800, random_state=0)
print(drawn.head(3))
shares = pd.DataFrame(
    {
        "share": X["size"].value_counts(normalize=True),
        "share in samples": drawn["size"].value_counts(normalize=True),
        "median weight": X.groupby("size", observed=True)["weight"].median(),
        "in samples": drawn.groupby("size", observed=True)["weight"].median(),
    }
)
print(shares.round(2))

# %%
# Hours around midnight stay in one piece, on both sides of it.

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
hours = np.arange(25)
ax.hist([X["hour"], drawn["hour"]], hours, label=["table", "samples"])
ax.set(xlabel="hour", ylabel="orders", xticks=hours[::3], title="Orders by hour")
ax.legend()

# %%
# What was read
# -------------
# ``report`` tells what each column was taken for, and why. Categories and whole numbers are
# recognised; bounds and periods are for you to say, as data alone cannot. ``bounds="seen"`` keeps
# counts, months and grades within what training held.

print(density.report())

# %%
# Score
# -----
# A score is the log density per unit of weight and hour, and the log probability of the size; that
# of a count is the density at it, or with ``cells="probability"`` its probability. Scores are in
# *nats*, the unit of natural logarithms.

print("first scores:", density.score_samples(X_test[:3]).round(2))
print(f"mean of held-out rows: {density.score(X_test):.2f} nats")

# %%
# What cannot be has no density, and the day has no seam: an order at midnight scores the same
# whether its hour is 0 or 24.

impossible = X_test[:1].assign(weight=-1.0)
print("negative weight:", density.score_samples(impossible)[0])
midnight = pd.concat([X_test[:1].assign(hour=0.0), X_test[:1].assign(hour=24.0)])
print("hour 0 and hour 24:", density.score_samples(midnight).round(2))

# %%
# Which rows do not belong
# ------------------------
# A :class:`~flowkit.DensityOutlierDetector` takes the table density as any other. A small parcel
# that weighs as much as a large one is odd though neither value is; ``explain`` names the columns
# whose values are less likely given all others.

detector = DensityOutlierDetector(density, random_state=0).fit(X_train)
heavy = X_test[:1].assign(size=pd.Categorical(["S"], X["size"].cat.categories, True), weight=5.0)
usual = detector.score_samples(X_test)
print(f"rows that score below the heavy one: {np.mean(usual < detector.score_samples(heavy)):.1%}")
print(detector.set_output(transform="pandas").explain(heavy).round(1).to_string(index=False))

# %%
# Codes and empty cells
# ---------------------
# Some prices were never entered and stand as -999. ``fit`` finds such a code, keeps it from
# spoiling the density of all other rows, and names it in a warning, as it does with a column that
# has many rows on one value. All warnings are classes of :mod:`flowkit.exceptions`.

log_weight = np.log(X["weight"].to_numpy())
price = 3 + log_weight + rng.normal(0, 0.2, len(X))
numbers = pd.DataFrame({"log weight": log_weight, "price": price})
coded = numbers.copy()
coded.loc[::8, "price"] = -999
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    FlowDensity(max_epochs=1, random_state=0).fit(coded)
for warning in caught:
    print(f"{warning.category.__name__}: {warning.message}")

# %%
# A code means that a value is missing, so say so. ``missing="marginalize"`` trains on incomplete
# rows and scores what is known of a row, with what is missing integrated out; ``impute`` draws what
# is missing, given the rest. A draw is as uncertain as the value itself, and no mean: it should be
# off by the square root of two times the noise of 0.2.

known = coded.replace(-999, np.nan)
incomplete = FlowDensity(missing="marginalize", max_epochs=12, random_state=0).fit(known)
print("log density of what is known:", incomplete.score_samples(known[:3]).round(2))

filled = np.asarray(incomplete.impute(known, random_state=0))
gaps = known["price"].isna()
off = np.std(filled[gaps, 1] - price[gaps])
print(f"draws are off by {off:.2f}, expected {0.2 * 2**0.5:.2f}")
print(f"standard deviation of all prices: {price.std():.2f}")

plt.show()
