"""The scikit-learn classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.arguments import shown
from convexrelu._utils.typing import Array
from convexrelu.estimators.base import (
    FixedAlphaEstimator,
    NetworkEstimator,
)
from convexrelu.estimators.class_weights import (
    class_weights,
    result_of_one_class,
    scores_of_all,
    warn_of_unknown_labels,
)
from convexrelu.estimators.data import checked_inputs, checked_weights, inputs_and_labels, naming
from convexrelu.estimators.docstrings import with_parameters
from convexrelu.estimators.multilabel import (
    all_scores,
    check_several_labels,
    indicators_of,
    labels_that_vary,
    network_of_all_labels,
    scores_of_constants,
)
from convexrelu.estimators.watching import Callbacks
from convexrelu.interop.heads import Classes, SeveralLabels
from convexrelu.losses import LOSSES, Logistic, Loss, Multinomial
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.solvers.base import ProgramSolver

__all__ = ["Classifier", "ConvexReLUClassifier"]


def _has_probabilities(estimator: Classifier) -> bool:
    return estimator.loss == "auto" or _kind_of(estimator.loss).has_probabilities


def _kind_of(loss: str | Loss) -> Loss | type[Loss]:
    """The loss, or the class of that name: either has the properties of its kind."""
    return LOSSES[loss] if isinstance(loss, str) else loss


class Classifier(ClassifierMixin, NetworkEstimator):
    """Common base of classifiers: labels, their weights, and predictions from outputs."""

    # Of several labels in columns; None for one label of each sample.
    _label_dtype: Any = None
    _constants: Array | None = None

    def decision_function(self, X: ArrayLike) -> Array:
        """Outputs of the network: of shape (n,), positive for ``classes_[1]``, or (n, K) for more than two classes.

        With ``loss="logistic"`` log-odds, with ``loss="multinomial"`` log-probabilities but for a constant each row.
        Classes that had no weight in training have scores so low that their probabilities are zero. For several labels
        the shape is (n, K), with positive scores for labels that a sample has.
        """
        outputs = self._outputs(X)
        if self._constants is not None:
            return all_scores(outputs, self._constants)
        if not self._has_weight.all():
            outputs = scores_of_all(outputs, self._has_weight)
        if outputs.ndim == 2 and len(self.classes_) == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict(self, X: ArrayLike) -> NDArray:
        """The most likely label of each row, of shape (n,); or of several labels zeros and ones, of shape (n, K)."""
        scores = self.decision_function(X)
        if self._constants is not None:
            return (scores > 0).astype(self._label_dtype)
        index = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[np.asarray(index, dtype=np.intp)]

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes, of shape (n, K); not with the hinge losses, which give none.

        Of several labels, the probability of each, whatever the others.
        """
        scores = self.decision_function(X)
        if self._constants is not None:
            return expit(scores)
        if scores.ndim == 2:
            return softmax(scores, axis=1)
        return np.column_stack([expit(-scores), expit(scores)])

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Logarithms of the probabilities, of shape (n, K)."""
        scores = self.decision_function(X)
        if self._constants is not None:
            return log_expit(scores)
        if scores.ndim == 2:
            return log_softmax(scores, axis=1)
        return np.column_stack([log_expit(-scores), log_expit(scores)])

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy: the share of samples whose label, or whose labels, are all as predicted.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Inputs.
        y : array-like of shape (n,) or (n, K)
            Labels.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights.

        Returns
        -------
        float
            Between zero and one.
        """
        predicted = self.predict(X)
        with naming("y", "sample_weight"):
            return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _several_labels(self) -> SeveralLabels | None:
        check_is_fitted(self, "network_")
        if self._constants is None:
            return None
        network = network_of_all_labels(self._two_layers(), self._constants)
        return SeveralLabels(network, _has_probabilities(self))

    def _classes_of_outputs(self) -> Classes:
        check_is_fitted(self, "network_")
        present = np.flatnonzero(self._has_weight)
        return Classes(
            labels=tuple(self.classes_.tolist()),
            present=tuple(present.tolist()),
            coupled=self.network_.n_outputs > 1,
            has_probabilities=_has_probabilities(self),
        )

    def _check_loss(self) -> None:
        if isinstance(self.loss, Loss) and not self.loss.takes_labels:
            raise ValueError(f"loss={self.loss!r} does not take labels; use ConvexReLURegressor")

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, NDArray, Array | None]:
        self._check_loss()
        indicators = indicators_of(y)
        if indicators is not None:
            inputs = checked_inputs(self, X, reset=True)
            check_several_labels(self, indicators, inputs)
            return inputs, indicators, checked_weights(sample_weight, inputs)
        inputs, labels = inputs_and_labels(self, X, y)
        warn_of_unknown_labels(self.class_weight, labels)
        return inputs, labels, checked_weights(sample_weight, inputs)

    def _problem(
        self, X: Array, y: NDArray, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        """Labels become -1 and 1, or 0 ... K−1; samples without weight do not count, nor do classes without."""
        if y.ndim == 2:
            return self._problem_of_labels(X, y, sample_weight, alpha)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        classes, index = np.unique(y, return_inverse=True)
        self.loss_for(classes)  # of one label there is nothing to learn
        weights = weights * class_weights(self.class_weight, classes, index, weights)[index]
        present = np.bincount(index, weights) > 0
        if present.sum() == 1:
            targets = np.where(present[index], 1.0, -1.0)
            loss = Logistic.name if self._couples_outputs() else self.loss
        else:
            loss = self.loss_for(classes[present])
            # Those without weight have any target.
            targets = self.targets_of(np.maximum(np.cumsum(present) - 1, 0)[index], loss)
        return self._problem_of(X, targets, weights, alpha, loss)

    def _problem_of_labels(
        self, X: Array, y: NDArray, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        """An output for each of several labels that vary."""
        loss = Logistic.name if self.loss == "auto" else self.loss
        if _kind_of(loss).couples_outputs:
            raise ValueError(
                f"loss={_kind_of(loss).name!r} is for one label of each sample, y has {y.shape[1]}; use 'logistic', "
                "'hinge' or 'squared_hinge'"
            )
        varies = labels_that_vary(y, sample_weight, self.fit_intercept)
        targets = self.targets_of_labels(y, varies, loss)
        return self._problem_of(X, targets, sample_weight, alpha, loss)

    def targets_of_labels(self, y: NDArray, varies: NDArray[np.bool_], loss: str | Loss) -> Array:
        """Targets of those of several labels that vary; if none does, of the first one, whose network is known."""
        columns = np.flatnonzero(varies) if varies.any() else np.zeros(1, dtype=np.intp)
        targets = self.targets_of(y[:, columns].astype(np.intp), loss)
        return targets if len(columns) > 1 else targets[:, 0]

    def _couples_outputs(self) -> bool:
        return self.loss == "auto" or _kind_of(self.loss).couples_outputs

    def _known_result(self, problem: TrainingProblem) -> Result | None:
        return result_of_one_class(problem, self.tol)

    @staticmethod
    def targets_of(index: NDArray[np.intp], loss: str | Loss) -> Array:
        """Targets of a loss for numbers of classes: the numbers, or −1 and 1."""
        targets = index if _kind_of(loss).couples_outputs else 2 * index - 1
        return targets.astype(np.float64)

    def _describe(self, y: NDArray, weights: Array | None) -> None:
        if y.ndim == 2:
            self._constants = scores_of_constants(y, weights)
            self._label_dtype = y.dtype
            self.classes_ = np.arange(y.shape[1])
            self._has_weight = self._constants == 0
            return
        self._constants = self._label_dtype = None
        self.classes_, index = np.unique(y, return_inverse=True)
        self._has_weight = np.bincount(index, weights) > 0

    def loss_for(self, classes: NDArray) -> str | Loss:
        """The loss, or a ValueError if it does not support these classes."""
        if len(classes) < 2:
            raise ValueError(
                f"y has one class, {shown(classes[0])}; a classifier needs samples of two"
            )
        if self.loss == "auto":
            return Logistic.name if len(classes) == 2 else Multinomial.name
        if len(classes) > 2 and not _kind_of(self.loss).couples_outputs:
            raise ValueError(
                f"loss={_kind_of(self.loss).name!r} does not support more than two classes, y has {len(classes)}; "
                "use loss='multinomial' or sklearn.multiclass.OneVsRestClassifier"
            )
        return self.loss

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@with_parameters("classifier", "fixed")
class ConvexReLUClassifier(FixedAlphaEstimator, Classifier):
    r"""Two-layer ReLU network for classification, trained by convex optimisation, with the duality gap of the result.

    Minimises over networks of every width::

        Σ_i s_i ℓ(f(x_i), y_i) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²),      f(x) = Σ_j a_j relu(w̃_jᵀ(x, 1)) + c

    ``s_i`` are weights of samples and classes, normalised to sum one. Two classes have one output and the
    logistic loss, more have an output each, over shared neurons, and the cross-entropy. Several labels, ``y`` of shape
    (n, K) with zeros and ones, have an output and a logistic loss each, which add up.

    {sections}

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

    Several labels, of which a sample has any number:

    >>> y = np.column_stack([X[:, 0] > 0, np.abs(X[:, 0]) > 0.5]).astype(int)
    >>> model.fit(X, y).predict([[0.9], [0.1], [-0.9]])
    array([[1, 1],
           [1, 0],
           [0, 1]])
    """

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        alpha_scale: str = "absolute",
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        skip: bool = False,
        skip_alpha: float | str = "auto",
        monotonic_cst: ArrayLike | dict[str, int] | None = None,
        positive: bool = False,
        loss: str | Loss = "auto",
        class_weight: dict[Any, float] | str | None = None,
        activation: str = "relu",
        negative_slope: float = 0.01,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str | ProgramSolver = "auto",
        effort: str = "certify",
        oracle: str | Oracle | OracleFactory = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        minimal: bool | str = "auto",
        warm_start: bool = False,
        device: str = "cpu",
        callbacks: Callbacks = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self._keep(locals())
