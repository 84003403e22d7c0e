"""Densities inside others: unwrapped, seeded, drawn from, scored on changed copies of rows."""

from ._copies import score_copies, score_inside
from ._draws import can_be_drawn_from, check_n_samples, draw_from
from ._mean_score import MeanScoreMixin
from ._seeds import seed_names, seeded_copies
from ._unwrap import Held, Unwrapped, find, held_by, stood_for, unwrap
from ._weights import require_weights

__all__ = [
    "Held",
    "MeanScoreMixin",
    "Unwrapped",
    "can_be_drawn_from",
    "check_n_samples",
    "draw_from",
    "find",
    "held_by",
    "require_weights",
    "score_copies",
    "score_inside",
    "seed_names",
    "seeded_copies",
    "stood_for",
    "unwrap",
]
