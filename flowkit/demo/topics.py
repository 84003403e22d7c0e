"""Groups of rows in words: the topics of a table of wines."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.metrics.cluster import contingency_matrix
from sklearn.preprocessing import StandardScaler

from ..estimators import FractalFlowDensity
from ..inspection import TopicDisplay
from ._report import INK, MUTED, OTHERS, OURS, headline, new_figure, paragraph, plain

HEADING = "3. What groups of rows there are, in words"
_SEED = 0
_N_WORDS = 5
_SHORT = {"od280/od315_of_diluted_wines": "od280/od315"}
_COLORS = (OURS, *OTHERS[:2])


def show(quick: bool):
    """Topics of wines in the names and units of the table, and as a figure beside the grapes."""
    X, grape = load_wine(return_X_y=True, as_frame=True)
    X = X.rename(columns=_SHORT)
    density = FractalFlowDensity(
        n_topics=len(_COLORS),
        # Each measurement follows a topic of its own.
        n_word_groups=X.shape[1],
        max_epochs=5 if quick else 100,
        random_state=_SEED,
    ).fit(X)
    clusters = KMeans(len(_COLORS), n_init=10, random_state=_SEED)
    clusters = clusters.fit_predict(StandardScaler().fit_transform(X))
    text = [
        paragraph(
            f"{len(X)} wines, {X.shape[1]} measurements each. FractalFlowDensity is an exact "
            "density whose latents follow topics, and says in which values each topic differs:"
        ),
        "",
        *(_in_words(k, topic) for k, topic in enumerate(density.describe_topics(_N_WORDS))),
        "",
        paragraph(
            "The wines are of three grapes, which were not given. The heaviest topic of a wine "
            f"goes with its grape in {n_agreeing(density.predict(X), grape)} of {len(X)}, a "
            f"k-means cluster in {n_agreeing(clusters, grape)}. Nothing makes topics follow "
            "classes: expect that only where classes are what sets rows apart."
        ),
    ]
    return "\n".join(text), _drawn(density, X, grape.to_numpy())


def _in_words(k: int, topic: dict) -> str:
    words = ", ".join(word for word, _ in topic["words"])
    return paragraph(f"topic {k}, {topic['weight']:.0%} of the wines: {words}")


def n_agreeing(groups, classes) -> int:
    """Rows that groups and classes put together, when each group is given the best class."""
    table = contingency_matrix(classes, groups)
    return int(table[linear_sum_assignment(table, maximize=True)].sum())


def _drawn(density, X, grape):
    """The words of the topics, and the proportions of topics in each wine."""
    figure = new_figure(8, 5.2)
    headline(figure, "What sets wines apart, and how much of each topic a wine has")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.15))
    panels = above.subplots(1, len(_COLORS))
    # The display fits words to panels, which have their size only once they are laid out.
    figure.draw_without_rendering()
    display = TopicDisplay.from_estimator(density, n_words=_N_WORDS, ax=panels)
    for k, (panel, bars) in enumerate(zip(panels, display.bars_, strict=True)):
        for bar in bars:
            bar.set(color=_COLORS[k], alpha=0.35)
        title = f"topic {k}: {density.topics_[k]['weight']:.0%} of the wines"
        panel.set_title(title, loc="left", fontsize=10, color=INK)
    _draw_proportions(below, density.predict_proba(X), grape)
    return figure


def _draw_proportions(figure, proportions, grape):
    counts = np.bincount(grape)
    axes = figure.subplots(1, len(counts), sharey=True, width_ratios=counts)
    for label, ax in enumerate(axes):
        own = proportions[grape == label]
        own = own[np.argsort(-own[:, own.mean(axis=0).argmax()])]
        ax.stackplot(
            np.arange(len(own) + 1),
            np.vstack([own, own[-1:]]).T,
            step="post",
            colors=_COLORS,
            labels=[f"topic {k}" for k in range(own.shape[1])],
            linewidth=0,
        )
        ax.set(xlim=(0, len(own)), ylim=(0, 1), xticks=[])
        ax.set_xlabel(f"{len(own)} wines of grape {label}")
        plain(ax)
    axes[0].set_ylabel("proportion of the topic")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, ncols=len(handles), frameon=False, fontsize=9, loc="outside upper center"
    )
    figure.supxlabel("each wine is a column; the grapes were not given", fontsize=8, color=MUTED)
