"""What users give, validated: parameters, rows, and the labels of columns."""

from ._finite import name_columns, refuse_non_finite
from ._image_rows import check_image_size, holds_grey_levels, image_rows
from ._labels import check_labels, labels_of
from ._parameters import SuggestingEstimator
from ._real_rows import refuse_unreal

__all__ = [
    "SuggestingEstimator",
    "check_image_size",
    "check_labels",
    "holds_grey_levels",
    "image_rows",
    "labels_of",
    "name_columns",
    "refuse_non_finite",
    "refuse_unreal",
]
