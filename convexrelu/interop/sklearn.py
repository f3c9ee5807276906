"""Import from scikit-learn."""

from __future__ import annotations

import warnings
from functools import partial

from numpy.typing import ArrayLike
from sklearn.neural_network import MLPRegressor
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.arguments import float_array
from convexrelu._utils.typing import Array
from convexrelu.interop.agreement import Precision, check_agreement
from convexrelu.interop.weights import Weights

__all__ = ["from_sklearn"]


def from_sklearn(regressor: MLPRegressor, X: ArrayLike | None = None) -> Weights:
    """Read the weights of a fitted ``MLPRegressor`` with one hidden layer of ReLU units.

    Its predictions are compared with the outputs of the network, and must agree up to rounding.

    Parameters
    ----------
    regressor : sklearn.neural_network.MLPRegressor
        With one entry in `hidden_layer_sizes`, ``activation="relu"`` and no output activation (any loss but
        ``"poisson"``).
    X : array or sparse matrix of shape (n, d), optional
        Inputs at which they are compared; by default at random points.

    Returns
    -------
    Weights
        Constructor arguments of :class:`~convexrelu.TwoLayerNetwork`.

    Raises
    ------
    ValueError
        If the regressor is of another kind or form, the message names the parameter; or if it computes something
        else, as a subclass. As
        :class:`sklearn.exceptions.NotFittedError`, if it is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neural_network import MLPRegressor
    >>> from convexrelu import TwoLayerNetwork
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> regressor = MLPRegressor(hidden_layer_sizes=[5], solver="lbfgs", random_state=0)
    >>> regressor = regressor.fit(X, np.abs(X[:, 0]))
    >>> network = TwoLayerNetwork.from_sklearn(regressor)
    >>> network
    TwoLayerNetwork(width=5, n_features=1, n_outputs=1)
    >>> np.allclose(network.predict(X), regressor.predict(X))
    True
    """
    if not isinstance(regressor, MLPRegressor):
        raise ValueError(f"regressor is a {type(regressor).__name__}, expected an MLPRegressor")
    check_is_fitted(regressor)
    if len(regressor.coefs_) != 2:
        raise ValueError(
            f"hidden_layer_sizes={regressor.hidden_layer_sizes!r} makes {len(regressor.coefs_) - 1} "
            "hidden layers, expected one"
        )
    if regressor.activation != "relu":
        raise ValueError(f"activation={regressor.activation!r}, expected 'relu'")
    if regressor.out_activation_ != "identity":
        raise ValueError(
            f"loss={regressor.loss!r} puts {regressor.out_activation_!r} behind the output, "
            "expected a loss whose outputs are left as they are"
        )
    hidden, output = regressor.coefs_
    arrays = hidden.T, regressor.intercepts_[0], output.T, regressor.intercepts_[1]
    inner, bias, outer, intercept = (float_array("regressor", array) for array in arrays)
    weights = Weights(inner, bias, outer, intercept)
    check_agreement("regressor", partial(_predictions, regressor), weights, X, Precision())
    return weights


def _predictions(regressor: MLPRegressor, rows: Array) -> tuple[Array, Array]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        return rows, regressor.predict(rows)
