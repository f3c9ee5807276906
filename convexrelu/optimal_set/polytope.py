"""All optimal networks: a polytope of scales of finitely many neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import ROUNDING, columns_of, null_space, rescaled
from convexrelu.optimal_set.scales import SAME_POINT, ScalePolytope
from convexrelu.optimal_set.steepness import least_steep
from convexrelu.optimal_set.validation import best_on_validation
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["OptimalPolytope", "Uniqueness"]


# Unit columns are dependent up to the accuracy of directions that come from one dual point.
_DEPENDENT = 1e-9
# A gradient of predictions with respect to scales below this fraction of the columns is rounding.
_FLAT = 1e-8


@dataclass(frozen=True, eq=False)
class Uniqueness:
    """Uniqueness of the optimal network, with the evidence for it.

    Attributes
    ----------
    is_unique : bool
    reason : str
        ``"independent columns"``: no other scales have the same outputs, whatever their signs; ``"linear
        programs"``: other scales do, but not with ``c ≥ 0``; ``"another network"``: `other`.
    other : TwoLayerNetwork or None
        A second network of the set, where there is one.
    is_complete : bool
        Whether the set is complete. If False, "unique" only concerns the neurons that were found.
    """

    is_unique: bool
    reason: str
    other: TwoLayerNetwork | None
    is_complete: bool


@dataclass(frozen=True, eq=False)
class OptimalPolytope:
    """The optimal networks ``Σ_j c_j σ_j φ(u_jᵀx̃) + b`` of a training problem.

    Returned by :func:`~convexrelu.optimal_set.optimal_polytope`.

    Attributes
    ----------
    problem : TrainingProblem
    neurons : TwoLayerNetwork
        The candidates ``σ_j φ(u_jᵀx̃)``, with inner and outer weights of length one; with the intercept and the skip
        connection of `network`.
    scales : array of shape (m,)
        ``c`` of `network`.
    values : array of shape (m,)
        ``vᵀh_j / alpha`` of the candidates, within `rtol` of 1.
    certificate : Certificate
        Certificate of the network that the set was made from.
    rtol : float
        Values within this fraction of ``alpha`` count as attaining it.
    is_complete : bool
        Whether all optimal networks are in the set, up to `rtol`: all cells were listed, in each the maximiser is
        unique, and so is the fit. Otherwise the set is an inner description, and there may be more optima.

    See Also
    --------
    convexrelu.optimal_set.optimal_polytope : Definition of the set, and the role of tolerances.
    """

    problem: TrainingProblem
    neurons: TwoLayerNetwork
    scales: Array
    values: Array
    certificate: Certificate
    rtol: float
    is_complete: bool

    @property
    def directions(self) -> Array:
        """``u_j`` as rows ``(w_j, b_j)``, of shape (m, d + 1), of length one; ``‖w_j‖ = 1`` where biases are free."""
        return self.neurons.augmented_weights()

    @property
    def signs(self) -> Array:
        """``σ_j``, of shape (m,)."""
        return self.neurons.output_weights[0]

    @cached_property
    def columns(self) -> Array:
        """``h_j = σ_j φ(X̃u_j)`` on the training data, of shape (n, m)."""
        return self._columns(self.problem.X)

    @property
    def network(self) -> TwoLayerNetwork:
        """The member that the set was made from: the given network, with neurons at the maximisers of their cells."""
        return self.member(self.scales, self.intercept)

    @property
    def intercept(self) -> float:
        """``b`` of `network`."""
        return float(self.neurons.output_bias[0])

    @property
    def fit(self) -> Array:
        """``f*``, the outputs on the training data that all members have, of shape (n,)."""
        return self.network.predict(self.problem.X)

    @property
    def penalty(self) -> float:
        """``Σ_j c_j`` of `network`; of all members where the columns attain ``alpha`` exactly."""
        return float(self.scales.sum())

    @property
    def relative_gap(self) -> float:
        """Relative gap of the network that the set was made from."""
        return self.certificate.relative_gap

    @property
    def dimension(self) -> int:
        """Dimension of ``{c : Hc + b = f*}``; the set has the same one unless ``c ≥ 0`` reduces it."""
        return self._polytope.moves.shape[1]

    def member(self, scales: ArrayLike, intercept: float) -> TwoLayerNetwork:
        """The balanced network with these scales of the candidates, of shape (m,), and this intercept.

        Nothing is checked: it is optimal if `scales` are in the set.
        """
        base = self.neurons.with_output_bias(intercept)
        return rescaled(base, np.asarray(scales, dtype=np.float64), np.zeros(1))

    def uniqueness(self) -> Uniqueness:
        """Whether other scales ``c ≥ 0`` have the same outputs.

        Independent columns (with an intercept: these and the constant one) suffice. Otherwise each ``c_j`` is
        minimised and maximised by linear programs, until one moves by more than 1e-7 of ``Σc``.
        """
        if not self.dimension:
            return Uniqueness(True, "independent columns", None, self.is_complete)
        polytope = self._polytope
        for j in polytope.moving:
            for costs in (polytope.moves[j], -polytope.moves[j]):
                z = polytope.lowest(costs)
                if abs(costs @ z) > SAME_POINT * polytope.unit:
                    return Uniqueness(False, "another network", self._at(z), self.is_complete)
        return Uniqueness(True, "linear programs", None, self.is_complete)

    def vertices(self, max_choices: int = 200_000) -> list[TwoLayerNetwork]:
        """The minimal networks of the set: no neuron can be dropped by rescaling the others.

        Parameters
        ----------
        max_choices : int
            Limit for ``m choose dimension``, the number of choices of zeros to try.

        Raises
        ------
        ValueError
            If there are more choices.
        """
        return [self._at(z) for z in self._polytope.vertices(max_choices)]

    def vertex_scales(self, max_choices: int = 200_000) -> tuple[Array, Array]:
        """Scales, (k, m), and intercepts, (k,), of the vertices; arguments and errors as for `vertices`."""
        coordinates = self._polytope.vertices(max_choices)
        scales = np.array([self._polytope.scales(z) for z in coordinates])
        return scales, self.intercept + coordinates @ self._intercept_moves

    def prediction_range(self, X: ArrayLike) -> tuple[Array, Array]:
        """Smallest and largest prediction of the set at each given point: the range that the training data leave open.

        Two linear programs per point, where the prediction is not the same for all members.

        Parameters
        ----------
        X : array of shape (n', d)

        Returns
        -------
        low, high : arrays of shape (n',)
            They are equal on training samples.
        """
        predictions = self.network.predict(X)
        low, high = predictions.copy(), predictions.copy()
        columns = self._columns(X)
        sizes = np.linalg.norm(columns, axis=1) + 1.0
        gradients = columns @ self._polytope.moves + self._intercept_moves
        lengths = np.linalg.norm(gradients, axis=1) if self.dimension else np.zeros(len(low))
        for i in np.flatnonzero(lengths > _FLAT * sizes):
            low[i] += min(gradients[i] @ self._polytope.lowest(gradients[i]), 0.0)
            high[i] += max(gradients[i] @ self._polytope.lowest(-gradients[i]), 0.0)
        return low, high

    def extreme(
        self,
        criterion: str | ArrayLike | Callable[[OptimalPolytope], ArrayLike],
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> TwoLayerNetwork:
        """The best member by some criterion.

        Parameters
        ----------
        criterion : str, array of shape (m,) or callable
            ``"sparsest_inputs"``: smallest ``Σ_j c_j ‖w_j‖₁``, with the weights ``w_j`` of the unit directions. This is
            an l1 surrogate for the number of inputs that neurons use, not that number.

            ``"least_lipschitz"``: for one feature, the smallest Lipschitz constant, the largest ``|slope|`` of all
            pieces. For more, the smallest largest ``‖∇f‖`` over the cells that training samples are in or beside,
            a LOWER bound of the Lipschitz constant, which elsewhere may be larger.

            ``"validation"``: smallest loss on other data, see :func:`~convexrelu.optimal_set.best_on_validation`, with
            the tolerance `rtol`.

            An array: smallest ``Σ_j criterion_j c_j``. A callable makes the array of this object.
        X_val, y_val : arrays of shape (n', d) and (n',)
            For ``"validation"``.

        Returns
        -------
        TwoLayerNetwork
            Its objective is at most ``1 + 2 rtol / (1 − rtol)`` times that of `network`, up to rounding; `network` is
            returned if the result exceeds that.

        Raises
        ------
        ValueError
            For an unknown criterion, costs of the wrong shape, or validation data that are missing or do not fit.
        """
        base = self.network
        if isinstance(criterion, str) and criterion == "validation":
            if X_val is None or y_val is None:
                raise ValueError("criterion='validation' needs both X_val and y_val")
            # All candidates must be included; the quality of this network does not matter.
            everything = self.member(np.full(len(self.scales), self.penalty or 1.0), self.intercept)
            return best_on_validation(
                [base, everything], self.problem, X_val, y_val, rtol=self.rtol
            )
        if not self.dimension:
            return base
        found = self._at(self._best(criterion))
        limit = 1 + 2 * self.rtol / (1 - self.rtol) + ROUNDING
        objective = self.problem.objective
        return found if objective(found) <= limit * objective(base) else base

    def _best(self, criterion: str | ArrayLike | Callable[[OptimalPolytope], ArrayLike]) -> Array:
        """Coordinates of the best member."""
        if isinstance(criterion, str):
            if criterion == "least_lipschitz":
                return least_steep(self._polytope, self.neurons, self.problem.X)
            if criterion != "sparsest_inputs":
                raise ValueError(
                    f"criterion={criterion!r} is not known; available: 'sparsest_inputs', "
                    "'least_lipschitz', 'validation', an array of costs or a callable"
                )
            costs = np.abs(self.neurons.hidden_weights).sum(axis=1)
        else:
            costs = np.asarray(
                criterion(self) if callable(criterion) else criterion, dtype=np.float64
            )
        if costs.shape != self.scales.shape or not np.isfinite(costs).all():
            raise ValueError(
                f"criterion gives costs of shape {costs.shape}, expected {self.scales.shape}, finite numbers"
            )
        return self._polytope.lowest(costs @ self._polytope.moves)

    @cached_property
    def _moves(self) -> Array:
        """Directions of ``(c, b)`` that keep the outputs; orthonormal in units of the columns' lengths."""
        seen = self.problem.X[self.problem.weights > 0]
        columns = columns_of(self.neurons, self.problem, seen)
        lengths = np.linalg.norm(columns, axis=0)
        return null_space(columns / lengths, _DEPENDENT) / lengths[:, None]

    @cached_property
    def _polytope(self) -> ScalePolytope:
        return ScalePolytope(self.scales, self._moves[: len(self.scales)])

    @property
    def _intercept_moves(self) -> Array:
        """Change of the intercept along each move, of shape (q,); zeros without an intercept."""
        return self._moves[len(self.scales) :].sum(axis=0)

    def _at(self, z: Array) -> TwoLayerNetwork:
        intercept = self.intercept + float(self._intercept_moves @ z)
        return self.member(self._polytope.scales(z), intercept)

    def _columns(self, X: ArrayLike) -> Array:
        return self.neurons.hidden_features(X) * self.signs
