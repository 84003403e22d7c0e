"""The classical models that densities are initialised from."""

from ._column_target import ColumnTarget
from ._count_start import CountStart, count_start, entries_of
from ._factor_start import FactorStart
from ._flow_start import FlowStart, KernelStart, MixtureStart
from ._grey_levels import grey_levels, started_grey_levels
from ._lattice_start import LatticeStart, choose_predictions, start_lattice
from ._lifted_flow_start import (
    Boxes,
    LiftedScalesStart,
    LiftedStart,
    boxes_of,
    buffers_of,
    coarse_latents,
    coarse_level,
    common_levels,
    lifted,
    lifting_is_likelier,
    share_of_common_levels,
)
from ._margins import Margins, choose_margins, margin_steps, normal_scores
from ._mixture_start import choose_start, mixture_start, whitening
from ._rows import draw_rows
from ._start import Start
from ._topic_number import TopicNumbers, choose_n_topics, halves_of, started_topics
from ._topic_reference import TopicReference, choose_reference
from ._topic_start import (
    LastPriorStart,
    TopicGuess,
    TopicStart,
    as_topics,
    choose_topic_start,
    n_nodes,
    n_start_rows,
)
from ._word_groups import word_groups

__all__ = [
    "Boxes",
    "ColumnTarget",
    "CountStart",
    "FactorStart",
    "FlowStart",
    "KernelStart",
    "LastPriorStart",
    "LatticeStart",
    "LiftedScalesStart",
    "LiftedStart",
    "Margins",
    "MixtureStart",
    "Start",
    "TopicGuess",
    "TopicNumbers",
    "TopicReference",
    "TopicStart",
    "as_topics",
    "boxes_of",
    "buffers_of",
    "choose_margins",
    "choose_n_topics",
    "choose_predictions",
    "choose_reference",
    "choose_start",
    "choose_topic_start",
    "coarse_latents",
    "coarse_level",
    "common_levels",
    "count_start",
    "draw_rows",
    "entries_of",
    "grey_levels",
    "halves_of",
    "lifted",
    "lifting_is_likelier",
    "margin_steps",
    "mixture_start",
    "n_nodes",
    "n_start_rows",
    "normal_scores",
    "share_of_common_levels",
    "start_lattice",
    "started_grey_levels",
    "started_topics",
    "whitening",
    "word_groups",
]
