"""The sections of a report: what was measured, in words, tables and pictures."""

from __future__ import annotations

import numpy as np

from . import _pictures
from ._blocks import Block, Item, Items, Pictures, Section, Table, Text
from ._comparison import OURS
from ._evidence import Evidence
from ._images import strip
from ._numbers import counted, fixed, percent, shown, signed
from .checks import FOUND, NOT_CHECKED, SEVERITIES, Check, Outcome

_MOST_ROWS, _MOST_MARGINS, _MOST_PAIRS, _MOST_WORDS = 40, 12, 6, 5
_MOST_IMAGES = 12
_DATA_AND_DRAWS = (("data", "data"), ("drawn", "rows drawn"))


def checks(outcomes: list[tuple[Check, Outcome]]) -> Section:
    """What the checks found: that first, the most serious on top."""
    ranked = sorted(outcomes, key=_rank)
    items = [
        Item(
            f"{check.number} {check.title if outcome.status == FOUND else _plain_title(check)}",
            check.severity if outcome.status == FOUND else outcome.status,
            (f"Not checked: {outcome.text}." if _is_open(outcome) else outcome.text,),
            check.explanation,
            outcome.status != FOUND,
        )
        for check, outcome in ranked
    ]
    n_found = sum(outcome.status == FOUND for _, outcome in outcomes)
    n_skipped = sum(outcome.status == NOT_CHECKED for _, outcome in outcomes)
    told = f"{n_found} of {len(outcomes)} checks found something"
    told += f"; {n_skipped} could not be made." if n_skipped else "."
    parts = ([i for i in items if not i.is_quiet], [i for i in items if i.is_quiet])
    return Section("Checks", [Text(told), *(Items(part) for part in parts if part)])


def _is_open(outcome):
    return outcome.status == NOT_CHECKED


def _rank(one):
    check, outcome = one
    found = outcome.status == FOUND
    return not found, SEVERITIES.index(check.severity) if found else _is_open(outcome)


def _plain_title(check):
    """What a check is about, from the name of its page."""
    return check.page.replace("_", " ").capitalize()


def strange(evidence: Evidence) -> Section:
    """The strangest rows, with reasons."""
    found = evidence.strange
    label = evidence.judged_by
    known = None if isinstance(found, str) else found
    picture = _pictures.score_histogram(evidence.judged, known, label)
    blocks: list[Block] = []
    if known is None:
        blocks.append(Text(f"There are no reasons for single rows: {found}."))
    else:
        blocks.append(
            Text(
                f"The rows that {type(evidence.judge).__name__} finds strangest, these first. "
                "Below each are the columns that make it so: the value, what is typical given the "
                "other columns of the row (a level with its probability, a number with the "
                "interval that holds nine in ten), and how many nats likelier the row would be "
                "with such a value; one nat is a factor of e. The share of rows that are as "
                "strange counts the row itself."
            )
        )
        rows = zip(known.labels, known.shares, known.lines, strict=True)
        blocks.append(
            Items(
                [
                    Item(
                        f"row {row}",
                        "",
                        (f"{percent(share)} of the rows are as strange", *lines),
                    )
                    for row, share, lines in rows
                ]
            )
        )
        if evidence.image_shape is not None:
            images = np.column_stack([c.numbers for c in evidence.columns])
            limits = float(np.nanmin(images)), float(np.nanmax(images))
            rows = images[known.positions[:_MOST_IMAGES]]
            label = "the strangest images, in the same order"
            blocks += [
                Text(f"{label.capitalize()}:"),
                Pictures([strip(rows, evidence.image_shape, limits, label)]),
            ]
        if known.levels:
            rows = [
                (name, *(signed(effect, 1) for effect in effects)) for name, effects in known.levels
            ]
            blocks.append(Text("Effects of scales on these rows, in nats:"))
            header = ("scale", *(f"row {label}" for label in known.labels))
            blocks.append(Table(header, rows))
    if picture:
        legend = (("data", "all rows"), *((("drawn", "the strangest"),) if known else ()))
        blocks.append(Pictures([picture], legend))
    return Section("The strangest rows", blocks)


def data(evidence: Evidence) -> Section:
    """The columns as they were read."""
    n, d = evidence.shape
    n_missing = sum(column.n_missing for column in evidence.columns)
    share = percent(n_missing / (n * d))
    told = f"{counted(n, 'row')} of {counted(d, 'column')}, {counted(n_missing, 'value')} missing"
    told += f" ({share})."
    header = ("column", "kind", "why", "missing", "distinct", "least", "median", "largest")
    header = (*header, "most frequent")
    rows = []
    for column in evidence.columns[:_MOST_ROWS]:
        one = column.described()
        told_numbers = (shown(one[name]) for name in ("low", "median", "high"))
        rows.append(
            (
                *(one["column"], one["kind"], one["why"]),
                shown(one["missing"]) if one["missing"] else "",
                shown(one["distinct"]),
                *told_numbers,
                _most_frequent(one) if len(column.counts) < len(column.present) else "",
            )
        )
    blocks: list[Block] = [Text(told), Table(header, rows, left=3)]
    if d > _MOST_ROWS:
        blocks.append(
            Text(f"{d - _MOST_ROWS:,} more columns are in the .json form of this report.")
        )
    return Section("The data as read", blocks)


def _most_frequent(described):
    return f"{shown(described['most_frequent'])} ({percent(described['share_of_most_frequent'])})"


def comparison(evidence: Evidence) -> Section:
    """Log densities of held-out rows beside those of classical densities."""
    found = evidence.comparison
    if isinstance(found, str):
        return Section("Held-out log density", [Text(f"Not compared: {found}.")])
    who = (
        "A copy of this density and" if found.was_refitted else "This density was fitted to X, and"
    )
    blocks: list[Block] = [
        Text(
            f"{who} the classical ones were fitted to the same {len(found.training_scores):,} rows "
            f"(these to complete rows, at most 2,000), and score the same {found.n_test:,} "
            "complete rows that none has seen, in the same units. Higher is better; one nat is a "
            "factor of e. The classical ones are as anyone would set them up in a minute, and were "
            "not tuned further. Impossible rows are not in the means."
        )
    ]
    rows = []
    for name, one in found.described()["densities"].items():
        gain = ""
        if name != OURS:
            gain = _with_error(one["gain_of_this_density"], one["error_of_gain"])
        mean = fixed(one["mean"]) if np.isfinite(one["mean"]) else ""
        rows.append((name, mean, gain, str(one["impossible_rows"])))
    header = ("density", "mean log density", f"gain of {OURS}", "impossible rows")
    blocks.append(Table(header, rows))
    if picture := _pictures.means(found):
        bars = (
            "Bars: two standard errors of the difference to this density. A mean far below the "
            "others is in the table alone."
        )
        blocks += [Pictures([picture]), Text(bars)]
    blocks += [Text(f"{name} was not fitted: {why}") for name, why in found.refused.items()]
    return Section("Held-out log density", blocks)


def _with_error(gain, error):
    return f"{signed(gain)} ± {fixed(error)}" if np.isfinite(gain) else ""


def training(evidence: Evidence) -> Section:
    """How training went."""
    found = evidence.training
    if found is None:
        return Section("Training", [Text("Nothing here was trained epoch by epoch.")])
    told = f"{found.name}: {found.n_epochs} epochs, of {found.max_epochs} allowed"
    told += (
        "." if found.best_epoch is None else f"; the weights of epoch {found.best_epoch} were kept."
    )
    if found.best_epoch == 0:
        told += " Epoch 0 is the density that training began at: nothing better was found."
    picture = _pictures.training_curve(found)
    legend = (("train", "training rows"), ("held", "hold-out"))
    return Section("Training", [Text(told), *([Pictures([picture], legend)] if picture else [])])


def samples(evidence: Evidence) -> Section:
    """Rows drawn, beside the data."""
    found = evidence.draws
    if isinstance(found, str):
        return Section("Rows drawn", [Text(f"Nothing was drawn: {found}.")])
    if evidence.image_shape is not None:
        return _images(evidence, found)
    distances = np.array(found.distances())
    order = np.argsort(-np.nan_to_num(distances), kind="stable")
    names = [column.name for column in found.data]
    worst = ", ".join(f"{names[j]} ({distances[j]:.2f})" for j in order[:3])
    blocks: list[Block] = [
        Text(
            f"{len(found.drawn[0].values):,} rows drawn from the density beside the data. The "
            "columns that differ most, by the largest difference of cumulative shares (for levels: "
            f"half the sum of the differences of their shares): {worst}."
        ),
        Pictures(
            [
                _pictures.margin(found, j)
                for j in order[:_MOST_MARGINS]
                if len(found.data[j].present)
            ],
            _DATA_AND_DRAWS,
        ),
    ]
    chosen = _pairs(found.correlations())
    if chosen:
        rows = [(f"{names[i]} and {names[j]}", signed(a), signed(b)) for i, j, a, b in chosen]
        blocks += [
            Text(
                "Pairs of columns: the closest in the data, and those whose closeness differs most."
            ),
            Table(("pair", "rank correlation, data", "drawn"), rows),
            Pictures(
                [_pictures.pair(found, i, j, evidence.seed) for i, j, *_ in chosen], _DATA_AND_DRAWS
            ),
        ]
    return Section("Rows drawn", blocks)


def _images(evidence, found):
    """Images of the data and drawn ones, a row of each."""
    tables = [
        np.column_stack([c.numbers for c in columns]) for columns in (found.data, found.drawn)
    ]
    limits = float(np.nanmin(tables[0])), float(np.nanmax(tables[0]))
    chosen = np.random.RandomState(evidence.seed).permutation(len(tables[0]))[:_MOST_IMAGES]
    rows = tables[0][chosen], tables[1][:_MOST_IMAGES]
    labels = "images of the data", "images drawn from the density"
    pictures = [
        strip(images, evidence.image_shape, limits, label)
        for images, label in zip(rows, labels, strict=True)
    ]
    return Section(
        "Rows drawn", [Text(f"Above {labels[0]}, below {labels[1]}."), Pictures(pictures)]
    )


def _pairs(correlations):
    """Some pairs: of the strongest correlation, and of the largest difference."""
    known = [pair for pair in correlations if np.isfinite(pair[2:]).all()]
    strong = sorted(known, key=lambda pair: -abs(pair[2]))[: _MOST_PAIRS - 2]
    rest = [pair for pair in known if pair not in strong]
    return strong + sorted(rest, key=lambda pair: -abs(pair[2] - pair[3]))[:2]


def topics(evidence: Evidence) -> Section | None:
    """Topics, where there are any."""
    found = evidence.topics
    if not found:
        return None
    rows = [
        (
            f"topic {k}",
            percent(float(topic.get("weight", np.nan))),
            ", ".join(str(word) for word, _ in topic["words"][:_MOST_WORDS]),
        )
        for k, topic in enumerate(found)
    ]
    text = "Groups of rows that the density describes each by itself, with what is typical of them."
    return Section("Topics", [Text(text), Table(("topic", "weight", "words"), rows)])


def settings(described: dict) -> Section:
    """The estimator and the versions."""
    versions = ", ".join(f"{name} {number}" for name, number in described["versions"].items())
    return Section(
        "Settings and versions",
        [
            Text(f"Estimator: {described['estimator']}"),
            Text(f"Random state of this report: {described['random_state']}"),
            Text(f"Versions: {versions}"),
        ],
    )
