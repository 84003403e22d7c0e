"""Densities inside others: unwrapped, seeded, timed, drawn from, scored on changed rows."""

from ._chunks import require_chunks, takes_chunks
from ._copies import log_density_without, own_kernels_of, score_copies, score_inside
from ._draws import can_be_drawn_from, check_n_samples, draw_from
from ._interruptions import are_passed_on, interruptions_passed_on
from ._log_density import estimates_of, log_density_of, tells_error
from ._mean_score import MeanScoreMixin, mean_of
from ._nested_parameters import names_of
from ._progress import Progress
from ._reading import read_numbers, read_rows
from ._seeds import seed_names, seeded_copies
from ._time_limit import TimeLimit, can_end, limited
from ._topics_within import TopicsWithin
from ._unwrap import Held, Unwrapped, find, held_by, layers, stood_for, unwrap
from ._weights import require_weights

__all__ = [
    "Held",
    "MeanScoreMixin",
    "Progress",
    "TimeLimit",
    "TopicsWithin",
    "Unwrapped",
    "are_passed_on",
    "can_be_drawn_from",
    "can_end",
    "check_n_samples",
    "draw_from",
    "estimates_of",
    "find",
    "held_by",
    "interruptions_passed_on",
    "layers",
    "limited",
    "log_density_of",
    "log_density_without",
    "mean_of",
    "names_of",
    "own_kernels_of",
    "read_numbers",
    "read_rows",
    "require_chunks",
    "require_weights",
    "score_copies",
    "score_inside",
    "seed_names",
    "seeded_copies",
    "stood_for",
    "takes_chunks",
    "tells_error",
    "unwrap",
]
