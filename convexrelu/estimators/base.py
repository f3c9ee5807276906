"""What all estimators have in common: parameters, the way to a problem and to training, what they keep of a result."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from convexrelu.displays.progress import ProgressPrinter
from convexrelu.gated_network import GatedNetwork
from convexrelu.losses import LOSSES
from convexrelu.network import TwoLayerNetwork
from convexrelu.oracles.choose import ORACLES
from convexrelu.problem import ACTIVATIONS, TrainingProblem
from convexrelu.result import Result
from convexrelu.solvers.master import SOLVERS
from convexrelu.status import Status
from convexrelu.threshold_network import ThresholdNetwork
from convexrelu.training import PATTERNS

if TYPE_CHECKING:
    import torch

__all__ = ["NetworkEstimator", "checked_weights", "naming"]

Array = NDArray[np.float64]


class NetworkEstimator(BaseEstimator, metaclass=ABCMeta):
    """Base class of the estimators. Subclasses have the parameters below, and say what targets are."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_bias": ["boolean"],
        "fit_intercept": ["boolean"],
        "loss": [StrOptions(set(LOSSES))],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "patterns": [StrOptions(set(PATTERNS)), "array-like"],
        "n_patterns": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions(set(SOLVERS))],
        "oracle": [StrOptions(set(ORACLES))],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    network_: TwoLayerNetwork | GatedNetwork | ThresholdNetwork

    def to_torch(
        self, dtype: torch.dtype | None = None, device: str = "cpu"
    ) -> torch.nn.Sequential:
        """The network as ``Sequential(Linear, ReLU, Linear)``, see :meth:`TwoLayerNetwork.to_torch`.

        Raises
        ------
        ValueError
            For a gated network, which has no such form; ``network_.to_relu(X)`` makes one that has.
        """
        check_is_fitted(self, "network_")
        if not isinstance(self.network_, TwoLayerNetwork):
            gated = isinstance(self.network_, GatedNetwork)
            raise ValueError(
                f"activation={self.activation!r} has no Sequential(Linear, ReLU, Linear) form"
                + ("; use network_.to_relu(X).to_torch()" if gated else "")
            )
        return self.network_.to_torch(dtype=dtype, device=device)

    def _problem(
        self, X: Array, y: Array, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        return TrainingProblem(
            X,
            y,
            alpha,
            loss=self.loss,
            activation=self.activation,
            hidden_bias=self.hidden_bias,
            fit_intercept=self.fit_intercept,
            sample_weight=sample_weight,
        )

    def _training_options(self) -> dict[str, Any]:
        """Keywords of :func:`convexrelu.train`."""
        names = "patterns n_patterns solver oracle tol max_iter time_limit device random_state"
        options = {name: getattr(self, name) for name in names.split()}
        return options | {"progress": ProgressPrinter() if self.verbose else None}

    @abstractmethod
    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        """Inputs, targets and weights as arrays, if they are what the estimator takes."""

    def _outputs(self, X: ArrayLike) -> Array:
        """Outputs of the network on checked inputs."""
        check_is_fitted(self, "network_")
        with naming("X"):
            inputs = validate_data(self, X, dtype=np.float64, reset=False)
        return self.network_.predict(inputs)

    def _take(self, result: Result) -> Self:
        """Keep a result as the fitted attributes."""
        self.network_ = result.network
        self.certificate_ = result.certificate
        self.history_ = result.history
        self.status_ = result.status
        self.n_iter_ = result.n_iter
        return self

    def _conclude(self, result: Result) -> Self:
        """Keep a result, and say how it ended if not well; to be called by ``fit`` itself."""
        self._take(result)
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt(
                f"fit was interrupted: the estimator keeps the best network so far ({result.certificate})"
            )
        if result.status is not Status.CONVERGED:
            warnings.warn(
                f"{result.status.value}: relative gap {result.certificate.relative_gap:.1e}, tol={self.tol:.1e}",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self


def checked_weights(sample_weight: ArrayLike | None, X: Array) -> Array | None:
    """Weights as floats, one for each row of `X`."""
    if sample_weight is None:
        return None
    with naming("sample_weight"):
        return _check_sample_weight(sample_weight, X, dtype=np.float64)


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Name the argument in numpy's complaint about something that is not a number."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("could not convert"):
            raise
        raise ValueError(f"{argument} is not an array of numbers: {error}") from error
