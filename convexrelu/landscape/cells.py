"""The cell of a network on the data: its optimum, and how far both are from the global optimum.

The signs of the outer weights and of the hidden outputs on the samples cut parameter space into cells. In a cell the
outputs are linear in ``u_j = |a_j| w̃_j``, and training is a convex problem in these: a local minimum is as good as all
others of its cell (He, Wang & Tao 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from convexrelu.certification import certify
from convexrelu.certification.cell import cell_optimum
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.results.network_certificate import NetworkCertificate
from convexrelu.solvers.registry import master_of

__all__ = ["CellSummary", "cell_summary"]


@dataclass(frozen=True, eq=False)
class CellSummary:
    """A network, the best network of its cell, and the bounds for the cell and for all networks.

    Attributes
    ----------
    certificate : NetworkCertificate
        Of the given network: its objective, both bounds, and the numbers of dead, linear and mixed units.
    optimum : TwoLayerNetwork
        The best network of the cell that the solver found; the given one if it is no worse.
    optimum_objective : float
        Its objective, at least ``certificate.cell_lower_bound``.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.landscape import cell_summary
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> line = TwoLayerNetwork([[0.5]], [1.0], [[1.0]], [-1.0])
    >>> summary = cell_summary(line, X, np.maximum(X[:, 0], 0), alpha=1e-3, random_state=0)
    >>> summary.gap_to_cell >= 0, summary.gap_of_cell > 0
    (True, True)
    """

    certificate: NetworkCertificate
    optimum: TwoLayerNetwork
    optimum_objective: float

    @property
    def gap_to_cell(self) -> float:
        """Objective above the optimum of the cell that was found; zero for a local minimum."""
        return max(0.0, self.certificate.objective - self.optimum_objective)

    @property
    def gap_of_cell(self) -> float:
        """Optimum of the cell above the global lower bound: what no descent within the cell can gain."""
        return max(0.0, self.optimum_objective - self.certificate.lower_bound)

    @property
    def is_spurious(self) -> bool:
        """Whether the cell is proved to contain no global optimum: some network is better than its bound.

        The better network is ``certificate.improved``.
        """
        improved = self.certificate.improved
        assert improved is not None
        return bool(improved.certificate.objective < self.certificate.cell_lower_bound)

    def __str__(self) -> str:
        return (
            f"{self.certificate}\n"
            f"optimum of the cell: {self.optimum_objective:.6g}, above the global bound by {self.gap_of_cell:.3g}"
        )


def cell_summary(
    network: TwoLayerNetwork,
    X: ArrayLike,
    y: ArrayLike,
    *,
    alpha: float,
    tol: float = 1e-6,
    solver: Any = "auto",
    **options: Any,
) -> CellSummary:
    """Optimum of a network's cell, and the gaps of network and cell to the global optimum.

    Parameters
    ----------
    network : TwoLayerNetwork
        Or what :func:`~convexrelu.certify` takes.
    X : array of shape (n, d)
    y : array of shape (n,) or (n, K)
    alpha : float
        Weight decay of the training problem.
    tol : float
        Relative gap at which training stops, and accuracy of the program of the cell.
    solver : str or ProgramSolver
        Of the program of the cell, and of training.
    **options
        The rest of the training problem, and options of :func:`~convexrelu.certify` but for `improve`.

    Returns
    -------
    CellSummary

    Examples
    --------
    A neuron that is active on all samples, where one with a kink is better:

    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.landscape import cell_summary
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> line = TwoLayerNetwork([[0.5]], [1.0], [[1.0]], [-1.0])
    >>> summary = cell_summary(line, X, np.maximum(X[:, 0], 0), alpha=1e-3, random_state=0)
    >>> summary.certificate.n_linear, summary.is_spurious
    (1, True)
    """
    certificate = certify(
        network, X, y, alpha=alpha, tol=tol, solver=solver, improve=True, **options
    )
    assert certificate.problem is not None and certificate.network is not None
    problem = certificate.problem
    best = cell_optimum(problem.condensed(), certificate.network, master_of(solver, tol))
    return CellSummary(certificate, best, problem.objective(best))
