"""Models in files of skops, which hold no code: types are compared with a list before any object is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from convexrelu.command_line.shared import TASKS, CommandError, needed
from convexrelu.estimators.base import NetworkEstimator

__all__ = ["Model", "load_model", "save_model"]

# Every other type is one that skops itself trusts: of scikit-learn, NumPy and SciPy.
_TRUSTED = {"numpy.dtype"} | {
    "convexrelu." + name
    for name in (
        "certificates.certificate.Certificate",
        "estimators.classifier.ConvexReLUClassifier",
        "estimators.classifier_cv.ConvexReLUClassifierCV",
        "estimators.regressor.ConvexReLURegressor",
        "estimators.regressor_cv.ConvexReLURegressorCV",
        "networks.two_layer.TwoLayerNetwork",
        "results.result.Round",
        "results.status.Status",
    )
}
_FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A fitted pipeline, and the columns that it takes.

    Attributes
    ----------
    pipeline : Pipeline
    task : {"regression", "classification", "counts"}
    target : str
    numbers, texts : list of str
    """

    pipeline: Pipeline
    task: str
    target: str
    numbers: list[str]
    texts: list[str]


def save_model(model: Model, path: Path) -> None:
    """Write the file."""
    content = skops_io().dumps({"format": _FORMAT, **vars(model)})
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def load_model(path: Path) -> Model:
    """Read a file, if it has no types but those of models."""
    io = skops_io()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    try:
        found = set(io.get_untrusted_types(data=content))
        foreign = sorted(found - _TRUSTED)
        if foreign:
            raise CommandError(f"{path}: has types that are not trusted: {', '.join(foreign)}")
        read = io.loads(content, trusted=sorted(found))
        if read.pop("format") != _FORMAT:
            raise ValueError("another version of the format")
        return _checked(Model(**read))
    except CommandError:
        raise
    except Exception as error:  # whatever the readers of a damaged file stumble over
        raise CommandError(f"{path}: is no model of convexrelu fit ({_short(error)})") from error


def _checked(model: Model) -> Model:
    """The model, if its parts are what the commands need: a file may be made by anybody."""
    kinds = {"pipeline": Pipeline, "target": str, "numbers": list, "texts": list}
    for name, kind in kinds.items():
        if not isinstance(getattr(model, name), kind):
            raise ValueError(f"{name} is no {kind.__name__}")
    if model.task not in TASKS or not isinstance(model.pipeline[-1], NetworkEstimator):
        raise ValueError("it has no network")
    return model


def skops_io() -> Any:
    """The reader and writer of skops."""
    return needed("skops.io")


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:100]
