"""The classes that files may hold, by their names.

Of flowkit, those of the rooms in which models live, and of other libraries those listed here:
their instances are restored from plain values, by assigning attributes. No other name is ever
looked up, and of flowkit nothing is imported that is not there already. Of scikit-learn, classes
are left out whose compiled code trusts their attributes, such as those of clusters and forests.
"""

from __future__ import annotations

import importlib
import sys

from ..exceptions import UntrustedTypeError

# Rooms of flowkit whose classes hold plain values and each other.
_ROOMS = frozenset(
    {
        "bijections",
        "columns",
        "conditions",
        "estimators",
        "imputation",
        "missing",
        "modules",
        "nets",
        "outliers",
        "priors",
        "regression",
        "stacking",
        "starts",
        "tables",
        "topics",
        "training",
        "transforms",
    }
)
# Classes of other libraries, by the module that users import them from.
_LISTED = {
    "sklearn.compose": ("ColumnTransformer",),
    "sklearn.covariance": (
        "EllipticEnvelope",
        "EmpiricalCovariance",
        "LedoitWolf",
        "MinCovDet",
        "OAS",
        "ShrunkCovariance",
    ),
    "sklearn.decomposition": (
        "FactorAnalysis",
        "FastICA",
        "IncrementalPCA",
        "PCA",
        "TruncatedSVD",
    ),
    "sklearn.frozen": ("FrozenEstimator",),
    "sklearn.impute": ("MissingIndicator", "SimpleImputer"),
    "sklearn.kernel_approximation": ("Nystroem", "RBFSampler"),
    "sklearn.mixture": ("BayesianGaussianMixture", "GaussianMixture"),
    "sklearn.neighbors": ("KernelDensity", "NearestNeighbors"),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": (
        "Binarizer",
        "FunctionTransformer",
        "KBinsDiscretizer",
        "LabelBinarizer",
        "LabelEncoder",
        "MaxAbsScaler",
        "MinMaxScaler",
        "Normalizer",
        "OneHotEncoder",
        "OrdinalEncoder",
        "PolynomialFeatures",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    ),
    "sklearn.random_projection": ("GaussianRandomProjection",),
    "sklearn.tree": ("DecisionTreeClassifier",),
    "torch.nn": (
        "Conv2d",
        "ConvTranspose2d",
        "Identity",
        "Linear",
        "ModuleDict",
        "ModuleList",
        "ParameterList",
        "ReLU",
        "SiLU",
        "Sequential",
        "Tanh",
    ),
}
# Whose methods may restore the attributes of an instance; torch.compile puts one into all modules.
_RESTORED_BY = ("flowkit.", "sklearn.base", "torch.nn.modules.", "torch._dynamo.mutation_guard")


def name_of(cls: type) -> str | None:
    """The name that a class has in files, the public one if it has one.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    str or None
        The name; None if files may not hold instances of the class.
    """
    package = cls.__module__.partition(".")[0]
    names = [f"{cls.__module__}.{cls.__qualname__}"]
    if package == "flowkit":
        names.insert(0, f"flowkit.{cls.__name__}")
    else:
        names += [
            f"{module}.{cls.__name__}" for module in _LISTED if cls.__name__ in _LISTED[module]
        ]
    return next((name for name in names if _found(name) is cls), None)


def class_named(name: str) -> type:
    """The class of a name that `name_of` gave.

    Raises
    ------
    UntrustedTypeError
        If files may not hold instances of a class of this name.
    """
    found = _found(name) if isinstance(name, str) else None
    if found is None:
        raise UntrustedTypeError(
            f"it holds an instance of {str(name)[:200]!r}, which is not among the classes that are "
            "loaded. It was written by a later version, or is not to be trusted."
        )
    return found


def _found(name):
    """The class of a name if files may hold it, else None."""
    module, _, attribute = name.rpartition(".")
    if attribute in _LISTED.get(module, ()):
        return getattr(importlib.import_module(module), attribute, None)
    package, _, rest = module.partition(".")
    if package != "flowkit" or (rest and rest.partition(".")[0] not in _ROOMS):
        return None
    found = getattr(sys.modules.get(module), attribute, None)
    is_own = isinstance(found, type) and found.__module__.startswith("flowkit.")
    return found if is_own and _is_plain(found) else None


def _is_plain(cls):
    """Whether instances are made of their attributes alone, by nobody but those trusted with it."""
    restore = getattr(cls, "__setstate__", None)
    return (
        cls.__module__.split(".")[1] in _ROOMS
        and cls.__reduce_ex__ is object.__reduce_ex__
        and (restore is None or restore.__module__.startswith(_RESTORED_BY))
        and not issubclass(cls, BaseException)
        # Callbacks and nets act in training: a checkpoint would write wherever a file says.
        and not any(base.__module__.startswith("skorch.") for base in cls.__mro__)
    )
