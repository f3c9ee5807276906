"""The alternating direction method of multipliers for the ReLU program, with cached factors.

With D_j = diag(mask_j), S_j = 2D_j − I, A u = Σ_j σ_j D_j X u_j and β = nα the program is split

    min ½‖A u − y‖² + β Σ_j ‖z_j‖   subject to   z_j = u_j,   S_j v_j ≥ 0,   v_j = X u_j,

in the manner of Bai, Gautam and Sojoudi, "Efficient Global Optimization of Two-Layer ReLU Networks"
(SIAM J. Math. Data Sci., 2023). With penalties ρ and ρκ and scaled multipliers a and b an iteration
is

    u = argmin ½‖A u − y‖² + ρ/2 Σ_j ‖u_j − z_j + a_j‖² + ρκ/2 Σ_j ‖X u_j − v_j + b_j‖²,
    z_j = shrink(û_j + a_j, β/ρ),   v_j = the part of X û_j + b_j on the side of S_j,
    a_j += û_j − z_j,   b_j += X û_j − v_j,

û being u over-relaxed. As S_j² = I, the system for u has the same block C = I + κX'X everywhere:
(ρ diag(C) + A'A) u = ρg, which Woodbury's identity turns into

    u_j = C⁻¹(g_j − σ_j X'D_j h),   (ρI + K) h = A diag(C)⁻¹g,   K = (X C⁻¹X') ∘ Σ_j mask_j mask_j'.

K is formed once, for O(n² m); a Cholesky factor, O(n³), belongs to one ρ, and ρ changes only when
the residuals ask for more than fivefold. Both penalties are of the data scaled as in
`interior_point`; κ and the first ρ were tuned on a few problems. An iteration costs four products
with X, O(m n d), and one solve, O(n²); memory is O(m n + n²).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

RELAXATION = 1.6
CHECK_EVERY = 20  # iterations from one look at the gap and the residuals to the next
REFACTOR_BEYOND = 5.0  # the change of ρ that is worth another factor
RHO_RANGE = 1e-6, 1e6
COUPLING = 100.0  # κ, divided by the number of columns


class Program:
    """The data, scaled to a design and y of norm one, and the two linear maps with their adjoints.

    Parameters
    ----------
    design : array of shape (n, d)
    masks : bool array of shape (m, n)
    signs : array of shape (m,)
    y : array of shape (n,)
    alpha : float
    """

    def __init__(
        self,
        design: np.ndarray,
        masks: np.ndarray,
        signs: np.ndarray,
        y: np.ndarray,
        alpha: float,
    ) -> None:
        X, y, signs = (torch.as_tensor(np.array(a, dtype=float)) for a in (design, y, signs))
        active = torch.as_tensor(np.array(masks, dtype=float))
        scales = X.norm(), y.norm().clamp_min(torch.finfo(y.dtype).tiny)
        self.X, self.y, self.unit = X / scales[0], y / scales[1], scales[1] / scales[0]
        self.beta = float(len(y) * alpha / (scales[0] * scales[1]))
        self.sides, self.gates = 2 * active - 1, active * signs[:, None]

    def predict(self, u: Tensor) -> Tensor:
        """A u, of shape (n,)."""
        return (self.gates * (u @ self.X.T)).sum(0)

    def predict_adjoint(self, r: Tensor) -> Tensor:
        """A'r, of shape (m, d)."""
        return (self.gates * r) @ self.X

    def slacks(self, u: Tensor) -> Tensor:
        """S_j X u_j, of shape (m, n)."""
        return self.sides * (u @ self.X.T)

    def slacks_adjoint(self, lam: Tensor) -> Tensor:
        """X'S_j λ_j, of shape (m, d)."""
        return (self.sides * lam) @ self.X

    def gap(self, u: Tensor, lam: Tensor) -> float:
        """The relative gap of the objective at u and the dual bound from its residuals and λ."""
        r = self.predict(u) - self.y
        primal = 0.5 * r @ r + self.beta * u.norm(dim=1).sum()
        largest = (self.predict_adjoint(r) - self.slacks_adjoint(lam)).norm(dim=1).max()
        theta = torch.minimum(-(r @ self.y) / (r @ r), self.beta / largest)
        dual = -0.5 * theta**2 * (r @ r) - theta * (r @ self.y)
        return float((primal - dual) / primal)


class Quadratic:
    """The minimisation over u, with its factors.

    Parameters
    ----------
    problem : Program
    kappa : float
        The penalty of X u_j = v_j, relative to that of u_j = z_j.
    rho : float
        The penalty.
    """

    def __init__(self, problem: Program, kappa: float, rho: float) -> None:
        self.problem = problem
        X, active = problem.X, problem.gates.abs()
        block = torch.eye(X.shape[1], dtype=X.dtype) + kappa * X.T @ X
        self.inverse = torch.linalg.inv(block)
        self.XC = X @ self.inverse
        self.coupling = (self.XC @ X.T) * (active.T @ active)
        self.target = problem.predict_adjoint(problem.y)
        self.refactor(rho)

    def refactor(self, rho: float) -> None:
        """Change the penalty."""
        self.rho = rho
        identity = torch.eye(len(self.coupling), dtype=self.coupling.dtype)
        self.factor = torch.linalg.cholesky(self.coupling + rho * identity)

    def minimiser(self, g: Tensor) -> Tensor:
        """u, given the g_j without their part A'y/ρ."""
        g = g + self.target / self.rho
        free = g @ self.inverse
        h = torch.cholesky_solve(self.problem.predict(free)[:, None], self.factor)[:, 0]
        return free - (self.problem.gates * h) @ self.XC


class Splitting:
    """The iterates: z and v, and their scaled multipliers a and b.

    Parameters
    ----------
    problem : Program
    kappa : float
    rho : float
    """

    def __init__(self, problem: Program, kappa: float, rho: float) -> None:
        self.problem, self.kappa = problem, kappa
        self.quadratic = Quadratic(problem, kappa, rho)
        (m, n), d = problem.sides.shape, problem.X.shape[1]
        self.u, self.z, self.a = (torch.zeros(m, d, dtype=problem.X.dtype) for _ in range(3))
        self.v, self.b = (torch.zeros(m, n, dtype=problem.X.dtype) for _ in range(2))

    def advance(self) -> None:
        """One iteration."""
        X, sides = self.problem.X, self.problem.sides
        self.u = self.quadratic.minimiser(self.z - self.a + self.kappa * ((self.v - self.b) @ X))
        p = torch.lerp(self.z, self.u, RELAXATION) + self.a
        threshold = self.problem.beta / self.quadratic.rho
        self.z = p * (1 - threshold / p.norm(dim=1, keepdim=True).clamp_min(threshold))
        self.a = p - self.z
        p = torch.lerp(self.v, self.u @ X.T, RELAXATION).add_(self.b)
        self.b = (p * sides).clamp_max_(0).mul_(sides)
        self.v = p.sub_(self.b)

    def multipliers(self) -> Tensor:
        """The λ_j ≥ 0 of the slacks."""
        return -self.quadratic.rho * self.kappa * self.problem.sides * self.b

    def gap(self) -> tuple[float, float]:
        """The relative gap, with what the violated slacks are worth, and the largest violation."""
        lam, below = self.multipliers(), (-self.problem.slacks(self.u)).clamp_min_(0)
        r = self.problem.predict(self.u) - self.problem.y
        objective = 0.5 * r @ r + self.problem.beta * self.u.norm(dim=1).sum()
        worth = float((lam * below).sum() / objective)
        return abs(self.problem.gap(self.u, lam)) + worth, float(below.max())

    def residuals(self) -> tuple[float, float]:
        """The primal and the dual residual, each relative to its terms."""
        problem, images = self.problem, self.u @ self.problem.X.T
        weight = self.kappa**0.5
        primal = _norm(self.u - self.z, weight * (images - self.v))
        primal_scale = max(_norm(self.u, weight * images), _norm(self.z, weight * self.v))
        gradient = problem.predict_adjoint(problem.predict(self.u) - problem.y)
        forces = self.quadratic.rho * (self.a + self.kappa * self.b @ problem.X)
        dual_scale = max(_norm(gradient), _norm(forces))
        return primal / max(primal_scale, 1e-12), _norm(gradient + forces) / max(dual_scale, 1e-12)

    def balance(self) -> None:
        """Change ρ if one residual is much larger than the other."""
        primal, dual = self.residuals()
        change = (max(primal, 1e-16) / max(dual, 1e-16)) ** 0.5
        if not 1 / REFACTOR_BEYOND <= change <= REFACTOR_BEYOND:
            old = self.quadratic.rho
            self.quadratic.refactor(float(np.clip(old * change, *RHO_RANGE)))
            change = self.quadratic.rho / old
            self.a, self.b = self.a / change, self.b / change


def solve(
    design: np.ndarray,
    masks: np.ndarray,
    signs: np.ndarray,
    y: np.ndarray,
    alpha: float,
    tol: float = 1e-4,
    max_iter: int = 10_000,
    rho: float = 0.02,
) -> tuple[np.ndarray, dict]:
    """Solve the ReLU program by ADMM.

    Parameters
    ----------
    design : array of shape (n, d)
    masks : bool array of shape (m, n)
    signs : array of shape (m,)
        The ±1 of every block.
    y : array of shape (n,)
    alpha : float
        The penalty of every block's norm, positive.
    tol : float
        What the relative gap and the largest violation of a slack (of the scaled data, where y
        and the design have norm one) are to reach. The gap is the distance from the objective at
        u, which is not quite feasible, to the dual bound, plus the violations times multipliers.
    max_iter : int
    rho : float
        The first penalty.

    Returns
    -------
    blocks : array of shape (m, d)
        Feasible only as far as the violation says, so the objective may lie below the optimum.
    info : dict
        `iterations`, the relative `gap`, the `violation` and the last `rho`.
    """
    problem = Program(design, masks, signs, y, alpha)
    splitting = Splitting(problem, COUPLING * problem.X.shape[1], rho)
    for iteration in range(1, max_iter + 1):
        splitting.advance()
        if iteration % CHECK_EVERY and iteration < max_iter:
            continue
        gap, violation = splitting.gap()
        if gap <= tol and violation <= tol:
            break
        splitting.balance()
    info = {"iterations": iteration, "gap": gap, "violation": violation}
    info["rho"] = splitting.quadratic.rho
    return (splitting.u * problem.unit).numpy(), info


def _norm(*parts: Tensor) -> float:
    """The norm of the parts together."""
    return float(sum((part * part).sum() for part in parts)) ** 0.5
