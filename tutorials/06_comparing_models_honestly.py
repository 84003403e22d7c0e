"""
Comparing models honestly
=========================

Which of two densities is the better one? The one that finds rows likelier that it has not seen. But
log densities carry units, and whoever compares them across units compares the units. Here are three
ways to choose the wrong model, and how :class:`flowkit.TransformedDensity` and a little arithmetic
avoid them. All log densities are in *nats*, the unit of natural logarithms: one nat more makes a
row e, or about 2.7, times as likely.
"""

# %%
# The scaler that wins
# --------------------
# Ten measurements of benign breast tumours, all of them skewed. Which scaler should stand before a
# Gaussian, the simplest density there is? A grid search over a pipeline has an answer.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler

from flowkit import DensityDisplay, FlowDensity, TransformedDensity
from flowkit.exceptions import FlowkitWarning

tumours = load_breast_cancer(as_frame=True)
X = tumours.data.loc[tumours.target == 1, tumours.data.columns.str.endswith("error")]
X_train, X_test = train_test_split(X, random_state=0)

# What these warnings say is told below.
warnings.simplefilter("ignore", FlowkitWarning)
scalers = [StandardScaler(), MinMaxScaler(), PowerTransformer()]
gaussian = GaussianMixture()


def report(search, scaler):
    """Mean held-out log density of each scaler of a grid search."""
    for tried, score in zip(
        search.cv_results_[f"param_{scaler}"], search.cv_results_["mean_test_score"], strict=True
    ):
        chosen = "  <- chosen" if score == search.best_score_ else ""
        print(f"{type(tried).__name__:>18}: {score:7.2f} nats{chosen}")


pipeline = Pipeline([("scaler", StandardScaler()), ("density", gaussian)])
wrong = GridSearchCV(pipeline, {"scaler": scalers}, cv=5).fit(X_train)
report(wrong, "scaler")

# %%
# It chose the scaler that leaves the least room. A pipeline scores the rows that its last step
# sees, and ``MinMaxScaler`` squeezes all columns into an interval of length one, where the density
# is high. A Gaussian is the same model whether columns were divided by their standard deviation or
# by their range, so the first two differ in nothing but units.
#
# ``TransformedDensity`` adds the logarithm of the scaler's Jacobian, so that all scores are in the
# units of the table.

transformed = TransformedDensity(StandardScaler(), gaussian)
right = GridSearchCV(transformed, {"transformer": scalers}, cv=5).fit(X_train)
report(right, "transformer")

# %%
# The first two are the same now, as they should be, and the winner is the transformer that takes
# the skew away. The rows set aside agree, and a single column shows why.

for search in (wrong, right):
    step = search.best_params_.get("scaler", search.best_params_.get("transformer"))
    score = TransformedDensity(step, gaussian).fit(X_train).score(X_test)
    print(f"held-out rows with {type(step).__name__}: {score:.2f} nats")

fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.2), sharey=True, layout="constrained")
area = X_train[["area error"]]
for ax, scaler in zip(axes, scalers, strict=True):
    density = TransformedDensity(scaler, GaussianMixture()).fit(area)
    DensityDisplay.from_estimator(density, area, ax=ax)
    ax.set_title(f"{type(scaler).__name__}, one Gaussian", fontsize=9)

# %%
# ``FlowDensity`` standardises columns inside, so that an affine scaler before it changes nothing at
# all, except for the number that a pipeline reports.

for scaler in scalers[:2]:
    flow = TransformedDensity(scaler, FlowDensity(max_epochs=8, random_state=0)).fit(X_train)
    as_in_a_pipeline = flow.density_.score(flow.transformer_.transform(X_test))
    print(
        f"{type(scaler).__name__}: {flow.score(X_test):.3f} nats in units of the table, "
        f"{as_in_a_pipeline:.3f} in a pipeline"
    )

# %%
# The Jacobian is exact, but one thing is left to know. A power transformer with an exponent below
# zero has an end: no row, however large, is transformed to beyond it. What the Gaussian puts there
# is lost, and the scores are too low by as much. ``fit`` warns of it, which was silenced above.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    best = TransformedDensity(PowerTransformer(), gaussian).fit(X_train)
for warning in caught:
    print(warning.message)

# %%
# A difference, and whether it is one
# -----------------------------------
# In the same units, on the same rows, differences mean something: by how many nats a row is
# likelier under one model. Take them row by row: their error is less than that of either mean.
# (``score`` of ``KernelDensity`` is the sum over rows where that of all others is the mean;
# ``score_samples`` is the same everywhere.)

candidates = {
    "Gaussian": gaussian,
    "Gaussian after powers": best,
    "kernels after powers": TransformedDensity(PowerTransformer(), KernelDensity(bandwidth=0.5)),
    "flow": FlowDensity(max_epochs=15, random_state=0),
    "flow after powers": TransformedDensity(
        PowerTransformer(), FlowDensity(max_epochs=15, random_state=0)
    ),
}
log_densities = {
    name: model.fit(X_train).score_samples(X_test) for name, model in candidates.items()
}
base = log_densities["Gaussian"]
for name, values in log_densities.items():
    error = values.std(ddof=1) / np.sqrt(len(values))
    gain = values - base
    gain_error = gain.std(ddof=1) / np.sqrt(len(gain))
    print(
        f"{name:>22}: {values.mean():6.2f} +- {error:.2f} nats, "
        f"over the Gaussian {gain.mean():+6.2f} +- {gain_error:.2f}"
    )

# %%
# Centimetres and metres
# ----------------------
# A log density has no zero. Irises were measured in centimetres; in metres, the density is per
# metre, and each of the four columns adds the logarithm of 100. No model is better or worse for it,
# and no log density is good or bad by itself.

iris = load_iris(as_frame=True).data
iris_train, iris_test = train_test_split(iris, random_state=0)
for name, model in {
    "flow": FlowDensity(max_epochs=20, random_state=0),
    "mixture after a scaler": TransformedDensity(
        StandardScaler(), GaussianMixture(3, random_state=0)
    ),
    "mixture": GaussianMixture(3, random_state=0),
}.items():
    centimetres = model.fit(iris_train).score(iris_test)
    metres = model.fit(iris_train / 100).score(iris_test / 100)
    print(
        f"{name:>22}: {centimetres:5.2f} nats in centimetres, {metres:5.2f} in metres, "
        f"apart by {metres - centimetres:.2f}"
    )
print(f"four times log 100: {4 * np.log(100):.2f}")

# %%
# The mixture without a scaler is off: scikit-learn adds a millionth to its variances, nothing in
# square centimetres, but the square of a millimetre in metres. It is another model there.
#
# Densities and probabilities
# ---------------------------
# These irises were measured to a millimetre, so values repeat. A density can put a spike on each of
# them, and the narrower its spikes, the higher its held-out log density, without end. Nothing was
# learned: the spikes only claim that the next iris is rounded, too.
#
# A rounded value stands for an interval, and has a probability: the integral of the density over
# it. Its negative logarithm to base 2 are bits, at least zero and free of units. They can be
# compared even with a table of frequencies.

petal_train, petal_test = (
    table[["petal width (cm)"]].to_numpy() for table in (iris_train, iris_test)
)
spacing = 0.1
# Midpoints of a fine division of the interval of a value.
inside = (np.arange(1000) + 0.5) / 1000 * spacing - spacing / 2


def mean_bits(density, rows):
    """Bits for the interval that each rounded value stands for."""
    scores = density.score_samples((rows + inside).reshape(-1, 1)).reshape(len(rows), -1)
    log_probability = logsumexp(scores, axis=1) + np.log(spacing / len(inside))
    return -log_probability.mean() / np.log(2)


for bandwidth in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001):
    kernels = KernelDensity(bandwidth=bandwidth).fit(petal_train)
    log_density = kernels.score_samples(petal_test).mean()
    bits = mean_bits(kernels, petal_test)
    print(f"bandwidth {bandwidth:5}: mean log density {log_density:5.2f} nats, {bits:.2f} bits")

flow = FlowDensity(max_epochs=20, random_state=0).fit(petal_train)
print(f"flow: {mean_bits(flow, petal_test):.2f} bits")
cells = np.rint(np.vstack([petal_train, petal_test]) / spacing).astype(int).ravel()
counts = 1 + np.bincount(cells[: len(petal_train)], minlength=cells.max() + 1)
table = -np.log2(counts / counts.sum())[cells[len(petal_train) :]].mean()
print(f"table of frequencies, each with one more: {table:.2f} bits")

# %%
# The log density rises with every step. The bits do not: as soon as kernels are narrower than the
# intervals, all they know is how often each value was seen, and so does the table. ``FlowDensity``
# spreads columns with ties over their intervals in training (``dequantize="auto"``), so that it
# does not learn spikes in the first place; :meth:`flowkit.RGFlowDensity.bits_per_dim` and
# :meth:`flowkit.PHVAE.bits_per_dim` give the bits of images.
#
# In short: compare on rows that no model has seen, in the units of the table, row by row; and turn
# densities of rounded values into probabilities before you believe them.

plt.show()
