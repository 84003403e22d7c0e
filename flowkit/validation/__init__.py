"""What users give, validated: parameters, rows and their containers, labels, and warnings."""

from ._arguments import as_numbers, check_choice, check_count, check_flag
from ._as_array import (
    check_array,
    check_sample_weight,
    errors_of_rows,
    typed_errors,
    validate_data,
)
from ._blocks import BLOCK_ROWS, has_missing, row_blocks
from ._column_names import nearest, position_of
from ._containers import (
    Container,
    as_floats,
    as_objects,
    container_of,
    distinct_values,
    is_frame,
    is_sparse,
    missing_in,
    pick,
    stacked,
)
from ._finite import name_columns, refuse_non_finite
from ._image_rows import check_image_size, holds_grey_levels, image_rows
from ._labels import check_labels, labels_of, tell_labels
from ._mixed_lists import keep_types
from ._output import in_container, remember_output
from ._overflow import cast, half_range, middle_of, refuse_overflow, refuse_wide
from ._parameters import SuggestingEstimator
from ._real_rows import refuse_unreal
from ._row_weights import row_weights
from ._values import DATE_ADVICE, a_kind_of, is_date, is_missing_value, shown
from ._warn import warn

__all__ = [
    "BLOCK_ROWS",
    "DATE_ADVICE",
    "Container",
    "SuggestingEstimator",
    "a_kind_of",
    "as_floats",
    "as_numbers",
    "as_objects",
    "cast",
    "check_array",
    "check_choice",
    "check_count",
    "check_flag",
    "check_image_size",
    "check_labels",
    "check_sample_weight",
    "container_of",
    "distinct_values",
    "errors_of_rows",
    "half_range",
    "has_missing",
    "holds_grey_levels",
    "image_rows",
    "in_container",
    "is_date",
    "is_frame",
    "is_missing_value",
    "is_sparse",
    "keep_types",
    "labels_of",
    "middle_of",
    "missing_in",
    "name_columns",
    "nearest",
    "pick",
    "position_of",
    "refuse_non_finite",
    "refuse_overflow",
    "refuse_unreal",
    "refuse_wide",
    "remember_output",
    "row_blocks",
    "row_weights",
    "shown",
    "stacked",
    "tell_labels",
    "typed_errors",
    "validate_data",
    "warn",
]
