"""The scikit-learn classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import (
    FixedAlphaEstimator,
    NetworkEstimator,
    checked_weights,
    naming,
)
from convexrelu.losses import LOSSES, Logistic, Loss, Multinomial
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.base import ProgramSolver

__all__ = ["Classifier", "ConvexReLUClassifier", "class_weights"]


def _has_probabilities(estimator: Classifier) -> bool:
    return estimator.loss == "auto" or _kind_of(estimator.loss).has_probabilities


def _kind_of(loss: str | Loss) -> Loss | type[Loss]:
    """The loss, or the class of that name: either has the properties of its kind."""
    return LOSSES[loss] if isinstance(loss, str) else loss


class Classifier(ClassifierMixin, NetworkEstimator):
    """What classifiers have in common: labels, their weights, and what outputs say of them."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "loss": [
            StrOptions({"auto"} | {name for name, loss in LOSSES.items() if loss.takes_labels}),
            Loss,
        ],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def decision_function(self, X: ArrayLike) -> Array:
        """Outputs of the network: of shape (n,), positive for ``classes_[1]``, or (n, K) for more than two classes.

        With ``loss="logistic"`` log-odds, with ``loss="multinomial"`` log-probabilities but for a constant each row.
        """
        outputs = self._outputs(X)
        if outputs.ndim == 2 and len(self.classes_) == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict(self, X: ArrayLike) -> NDArray:
        """The most likely label of each row, of shape (n,)."""
        scores = self.decision_function(X)
        index = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[np.asarray(index, dtype=np.intp)]

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes, of shape (n, K); not with the hinge losses, which give none."""
        scores = self.decision_function(X)
        if scores.ndim == 2:
            return softmax(scores, axis=1)
        return np.column_stack([expit(-scores), expit(scores)])

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Logarithms of the probabilities, of shape (n, K)."""
        scores = self.decision_function(X)
        if scores.ndim == 2:
            return log_softmax(scores, axis=1)
        return np.column_stack([log_expit(-scores), log_expit(scores)])

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, NDArray, Array | None]:
        if isinstance(self.loss, Loss) and not self.loss.takes_labels:
            raise ValueError(f"loss={self.loss!r} does not take labels; use ConvexReLURegressor")
        with naming("X"):
            inputs, labels = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(labels)
        known = set(labels.tolist())
        for label in self.class_weight if isinstance(self.class_weight, dict) else ():
            if label not in known:
                raise ValueError(f"class_weight has the label {label!r}, which is not in y")
        return inputs, labels, checked_weights(sample_weight, inputs)

    def _problem(
        self, X: Array, y: NDArray, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        """Labels become -1 and 1, or 0 ... K−1; samples without weight do not count."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        classes, index = np.unique(y, return_inverse=True)
        loss = self._loss_for(classes)
        weights = weights * class_weights(self.class_weight, classes, index, weights)[index]
        targets = index if _kind_of(loss).couples_outputs else 2 * index - 1
        return self._problem_of(X, targets.astype(np.float64), weights, alpha, loss)

    def _describe(self, y: NDArray) -> None:
        self.classes_ = np.unique(y)

    def _loss_for(self, classes: NDArray) -> str | Loss:
        """The loss, if it can tell these classes apart."""
        if len(classes) < 2:
            raise ValueError(f"y has one class, {classes[0]!r}; a classifier needs samples of two")
        if self.loss == "auto":
            return Logistic.name if len(classes) == 2 else Multinomial.name
        if len(classes) > 2 and not _kind_of(self.loss).couples_outputs:
            raise ValueError(
                f"loss={_kind_of(self.loss).name!r} does not support more than two classes, y has {len(classes)}; "
                "use loss='multinomial' or sklearn.multiclass.OneVsRestClassifier"
            )
        return self.loss


class ConvexReLUClassifier(FixedAlphaEstimator, Classifier):
    r"""Two-layer ReLU network for classification, trained by convex optimisation, with the duality gap of the result.

    Minimises over networks of every width::

        Σ_i s_i ℓ(f(x_i), y_i) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²),      f(x) = Σ_j a_j relu(w̃_jᵀ(x, 1)) + c

    ``s_i`` are weights of samples and classes, normalised to sum one. Two classes have one output and the
    logistic loss, more have an output each, over shared neurons, and the cross-entropy.

    Parameters
    ----------
    alpha : float, default=0.01
        Weight decay. Standardise ``X``.
    hidden_bias : bool or "free", default=True
        Whether neurons have a bias: penalised with their weights, none, or free of the penalty.
    fit_intercept : bool, default=True
        Whether the network has an output intercept, not penalised.
    skip : bool, default=False
        Whether inputs are connected to outputs directly, by ``S x``.
    skip_alpha : float, default=0.0
        Adds ``(skip_alpha/2) ‖S‖²`` to the objective; 0 needs the squared error.
    loss : {"auto", "logistic", "hinge", "squared_hinge", "multinomial"} or Loss, default="auto"
        Loss function: a name, or a loss of :mod:`convexrelu.losses`. ``"auto"`` is ``"logistic"`` for two classes and
        ``"multinomial"`` for more. Others than ``"multinomial"`` are for two classes; for more, put the classifier
        in a :class:`sklearn.multiclass.OneVsRestClassifier`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply those of the samples: by label, 1 where a label is missing; or such
        that all classes have the same weight in total.
    activation : {"relu", "leaky_relu", "absolute_value", "gated_relu", "threshold"}, default="relu"
        What neurons do. Gated ReLU networks keep their gates fixed; they need `patterns` other than
        ``"cutting_plane"``.
    negative_slope : float, default=0.01
        Slope of ``"leaky_relu"`` on the left, between 0 and 1.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃), default="cutting_plane"
        Activation patterns: generated until the gap is closed; those of `n_patterns` random gates;
        all of them; or those of given gates (``d̃ = d + 1`` with a hidden bias).
    n_patterns : int, default=100
        Number of gates for ``patterns="sampled"``.
    solver : str or ProgramSolver, default="auto"
        Solver of the finite convex programs, as for :class:`ConvexReLURegressor`.
    oracle : str, Oracle or OracleFactory, default="auto"
        Who certifies ``patterns="cutting_plane"``, as for :class:`ConvexReLURegressor`.
    tol : float, default=1e-3
        Relative duality gap to stop at.
    max_iter : int, default=30
        Most finite programs to solve.
    time_limit : float, default=None
        Seconds; the best network so far is kept. ``None`` means no limit.
    minimal : bool, default=False
        Prune to a network of fewest neurons with the same outputs on the training data, see
        :func:`convexrelu.optimal_set.minimal`.
    warm_start : bool, default=False
        Start from the patterns of the previous fit, instead of those of a moment of descent.
    device : str, default="cpu"
        Torch device of the native solvers and of the search for cuts, such as ``"cuda"``.
    verbose : int, default=0
        1 prints a line a round.
    random_state : int, RandomState or None, default=None
        Seed of random gates, of searches, and of the first weights of descent.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, sorted.
    network_ : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        The network.
    certificate_ : Certificate
        Its objective, lower bound and gap, and whether they are a proof.
    history_ : list of Round
        Objective, bound, width and time, round by round.
    status_ : Status
        How the fit ended.
    n_iter_ : int
        Finite programs that were solved.
    feature_importances_ : array of shape (d,)
        Shares of the features in the path weights ``Σ_j |w_jk| ‖a_j‖``.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If the gap is above `tol` at the end; says both.
    SolverWarning
        If the solver of the last finite program did not end as it should.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.
    KeyboardInterrupt
        If interrupted. The best network so far is kept, with its certificate, unless there was
        none; the message says which.

    See Also
    --------
    ConvexReLUClassifierCV : Chooses `alpha` by cross-validation.
    ConvexReLURegressor : For numbers.

    References
    ----------
    Pilanci & Ergen 2020, "Neural Networks are Convex Regularizers", ICML.
    Sahiner, Ergen, Pauly & Pilanci 2021, "Vector-output ReLU Neural Network Problems are Copositive Programs", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLUClassifier
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = np.where(np.abs(X[:, 0]) < 0.5, "inside", "outside")
    >>> model = ConvexReLUClassifier(alpha=1e-2, random_state=0).fit(X, y)
    >>> model.certificate_.is_proof, model.certificate_.relative_gap <= 1e-3
    (True, True)
    >>> model.predict([[0.0], [0.9]])
    array(['inside', 'outside'], dtype='<U7')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FixedAlphaEstimator._parameter_constraints,
        **Classifier._parameter_constraints,
    }

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        skip: bool = False,
        skip_alpha: float = 0.0,
        loss: str | Loss = "auto",
        class_weight: dict[Any, float] | str | None = None,
        activation: str = "relu",
        negative_slope: float = 0.01,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str | ProgramSolver = "auto",
        oracle: str | Oracle | OracleFactory = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        minimal: bool = False,
        warm_start: bool = False,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept
        self.skip = skip
        self.skip_alpha = skip_alpha
        self.loss = loss
        self.class_weight = class_weight
        self.activation = activation
        self.negative_slope = negative_slope
        self.patterns = patterns
        self.n_patterns = n_patterns
        self.solver = solver
        self.oracle = oracle
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.minimal = minimal
        self.warm_start = warm_start
        self.device = device
        self.verbose = verbose
        self.random_state = random_state


def class_weights(
    class_weight: dict[Any, float] | str | None,
    classes: NDArray,
    index: NDArray[np.intp],
    sample_weight: Array,
) -> Array:
    """Factor of each class; ``"balanced"`` counts samples by their weights."""
    totals = np.bincount(index, sample_weight, minlength=len(classes))
    if (totals <= 0).any():
        raise ValueError(f"sample_weight leaves class {classes[totals.argmin()]!r} without weight")
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        return totals.sum() / (len(classes) * totals)
    try:
        factors = np.array([class_weight.get(label, 1.0) for label in classes.tolist()], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"class_weight={class_weight!r} is not made of numbers") from error
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise ValueError(f"class_weight={class_weight!r} is not made of positive finite numbers")
    return factors
