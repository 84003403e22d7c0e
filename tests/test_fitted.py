"""Estimators that tests share are fitted once, and a test that changes one is found out."""

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from .fitted import FittedOnce

X = np.arange(6.0).reshape(3, 2)


def test_a_change_of_what_is_shared_is_seen():
    once = FittedOnce(lambda width: KernelDensity(bandwidth=width).fit(X), X)
    shared = once(0.5)
    assert once(0.5) is shared
    assert once(2.0) is not shared
    once.check()
    shared.fit(X + 1)
    with pytest.raises(AssertionError, match=r"a test has changed \(\(0\.5,\)"):
        once.check()
