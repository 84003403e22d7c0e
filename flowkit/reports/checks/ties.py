"""R3: values without a density: ties, constants, rows of density zero or infinity."""

from __future__ import annotations

import numpy as np

from ._base import WARNING, Check, found, passed

# Share of the rows that one value must hold.
_SHARE = 0.05
# Kinds of columns that give single values a probability of their own, and those that have steps.
_OWN_PROBABILITY = ("categorical", "spiked", "integer", "date")
_MOST_TOLD = 5


class Ties(Check):
    number, page = "R3", "ties"
    title = "Values that repeat, or rows of no density"
    severity = WARNING

    def look(self, evidence):
        told = [
            f"column {column.name} holds {value.value:g} in {value.share:.0%} of the rows"
            for column in evidence.columns
            if column.kind not in _OWN_PROBABILITY
            for value in column.heavy_values
            if value.share >= _SHARE and not (value.far or value.of_lattice)
        ]
        told += [
            f"column {column.name} holds one value only"
            for column in evidence.columns
            if len(column.counts) == 1
        ]
        texts = []
        if told:
            more = f", and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
            texts.append(
                f"No density per unit is right for a single value: {'; '.join(told[:_MOST_TOLD])}"
                f"{more}. Log densities depend on the width of the noise that stands for it."
            )
        for sign, word in ((np.isneginf, "impossible (-inf)"), (np.isposinf, "infinite (+inf)")):
            if n := int(sign(evidence.scores).sum()):
                texts.append(f"The log density of {n} row(s) is {word}.")
        if texts:
            return found(" ".join(texts))
        return passed("No value outside a lattice holds 5 % of a column; all scores are finite.")
