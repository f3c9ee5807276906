"""Import from scikit-learn."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.arguments import float_array
from convexrelu._utils.typing import Array
from convexrelu.interop.agreement import Link, Precision, check_agreement
from convexrelu.interop.weights import Weights

__all__ = ["from_sklearn"]

# Output activations of scikit-learn, by their names there.
_LINKS: dict[str, Link | None] = {
    "identity": None,
    "exp": Link(np.exp, np.asarray),
    "logistic": Link(expit, np.ones_like),
    "softmax": Link(partial(softmax, axis=1), np.ones_like),
}


def from_sklearn(regressor: MLPRegressor | MLPClassifier, X: ArrayLike | None = None) -> Weights:
    """Read the weights of a fitted ``MLPRegressor`` or ``MLPClassifier`` with one hidden layer of ReLU units.

    Its predictions are compared with the outputs of the network, and must agree up to rounding. Outputs of the network
    are what the estimator computes before its output activation: log-odds of the second class, or a
    logit for each class, and logarithms of the mean for ``loss="poisson"``.

    Parameters
    ----------
    regressor : sklearn.neural_network.MLPRegressor or MLPClassifier
        With one entry in `hidden_layer_sizes` and ``activation="relu"``.
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
    if not isinstance(regressor, MLPRegressor | MLPClassifier):
        raise ValueError(
            f"regressor is a {type(regressor).__name__}, expected an MLPRegressor or an MLPClassifier"
        )
    check_is_fitted(regressor)
    if len(regressor.coefs_) != 2:
        raise ValueError(
            f"hidden_layer_sizes={regressor.hidden_layer_sizes!r} makes {len(regressor.coefs_) - 1} "
            "hidden layers, expected one"
        )
    if regressor.activation != "relu":
        raise ValueError(f"activation={regressor.activation!r}, expected 'relu'")
    if regressor.out_activation_ not in _LINKS:
        raise ValueError(
            f"loss={regressor.loss!r} puts {regressor.out_activation_!r} on the output, "
            f"expected one of {', '.join(_LINKS)}"
        )
    hidden, output = regressor.coefs_
    arrays = hidden.T, regressor.intercepts_[0], output.T, regressor.intercepts_[1]
    inner, bias, outer, intercept = (float_array("regressor", array) for array in arrays)
    weights = Weights(inner, bias, outer, intercept)
    name = "classifier" if isinstance(regressor, MLPClassifier) else "regressor"
    link = _LINKS[regressor.out_activation_]
    check_agreement(name, partial(_predictions, regressor), weights, X, Precision(), link)
    return weights


def _predictions(regressor: MLPRegressor | MLPClassifier, rows: Array) -> tuple[Array, Array]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        if isinstance(regressor, MLPRegressor):
            predicted = regressor.predict(rows)
            if regressor.out_activation_ == "exp":  # what overflows, or vanishes, says nothing
                tiny = np.finfo(predicted.dtype).tiny
                told = ((predicted > tiny) & np.isfinite(predicted)).reshape(len(rows), -1).all(1)
                return rows[told], predicted[told]
            return rows, predicted
        chances = regressor.predict_proba(rows)
        return rows, chances[:, 1:] if regressor.n_outputs_ == 1 else chances  # of two classes
