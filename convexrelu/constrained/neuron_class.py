r"""Classes of networks that are defined neuron by neuron, with their convex program and its dual.

**The class.** Of ``m ∈ {−1, 0, 1}^d``: networks ``f(x) = Σ_j a_j φ(w_jᵀx + b_j) + c`` whose neurons all keep the sign::

    m_k a_j w_jk ≥ 0      for all j and k.

``φ`` does not decrease, so that every neuron, and ``f``, grows in feature ``k`` where ``m_k = 1`` and falls where ``m_k
= −1``. This is sufficient, not necessary: a sum may be monotone although some of its terms are not. A positive class
has ``a_j ≥ 0``, too: then ``f`` is convex.

**The program.** With ``s_j`` the sign of ``a_j`` and ``ũ_j = |a_j| (w_j, b_j)``, balanced neurons cost ``‖ũ_j‖`` and
the class is ``ũ_j ∈ K_s`` with the closed convex cones ``K_s = {u : s m_k u_k ≥ 0}``; a positive class has ``s = 1``
only::

    P = min  F(Σ_j s_j φ(X̃ũ_j) + c) + alpha Σ_j ‖ũ_j‖      s.t.  ũ_j ∈ K_{s_j}

    D = max_v  −F*(−v)      s.t.  M(v) = max_s max {s vᵀφ(X̃u) : u ∈ K_s, ‖u‖ ≤ 1} ≤ alpha,      1ᵀv = 0

where ``1ᵀv = 0`` belongs to the intercept ``c``.

**Weak duality.** For feasible ``v`` and outputs ``f = h + c1`` of the class, ``vᵀf = vᵀh = Σ_j s_j vᵀφ(X̃ũ_j) ≤ M(v) Σ_j
‖ũ_j‖ ≤ alpha Σ_j ‖ũ_j‖``, as ``φ`` is positively homogeneous and the ``K_s`` are cones. Fenchel's inequality
``F(f) ≥ −vᵀf − F*(−v)`` gives ``F(f) + alpha Σ_j ‖ũ_j‖ ≥ −F*(−v)``.

**Strong duality.** ``Ω = conv {s φ(X̃u) : u ∈ K_s, ‖u‖ ≤ 1}`` is the convex hull of a compact set in ``Rⁿ``, so compact,
and contains zero. Its gauge ``γ(h)``, the least ``Σ_j ‖ũ_j‖`` that gives ``h``, is closed and convex, and is attained
with at most ``n + 1`` neurons (Carathéodory). ``P = min_{h,c} F(h + c1) + alpha γ(h)``, where ``F`` is finite and
convex, hence continuous on ``Rⁿ``: Fenchel's theorem gives ``P = D``, with the conjugate of ``alpha γ`` the indicator
of ``max_{h ∈ Ω} vᵀh ≤ alpha``.

**Finite programs.** On a list of activation patterns each block has the constraints ``s m_k u_k ≥ 0`` in addition to
those of its pattern: patterns are cones, and so are their intersections with ``K_s``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import checked_flag, float_array
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["NeuronClass"]

_ACTIVATIONS = ("relu", "leaky_relu")


@dataclass(frozen=True, eq=False)
class NeuronClass:
    """Neurons whose weights have given signs.

    Parameters
    ----------
    monotonic_cst : array of shape (d,), optional
        For each feature 1, −1 or 0: the network increases in it, decreases, or is unconstrained.
    positive : bool
        Whether outer weights are non-negative, so that the network is convex.

    Attributes
    ----------
    signs : tuple of float
        Signs that outer weights may have.
    scope : str
        The scope of certificates: ``"monotone"``, ``"positive"`` or ``"monotone_positive"``.

    Examples
    --------
    >>> NeuronClass([1, 0, -1]).scope
    'monotone'
    >>> NeuronClass([1, 0]).project(np.array([[-1.0, 2.0], [-1.0, 2.0]]), np.array([1.0, -1.0]))
    array([[ 0.,  2.],
           [-1.,  2.]])
    """

    monotonic_cst: Array
    positive: bool = False
    signs: tuple[float, ...] = field(init=False)

    def __init__(self, monotonic_cst: ArrayLike | None = None, positive: bool = False) -> None:
        given = () if monotonic_cst is None else monotonic_cst
        directions = np.atleast_1d(float_array("monotonic_cst", given))
        if directions.ndim != 1 or not np.isin(directions, (-1.0, 0.0, 1.0)).all():
            raise ValueError(
                f"monotonic_cst={monotonic_cst!r} is not an array of −1, 0 and 1, one for each feature"
            )
        positive = checked_flag("positive", positive)
        directions.flags.writeable = False
        object.__setattr__(self, "monotonic_cst", directions)
        object.__setattr__(self, "positive", positive)
        object.__setattr__(self, "signs", (1.0,) if positive else (1.0, -1.0))

    @property
    def is_monotone(self) -> bool:
        """Whether a feature is constrained."""
        return bool(self.monotonic_cst.any())

    @property
    def is_everything(self) -> bool:
        """Whether all networks are in the class."""
        return not (self.is_monotone or self.positive)

    @property
    def scope(self) -> str:
        """The scope of certificates."""
        names = ["monotone"] * self.is_monotone + ["positive"] * self.positive
        return "_".join(names) or "global"

    def limits(self, dimension: int) -> Array:
        """``m`` for vectors ``u`` of this dimension, in which biases are free."""
        limits = np.zeros(dimension)
        if self.is_monotone:  # otherwise `u` may be in coordinates of the samples
            limits[: len(self.monotonic_cst)] = self.monotonic_cst
        return limits

    def project(self, directions: Array, signs: Array) -> Array:
        """Nearest points of the cones ``K_s``: entries with the wrong sign become zero."""
        wrong = signs[:, None] * self.limits(directions.shape[1]) * directions < 0
        return np.where(wrong, 0.0, directions)

    def projected(self, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """The network with weights of the wrong sign set to zero, and without neurons of the wrong outer sign."""
        outer = network.output_weights[0]
        kept = (outer > 0) | (outer < 0) if not self.positive else outer > 0
        outer = outer[kept]
        return TwoLayerNetwork(
            self.project(network.hidden_weights[kept], np.sign(outer)),
            network.hidden_bias[kept],
            outer[None],
            network.output_bias,
            negative_slope=network.negative_slope,
        )

    def contains(self, network: TwoLayerNetwork) -> bool:
        """Whether a network is in the class, exactly.

        Examples
        --------
        >>> network = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -2.0]], [0.0])
        >>> NeuronClass([1]).contains(network), NeuronClass([-1]).contains(network)
        (True, False)
        """
        if network.n_outputs > 1 or network.skip_weights is not None:
            return False
        outer = np.sign(network.output_weights[0])
        if self.positive and (outer < 0).any():
            return False
        limits = self.limits(network.n_features)
        return bool((outer[:, None] * limits * np.sign(network.hidden_weights) >= 0).all())

    def check(self, problem: TrainingProblem) -> None:
        """Raise an error for a problem in which the class is not supported."""
        asked = "monotonic_cst" if self.is_monotone else "positive=True"
        lacking = _lacking(problem)
        wide = problem.n_features > problem.n_samples
        if not lacking and self.is_monotone and wide and problem.is_sparse:
            lacking = "sparse X with more features than samples; use X.toarray()"
        if lacking:
            raise ValueError(f"{asked} does not support {lacking}")
        n_given = len(self.monotonic_cst)
        if n_given not in (0, problem.n_features):
            raise ValueError(
                f"monotonic_cst has {n_given} entries, but X has {problem.n_features} features"
            )


def _lacking(problem: TrainingProblem) -> str:
    """What of a problem is not supported, and what to use; empty if there is nothing."""
    if problem.activation not in _ACTIVATIONS:
        return f"activation={problem.activation!r}; use 'relu' or 'leaky_relu'"
    if problem.n_outputs > 1:
        return f"several outputs, y has {problem.n_outputs}; fit one estimator for each"
    if problem.free_bias:
        return "hidden_bias='free'; use hidden_bias=True or False"
    if problem.skip:
        return "skip=True; use skip=False"
    return ""
