"""
Questions to a density
======================

What is blood pressure like in people of a given weight? How does diabetes progress, given
everything else? A density of all columns was asked none of this when it was fitted, and answers all
of it: some columns are given, the others are drawn, scored or summed over.
"""

# %%
# One density for all questions
# -----------------------------
# Patients with diabetes: age, body mass index, mean blood pressure, a blood value (the log of
# triglycerides), and how far the disease had progressed a year later. With ``n_transforms=0`` a
# :class:`flowkit.FlowDensity` is a mixture of Gaussians behind a linear map, whose answers are
# exact; with couplings they are estimated by draws, with their standard error.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import train_test_split

from flowkit import FlowDensity
from flowkit.inspection import PairDisplay

table = load_diabetes(as_frame=True, scaled=False).frame
X = table[["age", "bmi", "bp", "s5", "target"]]
X_train, X_test = train_test_split(X, random_state=0)
density = FlowDensity(n_transforms=0, n_components=2, random_state=0).fit(X_train)
print(f"held-out log density: {density.score(X_test):.2f} nats per row")

# %%
# The picture shows rows below the diagonal and draws above it. The contours are those of the
# density of each pair of columns, all others summed over.

PairDisplay.from_estimator(density, X_train, show_density=True, random_state=0)

# %%
# A fan: quantiles given a column
# -------------------------------
# Which progress do nine of ten patients of a body mass index stay below? ``quantile`` takes what is
# given as a dict, or as rows with NaN where columns are open. As the index grows, all quantiles
# rise, and they lie further apart.

index = np.linspace(18, 40, 45)
levels = [0.05, 0.25, 0.5, 0.75, 0.95]
given = X_train.iloc[: len(index)].assign(age=np.nan, bmi=index, bp=np.nan, s5=np.nan)
fan = density.quantile(levels, "target", given=given.assign(target=np.nan))

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for low, high, shade in ((0, 4, 0.2), (1, 3, 0.4)):
    label = f"{levels[high] - levels[low]:.0%} of patients"
    ax.fill_between(index, fan[:, low], fan[:, high], color="tab:blue", alpha=shade, label=label)
ax.plot(index, fan[:, 2], color="tab:blue", label="median")
ax.scatter(X_train["bmi"], X_train["target"], s=8, color="black", alpha=0.4, label="patients")
ax.set(
    xlabel="body mass index", ylabel="progress of the disease", title="Progress, given the index"
)
ax.legend(loc="upper left")

# %%
# ``cdf`` asks the other way round: which share of patients of the same index progressed less? Over
# new patients such shares should be uniform. They are, if one in ten lies in each tenth.

shares = density.cdf(X_test, "target", given=["bmi"])
print("patients in each tenth:", np.histogram(shares, 10, (0, 1))[0])

# %%
# Log densities given columns
# ---------------------------
# ``score_samples(X, given=...)`` is the log density of the columns that are left. With all but the
# target given it is what a regression with an error bar is judged by.

columns = ["age", "bmi", "bp", "s5"]
conditional = density.score_samples(X_test, given=columns).mean()
ridge = BayesianRidge().fit(X_train[columns], X_train["target"])
mean, std = ridge.predict(X_test[columns], return_std=True)
distance = (X_test["target"] - mean) / std
regression = np.mean(-0.5 * distance**2 - np.log(std) - 0.5 * np.log(2 * np.pi))
print(f"log density of the progress given the rest: {conditional:.3f} nats")
print(f"Bayesian ridge regression: {regression:.3f} nats")

# %%
# What is given and what is left add up to the whole: a log density is a sum of such answers, in any
# order.

marginal = density.marginal(columns)
parts = marginal.score_samples(X_test[columns]) + density.score_samples(X_test, given=columns)
print("largest difference:", np.abs(parts - density.score_samples(X_test)).max())

# %%
# Draws given columns
# -------------------
# Patients of forty years with a high blood pressure, as they might be: what is given stays, all
# else varies together.

patients = density.sample(500, random_state=0, given={"age": 40, "bp": 120})
everyone = density.sample(500, random_state=0)
j = X.columns.get_loc("target")
print(f"mean progress: {patients[:, j].mean():.0f}, of everyone {everyone[:, j].mean():.0f}")

plt.show()
