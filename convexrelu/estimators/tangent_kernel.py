"""Networks of infinite width as scikit-learn estimators: ridge regression and support vectors in the tangent kernel."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.svm import SVC
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.typing import Array
from convexrelu.estimators.class_weights import check_all_have_weight, class_weights
from convexrelu.estimators.data import (
    check_parameters,
    checked_inputs,
    checked_weights,
    inputs_and_labels,
    inputs_and_targets,
)
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.kernels.ridge import kernel_ridge
from convexrelu.kernels.tangent import tangent_kernel

__all__ = ["NTKSVC", "NTKRidge"]


class NTKRidge(RegressorMixin, BaseEstimator):
    """Ridge regression with the neural tangent kernel of two-layer ReLU networks of infinite width.

    Minimises over the functions of the kernel ``K`` of :func:`convexrelu.kernels.tangent_kernel`, and over ``c``::

        Σ_i s_i (y_i − f(x_i) − c)² + alpha ‖f‖²_K

    With ``alpha → 0`` and no intercept, this is what gradient flow on the squared error makes of a network in the limit
    of infinite width, if its outputs start at zero (Jacot, Gabriel & Hongler 2018): a baseline that learns no features.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, scaled as in :class:`sklearn.kernel_ridge.KernelRidge`: the loss is a sum over samples.
    hidden_bias : bool, default=True
        Whether neurons have a bias, ``x̃ = (x, 1)``.
    fit_intercept : bool, default=True
        Whether there is an output intercept ``c``, not penalised.

    Attributes
    ----------
    dual_coef_ : array of shape (n,) or (n, K)
        ``a`` in ``f = Σ_i a_i k(x_i, ·)``.
    intercept_ : float or array of shape (K,)
        ``c``.
    X_fit_ : array of shape (n, d)
        Inputs of `fit`, which predictions need.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.

    See Also
    --------
    NTKSVC : Classification.
    convexrelu.ConvexReLURegressor : Networks of finite width, with features that are learnt.

    References
    ----------
    Jacot, Gabriel & Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks", NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.estimators.tangent_kernel import NTKRidge
    >>> X = np.linspace(-1, 1, 21)[:, None]
    >>> NTKRidge(alpha=1e-6).fit(X, np.abs(X[:, 0])).predict([[0.55]]).round(2)
    array([0.55])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "hidden_bias": ["boolean"],
        "fit_intercept": ["boolean"],
    }

    def __init__(
        self, alpha: float = 1.0, *, hidden_bias: bool = True, fit_intercept: bool = True
    ) -> None:
        self.alpha = alpha
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Solve for the coefficients.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training inputs.
        y : array-like of shape (n,) or (n, K)
            Targets.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights ``s_i``; ``None`` means ones.

        Returns
        -------
        NTKRidge
            The fitted estimator.
        """
        with changed_at_once(self) as draft:
            draft._train(X, y, sample_weight)
        return self

    def _train(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        check_parameters(self)
        inputs, targets = inputs_and_targets(self, X, y, accept_sparse=False)
        self.dual_coef_, self.intercept_ = kernel_ridge(
            tangent_kernel(inputs, hidden_bias=self.hidden_bias),
            targets,
            self.alpha,
            weights=_weights(sample_weight, inputs),
            fit_intercept=self.fit_intercept,
        )
        self.X_fit_ = inputs

    def predict(self, X: ArrayLike) -> Array:
        """Predictions of shape (n,) or (n, K)."""
        check_is_fitted(self)
        rows = checked_inputs(self, X, reset=False, accept_sparse=False)
        kernel = tangent_kernel(rows, self.X_fit_, hidden_bias=self.hidden_bias)
        return kernel @ self.dual_coef_ + self.intercept_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class NTKSVC(ClassifierMixin, BaseEstimator):
    """Support vector classification with the neural tangent kernel of two-layer ReLU networks of infinite width.

    :class:`sklearn.svm.SVC` with the kernel of :func:`convexrelu.kernels.tangent_kernel`. Of several classes, every two
    are told apart.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, as for :class:`sklearn.svm.SVC`.
    hidden_bias : bool, default=True
        Whether neurons have a bias, ``x̃ = (x, 1)``.
    class_weight : dict or "balanced", default=None
        Factors of `C` for the classes; ``"balanced"`` makes them inversely proportional to the weights of their
        samples.
    decision_function_shape : {"ovr", "ovo"}, default="ovr"
        Whether `decision_function` has one column a class, or one a pair of classes.
    tol : float, default=1e-3
        Tolerance to stop at.
    max_iter : int, default=-1
        Most iterations of the solver; -1 means no limit.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Class labels.
    svc_ : SVC
        The fitted machine.
    n_iter_ : array of shape (n_classes * (n_classes - 1) / 2,)
        Iterations of the solver for every pair of classes.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` is reached.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.

    See Also
    --------
    NTKRidge : Regression.
    convexrelu.ConvexReLUClassifier : Networks of finite width, with features that are learnt.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.estimators.tangent_kernel import NTKSVC
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> labels = np.where(np.abs(X[:, 0]) < 0.5, "inside", "outside")
    >>> NTKSVC(C=100.0).fit(X, labels).predict([[0.1], [-0.9]])
    array(['inside', 'outside'], dtype='<U7')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "hidden_bias": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "decision_function_shape": [StrOptions({"ovr", "ovo"})],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        hidden_bias: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        decision_function_shape: str = "ovr",
        tol: float = 1e-3,
        max_iter: int = -1,
    ) -> None:
        self.C = C
        self.hidden_bias = hidden_bias
        self.class_weight = class_weight
        self.decision_function_shape = decision_function_shape
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the machine.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training inputs.
        y : array-like of shape (n,)
            Class labels.
        sample_weight : array-like of shape (n,), optional
            Non-negative factors of `C`; ``None`` means ones. Samples of weight zero are left out, and
            every class needs others.

        Returns
        -------
        NTKSVC
            The fitted estimator.
        """
        with changed_at_once(self) as draft:
            draft._train(X, y, sample_weight)
        return self

    def _train(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        check_parameters(self)
        inputs, labels = inputs_and_labels(self, X, y, accept_sparse=False)
        weights = _weights(sample_weight, inputs)
        classes, index = np.unique(labels, return_inverse=True)
        weights = weights * class_weights(self.class_weight, classes, index, weights)[index]
        check_all_have_weight(classes, np.bincount(index, weights))
        rows, kinds, weights = _condensed(inputs, index, weights)
        self.svc_ = SVC(
            C=self.C,
            kernel=partial(tangent_kernel, hidden_bias=self.hidden_bias),
            decision_function_shape=self.decision_function_shape,
            tol=self.tol,
            max_iter=self.max_iter,
        ).fit(rows, classes[kinds], weights)
        self.classes_ = self.svc_.classes_
        self.n_iter_ = self.svc_.n_iter_

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Class labels of shape (n,)."""
        check_is_fitted(self)
        return self.svc_.predict(checked_inputs(self, X, reset=False, accept_sparse=False))

    def decision_function(self, X: ArrayLike) -> Array:
        """Decision values: of shape (n,) for two classes, else with one column a class or a pair of classes."""
        check_is_fitted(self)
        return self.svc_.decision_function(
            checked_inputs(self, X, reset=False, accept_sparse=False)
        )


def _condensed(
    X: Array, y: NDArray[np.intp], weights: Array
) -> tuple[Array, NDArray[np.intp], Array]:
    """Distinct samples with the sums of their weights, so that it does not matter how these are written down.

    Those of weight zero are left out here: where libsvm does that, it takes the kernel of one sample for another's.
    """
    kept = weights > 0
    table = np.column_stack([X, y])[kept] + 0.0  # turns -0.0 into 0.0
    rows, inverse = np.unique(table, axis=0, return_inverse=True)
    sums = np.bincount(inverse.ravel(), weights=weights[kept])
    return rows[:, :-1], rows[:, -1].astype(np.intp), sums.astype(np.float64)


def _weights(sample_weight: ArrayLike | None, X: Array) -> Array:
    weights = checked_weights(sample_weight, X)
    if weights is None:
        return np.ones(len(X))
    if (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be non-negative with at least one positive entry")
    return weights
