"""Every way to split a log density is named and refused alike, wherever it is named."""

from __future__ import annotations

import inspect

import pytest
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector
from flowkit.exceptions import InvalidParameterError
from flowkit.outliers._splits import SPLITS

from .examples import rows


@pytest.mark.parametrize("method", ["explain", "get_part_names"])
def test_documentation_names_all(method):
    text = inspect.getdoc(getattr(DensityOutlierDetector, method))
    names = ", ".join(map(repr, ["features", *SPLITS]))
    assert f"\nby : {{{names}}}, default='features'" in text


@pytest.mark.parametrize("name", SPLITS)
def test_a_density_that_lacks_what_is_needed_is_refused(name):
    split = SPLITS[name]
    assert split.name == name
    detector = DensityOutlierDetector(KernelDensity()).fit(rows())
    needed = f"'{name}' needs a density with {split.requirement.method}, such as"
    with pytest.raises(InvalidParameterError, match=f"{needed} {split.requirement.example}"):
        detector.get_part_names(name)
