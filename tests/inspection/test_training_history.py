"""The history of a fit, as a frame."""

import pytest
from sklearn.exceptions import NotFittedError

from flowkit import FlowDensity
from flowkit.exceptions import InvalidParameterError
from flowkit.inspection import training_history

from ..table import DETECTORS, WRAPPERS

pd = pytest.importorskip("pandas")

# What is trained within each, and the attribute that leads there.
WITHIN = {
    "stacked_flow": (WRAPPERS, lambda fitted: fitted.estimators_[1:]),
    "table_flow": (WRAPPERS, lambda fitted: [fitted.density_]),
    "transformed_flow": (WRAPPERS, lambda fitted: [fitted.density_]),
    "flows": (DETECTORS, lambda fitted: fitted.densities_),
}


@pytest.mark.parametrize("name", WITHIN)
def test_everything_that_is_trained_within_is_told(name, moons):
    builders, within = WITHIN[name]
    fitted = builders[name]().fit(moons)
    told = training_history(fitted)
    trained = within(fitted)
    blocks = [block.droplevel(0) for _, block in told.groupby("density", sort=False)]
    assert len(blocks) == len(trained)
    for block, one in zip(blocks, trained, strict=True):
        expected = pd.DataFrame(one.history_).set_index("epoch")
        pd.testing.assert_frame_equal(block.drop(columns="is_best"), expected)
        assert block.index[block["is_best"]].tolist() == [one.best_epoch_]


def test_names_are_numbered_where_several_are_of_one_class(moons):
    told = training_history(DETECTORS["flows"]().fit(moons))
    assert told.index.unique("density").tolist() == ["FlowDensity 1", "FlowDensity 2"]


def test_no_training_no_history(mixture):
    with pytest.raises(InvalidParameterError, match="GaussianMixture has no attribute 'history_'"):
        training_history(mixture)
    with pytest.raises(NotFittedError):
        training_history(FlowDensity())
