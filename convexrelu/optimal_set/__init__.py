"""The choice among networks that are equally good on the training data.

The optimum of the training problem is rarely unique. Keep the neurons of a network and scale each one by
``c_j ≥ 0``; with ``h_j = φ(X̃ w̃_j) a_jᵀ``, its outputs on the training data, and ``p_j = ‖w̃_j‖ ‖a_j‖``::

    f(c) = Σ_j c_j h_j + intercept,        penalty(c) = Σ_j c_j p_j,        c ≥ 0

Both are linear; a skip connection stays as it is. At an optimum every neuron has ``⟨V, h_j⟩ = alpha p_j``, so that
directions ``β`` with ``Σ_j β_j h_j = 0`` do not change the penalty either: all ``c ≥ 0`` with the same outputs are
optimal, a polytope. :func:`minimal` walks to one of its vertices, where the ``h_j`` are linearly independent, and
:func:`best_on_validation` to the point that does best on other data. :func:`compact` also merges close neurons.

References
----------
Mishkin & Pilanci 2023, "Optimal Sets and Solution Paths of ReLU Networks".
"""

from convexrelu.optimal_set.compact import compact
from convexrelu.optimal_set.minimal import minimal
from convexrelu.optimal_set.of_solution import optimal_polytope
from convexrelu.optimal_set.polytope import OptimalPolytope, Uniqueness
from convexrelu.optimal_set.validation import best_on_validation

__all__ = [
    "OptimalPolytope",
    "Uniqueness",
    "best_on_validation",
    "compact",
    "minimal",
    "optimal_polytope",
]
