"""
Topics in a table, and in a text
=================================

Which kinds of rows does a table hold, and what sets them apart? What is a text of a thousand pages
about? *Topics* answer both in words that can be read: groups of values, or of words, that go
together. :class:`flowkit.FractalFlowDensity` finds them while it learns a density, and never sees a
label. A row is a document, the bins that its values fall into are its words, and each row mixes the
topics in proportions of its own.

The first half of this page reads a table of 178 wines, pressed from three kinds of grapes, thirteen
measurements each. The second half reads a text: what is the manual of scikit-learn about?

The *latent* of a row is what the flow, an invertible network, maps it to; log densities are in
*nats*, the unit of natural logarithms.
"""

# %%
# Fit
# ---
# A quarter of the wines is held out; whatever is compared below is compared on these. With
# ``n_word_groups`` as many as columns, every measurement of a wine follows a topic of its own, so
# that a wine can be part one thing, part another. What that choice costs is told below.

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.utils.discovery import all_estimators, all_functions

from flowkit import FractalFlowDensity, LogDetTreeDisplay, TopicDisplay
from flowkit.inspection import TopicMapDisplay

X, grape = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, _, grape_test = train_test_split(X, grape, stratify=grape, random_state=0)

density = FractalFlowDensity(n_topics=3, n_word_groups=X.shape[1], random_state=0)
density.fit(X_train)

# %%
# Topics in words
# ---------------
# The words that tell most about each topic: frequent ones, and more frequent than in other topics.
# Alpha is how even the proportions of rows are: the smaller, the more each wine keeps to one topic.

TopicDisplay.from_estimator(density)

# %%
# The same in numbers: ``topics_`` says which share of the training rows each topic has, and its
# words, in names and units of the table. Each wine has thirteen words, one a column, so no
# probability can be much above 1/13, or 0.08.

for k, topic in enumerate(density.topics_):
    print(f"topic {k}, {topic['weight']:.0%} of the wines")
    for word, probability in topic["words"]:
        print(f"    {probability:.3f}  {word}")

# %%
# Topics and grapes
# -----------------
# ``predict`` names the heaviest topic of each row. Topics were found without the grapes, so their
# numbers mean nothing, and nothing made them agree with the grapes; expect it only of tables whose
# classes are what sets rows apart.

topic = density.predict(X_test)
print(pd.crosstab(topic, grape_test.to_numpy(), rownames=["topic"], colnames=["grape"]))
print("normalised mutual information:", round(normalized_mutual_info_score(grape_test, topic), 2))

# %%
# That was one seed. Topics of 133 rows are not the same each time, and the fit that finds the
# held-out rows likeliest need not be the one that agrees best with the grapes.
#
# And ``n_word_groups`` was chosen by hand, to be read. The flow cuts its latent into as many *word
# groups* of neighbouring columns, each of which follows one topic; by default the number is the one
# that is likeliest on rows held out.

others = {
    "another seed": FractalFlowDensity(n_topics=3, n_word_groups=X.shape[1], random_state=1),
    "word groups by default": FractalFlowDensity(n_topics=3, random_state=0),
}
for name, flow in {"as above": density, **others}.items():
    if flow is not density:
        flow.fit(X_train)
    information = normalized_mutual_info_score(grape_test, flow.predict(X_test))
    print(
        f"{name}: {len(flow.word_groups_)} word groups, mean log density "
        f"{flow.score(X_test):.2f} nats, mutual information {information:.2f}"
    )

# %%
# ``predict_proba`` are the proportions themselves: not how sure the flow is of one topic, but how
# much of a wine follows each. The purest wine of each topic, and the most mixed three:

proportions = density.predict_proba(X_test)
purest = proportions.argmax(0)
most_mixed = np.argsort(proportions.max(1))[:3]
shown = [*purest, *most_mixed]
print(
    pd.DataFrame(
        proportions[shown].round(2),
        columns=[f"topic {k}" for k in range(3)],
        index=[f"grape {grape_test.iloc[i]}" for i in shown],
    )
)

# %%
# Sample from a topic
# -------------------
# ``sample`` takes a topic, or proportions. Wines drawn from one topic should be recognised as that
# topic, and wines drawn half and half as both.

for k in range(3):
    drawn = pd.DataFrame(density.sample(500, random_state=k, topics=k), columns=X.columns)
    print(f"drawn from topic {k}, predicted as such: {np.mean(density.predict(drawn) == k):.1%}")

half = pd.DataFrame(density.sample(500, random_state=0, topics=[0.5, 0.5, 0.0]), columns=X.columns)
print("mean proportions of a half and half:", density.predict_proba(half).mean(0).round(2))

# %%
# Swap topics
# -----------
# What would this wine be like if it followed another's topics? ``swap_topics`` moves each word
# group to the topic that the donor has there and keeps its location within the topic: a wine that
# was high in alcohol for its topic stays high for the new one. This is a statement about the
# density, not about causes.

columns = ["alcohol", "flavanoids", "color_intensity", "hue", "proline"]
wine, donor = X_test.iloc[[purest[0]]], X_test.iloc[[purest[1]]]
swapped = pd.DataFrame(density.swap_topics(wine, donor), columns=X.columns)
table = pd.concat([wine, donor, swapped])
table.index = ["wine", "donor", "swapped"]
print(table[columns].round(2).to_string())
print(density.predict_proba(table).round(2))

# %%
# Interpolate
# -----------
# A straight line between two latents is a curve in the table. Its middle should be likelier than
# the average of the two wines, column by column. The last line tells by how much, as means over all
# held-out wines, each paired with another.

path = pd.DataFrame(density.interpolate(wine, donor, n_steps=5)[:, 0], columns=X.columns)
along = pd.DataFrame(density.predict_proba(path), columns=["topic 0", "topic 1", "topic 2"])
print(pd.concat([path[columns], along], axis=1).round(2).to_string())

others = X_test.sample(frac=1, random_state=0)
middle = pd.DataFrame(density.interpolate(X_test, others, n_steps=3)[1], columns=X.columns)
average = pd.DataFrame((X_test.to_numpy() + others.to_numpy()) / 2, columns=X.columns)
print(
    f"middle of the path: {density.score(middle):.2f} nats, average: {density.score(average):.2f}"
)

# %%
# Where the volume changes
# ------------------------
# The log density of a row is that of its latent plus the log-determinant of the map there, and in
# this flow the latter is a sum over a tree: all columns mix, the halves of the columns are coupled,
# then the halves of each half, and at last each column is bent alone. First the mean over all
# training wines. The leaves hold the logarithm of the units of their columns: proline, in the
# hundreds, against hue, about one.

LogDetTreeDisplay.from_estimator(density, X_train)

# %%
# To see what sets one wine apart, give the training wines as the ``reference``: units and mixing,
# the same for all rows, drop out. Below are two held-out wines: one of middling log density, and
# the least likely one.

log_density = density.score_samples(X_test)
order = np.argsort(log_density)
rows = {"typical": X_test.iloc[[order[len(order) // 2]]], "oddest": X_test.iloc[[order[0]]]}
for name, row in rows.items():
    volume = density.log_det_tree(row).shares.sum()
    total = density.score_samples(row)[0]
    print(f"{name}: {total:.1f} = {total - volume:.1f} (latent) + {volume:.1f} (volume) nats")

fig, axes = plt.subplots(2, figsize=(9, 7), layout="constrained")
for ax, (name, row) in zip(axes, rows.items(), strict=True):
    LogDetTreeDisplay.from_estimator(density, row, reference=X_train, ax=ax, clim=(-2, 2))
    ax.set_title(name, loc="right")
axes[0].tick_params(labelbottom=False)

# %%
# Wines differ in volume at the couplings, hardly at the leaves. And most of what is odd about the
# oddest wine is not in the tree: its latent lies where the topics have little probability.

# %%
# Topics in a text
# ----------------
# What is scikit-learn about, to someone who knows nothing but the words of its manual? Each public
# class and function has a page there, its docstring, which comes with every installation. A page is
# a row of counts: how often it uses each word. Words of fewer than eight pages are left out, and so
# are those of more than a third, such as *array*. A fifth of the pages is held out.

things = dict(all_estimators() + all_functions())
pages = pd.Series({name: inspect.getdoc(thing) or "" for name, thing in things.items()})
pages = pages[pages.str.split().str.len() > 50]
vectorizer = CountVectorizer(stop_words="english", token_pattern="[a-z]{3,}", min_df=8, max_df=0.35)
counts = vectorizer.fit_transform(pages).toarray()
counts = pd.DataFrame(counts, pages.index, vectorizer.get_feature_names_out())
pages_train, pages_test = train_test_split(counts, test_size=0.2, random_state=0)
print(f"{len(counts)} pages, {counts.shape[1]} words, {counts.sum(axis=1).median():.0f} on a page")

text = FractalFlowDensity(n_topics=8, documents="counts", random_state=0).fit(pages_train)
TopicDisplay.from_estimator(text, n_words=7)

# %%
# Trees, scores and labels, distances, kernels, linear models: most topics are subjects that a
# reader would name, and nothing told the fit which page is about what. With ``documents="counts"``
# there is no flow: the log density of a page is the logarithm of the probability of its counts,
# which may also be sparse. Words come in bursts there, as they do in texts: a page that has said
# *tree* once will say it again.
#
# Nothing told it the parts of the library either. Mean shares of the topics in the pages of the
# largest parts:

part = pd.Series({name: things[name].__module__.split(".")[1] for name in counts.index})
shares = pd.DataFrame(text.predict_proba(counts), counts.index)
largest = part.value_counts().index[:10]
print(shares.groupby(part).mean().loc[largest].round(2).to_string())

# %%
# Are the topics good?
# --------------------
# *Coherence* (NPMI) asks whether the words of a topic stand on the same held-out pages: 1 if
# always, 0 if by chance. *Exclusivity* asks whether no other topic has them. A topic of generic
# words, which most models of texts have, shows in both.

for k, told in enumerate(text.describe_topics(7, X=pages_test)):
    heaviest = " ".join(word for word, _ in told["words"])
    print(f"{told['coherence']:5.2f} {told['exclusivity']:5.2f}  topic {k}: {heaviest}")

# %%
# Good words are not all. Hide half of the words of each held-out page, drawn at random, and show
# the other half: how surprising is what is hidden? As surprising as one of so many equally likely
# words, which is called *perplexity*. Topics say how likely all words are, and how likely the words
# shown are; the difference is how likely the hidden ones are, given those shown. Latent Dirichlet
# allocation (LDA) of scikit-learn predicts them by the proportions of the words shown.

shown = np.random.default_rng(0).binomial(pages_test, 0.5)
hidden = pages_test.to_numpy() - shown
shown = pd.DataFrame(shown, columns=counts.columns)


def log_probability(rows):
    return -np.log(text.perplexity(rows)) * rows.to_numpy().sum()


lda = LatentDirichletAllocation(8, max_iter=20, random_state=0).fit(pages_train.to_numpy())
lda_words = lda.components_ / lda.components_.sum(axis=1, keepdims=True)
frequency = pages_train.sum().to_numpy() + 1
log_probabilities = {
    "frequencies of words": (hidden * np.log(frequency / frequency.sum())).sum(),
    "LDA": (hidden * np.log(lda.transform(shown.to_numpy()) @ lda_words)).sum(),
    "topics": log_probability(pages_test) - log_probability(shown),
}
perplexity = {name: np.exp(-value / hidden.sum()) for name, value in log_probabilities.items()}
print(", ".join(f"{name} {value:.0f}" for name, value in perplexity.items()))

# %%
# LDA knows no bursts, which cost it most here: pages repeat their words. On news the gap is a
# fifth, and there the words of LDA go together more often (*Counts* in ``benchmarks/README.md``).
#
# A map of topics
# ---------------
# Topics near each other use the same words. Most of their distances do not fit into a plane, so
# near in the map is a hint, far apart is not by chance.

TopicMapDisplay.from_estimator(text, n_words=3)

# %%
# Steer a page
# ------------
# What would the page of ``KMeans`` say if it were about trees? ``steer`` raises the share of a
# topic and replaces as few words as it can. The page keeps its length; what leaves are words of its
# own topics, what comes are words of trees.

page = counts.loc[["KMeans"]]
tree = int(text.predict(counts.loc[["DecisionTreeClassifier"]])[0])
steered = {0.0: page}
for amount in (0.3, 0.6, 0.9):
    steered[amount] = pd.DataFrame(text.steer(page, tree, amount), columns=counts.columns)
for amount, row in steered.items():
    change = row.iloc[0] - page.iloc[0]
    more, fewer = change.nlargest(5), change.nsmallest(5)
    print(f"{amount:.0%}: share of trees {text.predict_proba(row)[0, tree]:.2f}", end=", ")
    print(f"log probability {text.score(row):.0f} nats")
    if amount:
        print("    more:", ", ".join(more.index), "\n    fewer:", ", ".join(fewer.index))

# %%
# On the way the page is less likely than at both ends, as few pages are about clusters and trees at
# once. It is a bag of words all the time: their order was never read.

plt.show()
