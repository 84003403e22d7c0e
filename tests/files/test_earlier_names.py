"""Classes that have moved are found where files and pickles of earlier versions look for them."""

from __future__ import annotations

import importlib

import pytest

from flowkit.files._allowed import class_named
from flowkit.outliers.views.single_columns import Levels
from flowkit.tables._angle_codec import AngleCodec

EARLIER = {
    "flowkit.tables._column_codecs.AngleCodec": AngleCodec,
    "flowkit.outliers.views.single_columns._Levels": Levels,
}


@pytest.mark.parametrize(("name", "kind"), EARLIER.items(), ids=EARLIER)
def test_a_class_is_found_by_the_name_it_had(name, kind):
    assert class_named(name) is kind
    module, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(module), attribute) is kind


def test_what_was_never_there_is_not_found():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        importlib.import_module("flowkit.tables._column_codecs").Nothing  # noqa: B018
