"""Two-layer ReLU networks trained by convex optimisation, with duality-gap certificates.

Everything public is imported when it is first used, so that ``import convexrelu`` loads neither
torch nor cvxpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from convexrelu.interruptions import interruptions_held

__version__ = "0.1.0"

_HOME = {
    "Certificate": "certificate",
    "ConvexReLUClassifier": "estimators.classifier",
    "ConvexReLUClassifierCV": "estimators.classifier_cv",
    "ConvexReLUFeatures": "estimators.features",
    "ConvexReLURegressor": "estimators.regressor",
    "ConvexReLURegressorCV": "estimators.regressor_cv",
    "GatedNetwork": "gated_network",
    "NTKRidge": "estimators.tangent_kernel",
    "NTKSVC": "estimators.tangent_kernel",
    "NetworkCertificate": "auditing",
    "Result": "result",
    "SolverWarning": "status",
    "Status": "status",
    "TrainingProblem": "problem",
    "TwoLayerNetwork": "network",
    "certify": "auditing",
    "regularization_path": "training",
    "train": "training",
}

__all__ = [
    "NTKSVC",
    "Certificate",
    "ConvexReLUClassifier",
    "ConvexReLUClassifierCV",
    "ConvexReLUFeatures",
    "ConvexReLURegressor",
    "ConvexReLURegressorCV",
    "GatedNetwork",
    "NTKRidge",
    "NetworkCertificate",
    "Result",
    "SolverWarning",
    "Status",
    "TrainingProblem",
    "TwoLayerNetwork",
    "__version__",
    "certify",
    "regularization_path",
    "train",
]

if TYPE_CHECKING:
    from convexrelu.auditing import NetworkCertificate, certify
    from convexrelu.certificate import Certificate
    from convexrelu.estimators.classifier import ConvexReLUClassifier
    from convexrelu.estimators.classifier_cv import ConvexReLUClassifierCV
    from convexrelu.estimators.features import ConvexReLUFeatures
    from convexrelu.estimators.regressor import ConvexReLURegressor
    from convexrelu.estimators.regressor_cv import ConvexReLURegressorCV
    from convexrelu.estimators.tangent_kernel import NTKSVC, NTKRidge
    from convexrelu.gated_network import GatedNetwork
    from convexrelu.network import TwoLayerNetwork
    from convexrelu.problem import TrainingProblem
    from convexrelu.result import Result
    from convexrelu.status import SolverWarning, Status
    from convexrelu.training import regularization_path, train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convexrelu' has no attribute {name!r}")
    with interruptions_held():  # NumPy and others are compiled, and cannot be imported twice
        module = importlib.import_module(f"convexrelu.{_HOME[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
