"""
Density estimation in five minutes
==================================

Which rows of a table are usual, which are strange, and what would another row look like? A density
answers all three: it says how likely each row is. This tour fits :class:`flowkit.FlowDensity` to a
table of two columns that can be looked at, and then to a real one of thirty, inside a scikit-learn
pipeline.

The estimator is a *normalizing flow*: a neural network that can be run backwards. It maps each row
to numbers of a simple distribution, the *latent* of the row, and keeps account of how much it
stretches space there. That account makes the density exact.
"""

# %%
# Fit
# ---
# Two interleaved half circles, in units of their own: the first column spans dozens, the second
# hundredths. There is no need to scale them; ``FlowDensity`` standardises columns inside.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityDisplay, FlowDensity, TrainingCurveDisplay

X = make_moons(600, noise=0.08, random_state=0)[0] * [20.0, 0.02]
X_train, X_test = train_test_split(X, random_state=0)

density = FlowDensity(random_state=0)
density.fit(X_train)

# %%
# The rows (circles) and as many drawn ones (crosses) over the density, on a logarithmic scale. The
# same display draws any fitted estimator that has ``score_samples``, ``KernelDensity`` for one.

DensityDisplay.from_estimator(density, X_train, n_samples=len(X_train), random_state=0)
plt.title("A density with its data and samples")

# %%
# Score
# -----
# ``score_samples`` is the natural logarithm of the density of each row, in the units of ``X``. Its
# unit is the *nat*: one nat more, and the row is e, or about 2.7, times as likely. It is exact:
# summed over a fine grid, the density holds all of the probability, and no more.

print("first log densities:", density.score_samples(X_test[:3]).round(2))
print("mean over held-out rows:", round(density.score(X_test), 3))

east, north = np.linspace(-45, 65, 300), np.linspace(-0.035, 0.045, 300)
grid = np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)
cell = (east[1] - east[0]) * (north[1] - north[0])
print("probability on the grid:", round(np.exp(density.score_samples(grid)).sum() * cell, 3))

# %%
# Sample
# ------
# The crosses came from ``sample``. An integer ``random_state`` gives the same rows each time.

print(density.sample(3, random_state=0))

# %%
# How training went
# -----------------
# A tenth of the rows was held out to stop in time, and the weights of the best epoch were kept.
# Epoch 0 is the initial density, a mixture of Gaussians; the curve shows what the flow adds to it.

TrainingCurveDisplay.from_estimator(density)
plt.title("Training")

# %%
# In a pipeline, under a grid search
# ----------------------------------
# A real table: thirty measurements of breast tumours. The benign ones are normal here, and only
# they are trained on. ``FlowDensity`` is an estimator like any other, so pipelines, grid searches
# and cross-validation work, with the mean log density as the score. Twenty epochs save time.
#
# One trap is worth knowing. A density is *per unit*, so a scaler in a pipeline changes the numbers:
# these log densities are of standardised columns. All candidates below share one scaler and can be
# compared; pipelines with different scalers cannot.

tumours = load_breast_cancer()
benign = tumours.data[tumours.target == 1]
malignant = tumours.data[tumours.target == 0]
benign_train, benign_test = train_test_split(benign, random_state=0)

pipeline = make_pipeline(StandardScaler(), FlowDensity(max_epochs=20, random_state=0))
search = GridSearchCV(pipeline, {"flowdensity__prior": ["gaussian_mixture", "student_t"]}, cv=2)
search.fit(benign_train)

print("chosen:", search.best_params_)
print("mean log density of held-out benign tumours:", round(search.score(benign_test), 2))

# %%
# Anomalies
# ---------
# What was never trained on should be unlikely. A row counts as an anomaly if its log density lies
# below a quantile of that of normal rows; the quantile is the share of false alarms you accept.
# A model scores the rows it was trained on too high, so each normal row is scored by a model that
# has not seen it.

flow = search.best_estimator_
folds = KFold(3, shuffle=True, random_state=0).split(benign_train)
unseen = np.concatenate(
    [clone(flow).fit(benign_train[seen]).score_samples(benign_train[rest]) for seen, rest in folds]
)
threshold = np.quantile(unseen, 0.05)

normal, anomalous = flow.score_samples(benign_test), flow.score_samples(malignant)
print(f"benign tumours flagged: {np.mean(normal < threshold):.1%}")
print(f"malignant tumours flagged: {np.mean(anomalous < threshold):.1%}")
labels = np.repeat([0, 1], [len(normal), len(anomalous)])
print(f"AUROC: {roc_auc_score(labels, -np.concatenate([normal, anomalous])):.3f}")

# %%
# Most malignant tumours lie far below the threshold, many so far that the plot gathers them in its
# first bin.

low = threshold - 2 * (normal.max() - threshold)
bins = np.linspace(low, normal.max(), 40)
fig, ax = plt.subplots()
for scores, label in ((normal, "benign"), (anomalous, "malignant")):
    shares = np.full(len(scores), 1 / len(scores))
    ax.hist(np.clip(scores, low, bins[-1]), bins, weights=shares, alpha=0.6, label=label)
ax.axvline(threshold, color="black", linestyle=":", label="threshold")
ax.set(xlabel="log density (nats)", ylabel="share of rows", title="Held-out tumours")
ax.legend()

plt.show()
