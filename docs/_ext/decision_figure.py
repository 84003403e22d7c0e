"""The figure that leads from what one has, and wants, to an estimator."""

from matplotlib.figure import Figure

# A question, its answers, and where each leads; from top to bottom.
QUESTIONS = [
    ("Rows that do not belong?", "DensityOutlierDetector"),
    ("One column predicted from others?", "ConditionalFlow"),
    ("Missing values to be filled?", "DensityImputer"),
    ("Text, dates or categories in the table?", "TableDensity"),
    ("Images?", "FractalFlowDensity, or\nRGFlowDensity for scales"),
    ("Topics, or counts of words?", "FractalFlowDensity"),
    ("Few numbers for each row?", "PHVAE"),
    ("The likeliest density, whatever it takes?", "StackedDensity"),
]
_LAST = "FlowDensity"
_BOX = {"boxstyle": "round,pad=0.5", "linewidth": 1.2}


def draw(path):
    """Draw the figure into a file of SVG."""
    height = len(QUESTIONS) + 1
    figure = Figure(figsize=(7.2, 0.78 * height), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(0, 10), ylim=(-height + 0.4, 0.6))
    ax.axis("off")
    arrow = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 2}
    for i, (question, estimator) in enumerate(QUESTIONS):
        ax.text(
            2.9,
            -i,
            question,
            ha="center",
            va="center",
            bbox={**_BOX, "fc": "#e8eef7", "ec": "#4c72b0"},
        )
        ax.text(
            8,
            -i,
            estimator,
            ha="center",
            va="center",
            bbox={**_BOX, "fc": "#fdebd9", "ec": "#dd8452"},
        )
        ax.annotate("", (6.2, -i), (5.35, -i), arrowprops=arrow)
        ax.text(5.75, -i + 0.1, "yes", ha="center", va="bottom", fontsize=9)
        ax.annotate("", (2.9, -i - 0.68), (2.9, -i - 0.3), arrowprops=arrow)
        ax.text(3.05, -i - 0.5, "no", ha="left", va="center", fontsize=9)
    last = -len(QUESTIONS)
    ax.text(
        2.9, last, _LAST, ha="center", va="center", bbox={**_BOX, "fc": "#fdebd9", "ec": "#dd8452"}
    )
    figure.savefig(path, metadata={"Date": None})
