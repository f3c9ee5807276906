"""Two-layer ReLU networks trained by convex optimisation, with duality-gap certificates.

Public names are imported on first use, so that ``import convexrelu`` loads neither torch nor cvxpy. lazy-loader does
the same, but lets Ctrl-C end the import of a compiled library halfway, after which it cannot be imported again.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from convexrelu import _moved
from convexrelu._utils.imports import importing

__version__ = "0.1.0"

_HOME = {
    "AlphaWarning": "results",
    "Certificate": "certificates",
    "ChunkedProblem": "chunked",
    "ConvexReLUClassifier": "estimators.classifier",
    "ConvexReLUClassifierCV": "estimators.classifier_cv",
    "ConvexReLUFeatures": "estimators.features",
    "ConvexReLUQuantileRegressor": "estimators.quantiles",
    "ConvexReLURegressor": "estimators.regressor",
    "ConvexReLURegressorCV": "estimators.regressor_cv",
    "GatedNetwork": "networks",
    "NTKRidge": "estimators.tangent_kernel",
    "NTKSVC": "estimators.tangent_kernel",
    "NetworkCertificate": "certification",
    "Result": "results",
    "SolverWarning": "results",
    "Status": "results",
    "TrainingProblem": "problem",
    "TwoLayerNetwork": "networks",
    "certify": "certification",
    "compare": "comparison",
    "register_onnx_converters": "estimators.onnx_pipelines",
    "regularization_path": "training",
    "show_versions": "_utils.versions",
    "to_onnx": "estimators.onnx_pipelines",
    "train": "training",
    "train_in_chunks": "chunked",
}

__all__ = [
    "NTKSVC",
    "AlphaWarning",
    "Certificate",
    "ChunkedProblem",
    "ConvexReLUClassifier",
    "ConvexReLUClassifierCV",
    "ConvexReLUFeatures",
    "ConvexReLUQuantileRegressor",
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
    "compare",
    "register_onnx_converters",
    "regularization_path",
    "show_versions",
    "to_onnx",
    "train",
    "train_in_chunks",
]

if TYPE_CHECKING:
    from convexrelu._utils.versions import show_versions
    from convexrelu.certificates.certificate import Certificate
    from convexrelu.certification import NetworkCertificate, certify
    from convexrelu.chunked.problem import ChunkedProblem
    from convexrelu.chunked.train import train_in_chunks
    from convexrelu.comparison.compare import compare
    from convexrelu.estimators.classifier import ConvexReLUClassifier
    from convexrelu.estimators.classifier_cv import ConvexReLUClassifierCV
    from convexrelu.estimators.features import ConvexReLUFeatures
    from convexrelu.estimators.onnx_pipelines import register_onnx_converters, to_onnx
    from convexrelu.estimators.quantiles import ConvexReLUQuantileRegressor
    from convexrelu.estimators.regressor import ConvexReLURegressor
    from convexrelu.estimators.regressor_cv import ConvexReLURegressorCV
    from convexrelu.estimators.tangent_kernel import NTKSVC, NTKRidge
    from convexrelu.networks.gated import GatedNetwork
    from convexrelu.networks.two_layer import TwoLayerNetwork
    from convexrelu.problem.training_problem import TrainingProblem
    from convexrelu.results.result import Result
    from convexrelu.results.status import AlphaWarning, SolverWarning, Status
    from convexrelu.training.path import regularization_path
    from convexrelu.training.train import train


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convexrelu' has no attribute {name!r}")
    with importing():
        module = importlib.import_module(f"convexrelu.{_HOME[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


_moved.install()
