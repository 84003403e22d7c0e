"""The figure that leads from what one has, and wants, to an estimator."""

from matplotlib.figure import Figure

# A question, and where a yes leads; from top to bottom.
QUESTIONS = [
    ("Rows that do not belong?", "DensityOutlierDetector"),
    ("One column predicted\nfrom others?", "ConditionalFlow"),
    ("Missing values\nto be filled?", "DensityImputer"),
    ("Text, dates, categories\nin the table?", "TableDensity"),
    ("Images?", "FractalFlowDensity, or\nRGFlowDensity for scales"),
    ("Topics, or counts\nof words?", "FractalFlowDensity"),
    ("Few numbers\nfor each row?", "PHVAE"),
    ("The likeliest density,\nwhatever it takes?", "StackedDensity"),
]
_LAST = "FlowDensity"
_QUESTION = {"boxstyle": "round,pad=0.4", "fc": "#e8eef7", "ec": "#4c72b0"}
_ANSWER = {"boxstyle": "round,pad=0.4", "fc": "#fdebd9", "ec": "#dd8452"}
# Columns of questions and of answers, and the arrows between them.
_LEFT, _RIGHT, _FROM, _TO = 2.2, 7.7, 4.35, 5.45


def draw(path):
    """Draw the figure into a file of SVG, narrow enough to be read on a phone."""
    height = len(QUESTIONS) + 1
    figure = Figure(figsize=(5.0, 0.72 * height), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(0, 10), ylim=(-height + 0.4, 0.6))
    ax.axis("off")
    centred = {"ha": "center", "va": "center"}
    arrow = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 2}
    for i, (question, estimator) in enumerate(QUESTIONS):
        ax.text(_LEFT, -i, question, bbox=_QUESTION, **centred)
        ax.text(_RIGHT, -i, estimator, bbox=_ANSWER, **centred)
        ax.annotate("", (_TO, -i), (_FROM, -i), arrowprops=arrow)
        ax.text((_FROM + _TO) / 2, -i + 0.08, "yes", ha="center", va="bottom", fontsize=9)
        ax.annotate("", (_LEFT, -i - 0.7), (_LEFT, -i - 0.33), arrowprops=arrow)
        ax.text(_LEFT + 0.15, -i - 0.5, "no", va="center", fontsize=9)
    ax.text(_LEFT, -len(QUESTIONS), _LAST, bbox=_ANSWER, **centred)
    figure.savefig(path, metadata={"Date": None})
