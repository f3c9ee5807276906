"""A primal–dual interior-point method for the ReLU master, its blocks eliminated one by one.

With D_j = diag(mask_j), S_j = 2D_j − I, A u = Σ_j σ_j D_j X u_j and β = nα the programme is

    min ½‖A u − y‖² + β Σ_j t_j   subject to   s_j = S_j X u_j ≥ 0,   q_j = (t_j, u_j) ∈ Q,

Q being the second-order cone. Its optimality conditions, on the central path of parameter μ,

    X'D_j σ_j r − X'S_j λ_j − w_j = 0,   r = A u − y,   s∘λ = μ,   q_j∘z_j = μe,   z_j = (β, w_j)

are solved by Mehrotra's predictor–corrector steps from an infeasible start: W_j z_j = W_j⁻¹q_j is
the Nesterov–Todd scaling of each cone (Vandenberghe, "The CVXOPT linear and quadratic cone program
solvers", 2010). Eliminating ds, dλ, dt and dw leaves, in du,

    (diag_j(H_j) + A'A) du = g,   H_j = X' diag(λ_j / s_j) X + E_j,

E_j = (I − 2ωω' / (2ω₀² − 1)) / η² being W_j⁻² = (2Jpp'J − J) / η², p = (ω₀, ω), less its t_j.
With H_j = L_j L_j' and B = A L⁻' the solution is L⁻'(I + B'B)⁻¹L⁻¹g, through I + BB' if smaller;
late iterations refine it by conjugate gradients, since double precision leaves little of it.

An iteration costs O(m n d²) for the H_j and B, O(n² m d) for BB' (most of the time: one matrix
product) and O(n³) for its Cholesky factor; then O(m n d) for every right-hand side. Memory is that
of B, O(m n d). The duality gap is of the scaled primal and a rigorous dual bound: r and λ give

    max_θ −½θ²‖r‖² − θ r'y   subject to   θ max_j ‖X'D_j σ_j r − X'S_j λ_j‖ ≤ β.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FEASIBLE = 1e-9  # how far a slack may be below zero, of the scaled data
TO_BOUNDARY = 0.99  # the part of the longest step that is taken
SHIFT = 1e-15  # added to every H_j, of its trace, for its Cholesky factor to exist
REFINEMENTS = 10  # at most, of a solution of the normal equations
ACCURACY = 1e-11  # of that solution, relative to β


class Programme:
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
        X, y, signs = (torch.as_tensor(np.asarray(a, dtype=float)) for a in (design, y, signs))
        active = torch.as_tensor(np.asarray(masks, dtype=float))
        scales = X.norm(), y.norm().clamp_min(torch.finfo(y.dtype).tiny)
        self.X, self.y, self.unit = X / scales[0], y / scales[1], scales[1] / scales[0]
        self.beta = float(len(y) * alpha / (scales[0] * scales[1]))
        self.sides, self.gates = 2 * active - 1, active * signs[:, None]
        self.outer = (self.X[:, :, None] * self.X[:, None, :]).flatten(1)

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


@dataclass
class Iterate:
    """A point: slacks, their multipliers, and the cones' (t, u) and (β, w)."""

    s: Tensor
    lam: Tensor
    q: Tensor
    z: Tensor

    def moved(self, step: Iterate, length: float) -> Iterate:
        """The point `length` along a step."""
        pairs = zip(vars(self).values(), vars(step).values(), strict=True)
        return Iterate(*(x + length * dx for x, dx in pairs))

    def mu(self) -> float:
        """The mean complementarity over the n m slacks and m cones."""
        total = (self.s * self.lam).sum() + (self.q * self.z).sum()
        return float(total) / (self.s.numel() + len(self.q))

    def longest(self, step: Iterate) -> float:
        """The length at which a step leaves a cone (infinite if it never does)."""
        rates = [-(step.s / self.s).min(), -(step.lam / self.lam).min()]
        rates += [_cone_rate(self.q, step.q), _cone_rate(self.z, step.z)]
        return 1 / max(1e-16, *map(float, rates))


class Scaling(NamedTuple):
    """Nesterov–Todd scalings W = η (hyperbolic rotation to `point`), one per cone."""

    point: Tensor
    eta: Tensor
    scaled: Tensor

    @classmethod
    def of(cls, q: Tensor, z: Tensor) -> Scaling:
        """The scalings with W z = W⁻¹q, which is kept as `scaled`."""
        q_size, z_size = _size(q), _size(z)
        q_unit, z_unit = q / q_size, z / z_size
        point = q_unit + _mirror(z_unit)
        point = point / _size(point)
        eta = (q_size / z_size).sqrt()
        return cls(point, eta, eta * _rotate(point, z))

    def apply(self, x: Tensor) -> Tensor:
        """W x."""
        return self.eta * _rotate(self.point, x)

    def inverse(self, x: Tensor) -> Tensor:
        """W⁻¹x."""
        return _rotate(_mirror(self.point), x) / self.eta

    def without_t(self) -> tuple[Tensor, Tensor]:
        """E, the Schur complement of t in W⁻², and the first row of W⁻² over its first entry."""
        axis, eta = self.point[:, 1:], self.eta[:, :, None]
        norm = 2 * self.point[:, :1] ** 2 - 1
        rank_one = (2 / norm)[:, :, None] * axis[:, :, None] * axis[:, None, :]
        identity = torch.eye(axis.shape[1], dtype=axis.dtype)
        return (identity - rank_one) / eta**2, -2 * self.point[:, :1] * axis / norm


class NormalEquations:
    """diag(H_j) + A'A, factored.

    Parameters
    ----------
    problem : Programme
    blocks : Tensor of shape (m, d, d)
        The H_j.
    """

    def __init__(self, problem: Programme, blocks: Tensor) -> None:
        self.problem, self.blocks = problem, blocks
        m, d, n = len(blocks), blocks.shape[1], len(problem.y)
        identity = torch.eye(d, dtype=blocks.dtype).expand(m, d, d)
        shift = SHIFT * blocks.diagonal(dim1=1, dim2=2).sum(1)
        lower = torch.linalg.cholesky(blocks + shift[:, None, None] * identity)
        self.inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
        rows = (self.inverse.reshape(m * d, d) @ problem.X.T).reshape(m, d, n)
        self.B = rows.mul_(problem.gates[:, None, :]).reshape(m * d, n).T
        inner = self.B @ self.B.T if n <= m * d else self.B.T @ self.B
        inner.diagonal().add_(1)
        self.factor = torch.linalg.cholesky(inner)

    def solve(self, g: Tensor) -> Tensor:
        """The solution, by conjugate gradients preconditioned with the factors (two or so)."""
        du, residual, along, previous = torch.zeros_like(g), g, torch.zeros_like(g), torch.inf
        for _ in range(REFINEMENTS):
            rough = self._solve(residual)
            product = (residual * rough).sum()
            along = rough + product / previous * along
            image = self.apply(along)
            length, previous = product / (along * image).sum(), product
            du, residual = du + length * along, residual - length * image
            if residual.norm() <= ACCURACY * self.problem.beta:
                break
        return du

    def apply(self, u: Tensor) -> Tensor:
        """The product with u, from the unfactored matrices."""
        own = (self.blocks @ u[:, :, None])[:, :, 0]
        return own + self.problem.predict_adjoint(self.problem.predict(u))

    def _solve(self, g: Tensor) -> Tensor:
        h = (self.inverse @ g[:, :, None]).reshape(-1, 1)
        if len(self.factor) == len(self.B):
            h = h - self.B.T @ torch.cholesky_solve(self.B @ h, self.factor)
        else:
            h = torch.cholesky_solve(h, self.factor)
        return (self.inverse.mT @ h.reshape(*g.shape, 1))[:, :, 0]


def solve(
    design: np.ndarray,
    masks: np.ndarray,
    signs: np.ndarray,
    y: np.ndarray,
    alpha: float,
    tol: float = 1e-8,
    max_iter: int = 100,
) -> tuple[np.ndarray, dict]:
    """Solve the ReLU master by predictor–corrector steps.

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
        The relative duality gap to reach, at a point feasible to 1e-9 of the data's scale.
    max_iter : int

    Returns
    -------
    blocks : array of shape (m, d)
    info : dict
        `iterations`, and the relative `gap` and largest `violation` of a slack (of the scaled
        data) at the blocks, the best feasible point found.
    """
    problem = Programme(design, masks, signs, y, alpha)
    point, blocks, info = _start(problem), None, {"gap": np.inf}
    for iteration in range(max_iter + 1):
        u = point.q[:, 1:]
        gap, violation = problem.gap(u, point.lam), float(-problem.slacks(u).min())
        if blocks is None or (violation <= FEASIBLE and gap < info["gap"]):
            blocks = u
            info = {"gap": gap, "violation": max(violation, 0.0)}
        if (violation <= FEASIBLE and gap <= tol) or iteration == max_iter:
            break
        try:
            point = _advance(problem, point)
        except torch.linalg.LinAlgError:  # the end of double precision
            break
    return (blocks * problem.unit).numpy(), info | {"iterations": iteration}


def _start(problem: Programme) -> Iterate:
    """Blocks of zero, amid the cones; the starting values were tuned on a few problems."""
    (m, n), d = problem.sides.shape, problem.X.shape[1]
    s = torch.full((m, n), 3 / n, dtype=problem.X.dtype)
    lam = torch.full((m, n), 30 * problem.beta, dtype=problem.X.dtype)
    q = torch.eye(1, 1 + d, dtype=problem.X.dtype).repeat(m, 1)
    return Iterate(s, lam, q, problem.beta * q)


def _advance(problem: Programme, point: Iterate) -> Iterate:
    """One predictor–corrector step."""
    scaling = Scaling.of(point.q, point.z)
    direction = _newton(problem, point, scaling)
    slack_product, cone_product = point.s * point.lam, _arrow(scaling.scaled, scaling.scaled)
    affine = direction(-slack_product, -cone_product)
    length = min(1.0, point.longest(affine))
    centre = (point.moved(affine, length).mu() / point.mu()) ** 3 * point.mu()
    cone_target = -cone_product - _arrow(scaling.inverse(affine.q), scaling.apply(affine.z))
    cone_target[:, 0] += centre
    step = direction(centre - slack_product - affine.s * affine.lam, cone_target)
    return point.moved(step, min(1.0, TO_BOUNDARY * point.longest(step)))


def _newton(
    problem: Programme, point: Iterate, scaling: Scaling
) -> Callable[[Tensor, Tensor], Iterate]:
    """The Newton direction as a function of the targets of s∘λ and of the scaled cone product."""
    s, lam, u = point.s, point.lam, point.q[:, 1:]
    d = u.shape[1]
    cone, axis = scaling.without_t()
    weights = lam / s
    system = NormalEquations(problem, (weights @ problem.outer).reshape(-1, d, d) + cone)
    infeasible = problem.slacks(u) - s
    gradient = problem.predict_adjoint(problem.predict(u) - problem.y)
    stationary = gradient - problem.slacks_adjoint(lam) - point.z[:, 1:]

    def direction(slack_target: Tensor, cone_target: Tensor) -> Iterate:
        c = scaling.inverse(_arrow_divide(scaling.scaled, cone_target))
        fixed = slack_target / s - weights * infeasible
        reduced = c[:, 1:] - axis * c[:, :1]
        du = system.solve(problem.slacks_adjoint(fixed) + reduced - stationary)
        ds = problem.slacks(du) + infeasible
        dw = reduced - (cone @ du[:, :, None])[:, :, 0]
        norm = (2 * scaling.point[:, :1] ** 2 - 1) / scaling.eta**2
        dt = c[:, :1] / norm - (axis * du).sum(1, keepdim=True)
        dz = torch.cat([torch.zeros_like(dt), dw], 1)
        return Iterate(ds, (slack_target - lam * ds) / s, torch.cat([dt, du], 1), dz)

    return direction


def _mirror(x: Tensor) -> Tensor:
    """J x."""
    return torch.cat([x[:, :1], -x[:, 1:]], 1)


def _size(x: Tensor) -> Tensor:
    """√(x'Jx), of shape (m, 1)."""
    norm = x[:, 1:].norm(dim=1, keepdim=True)
    return ((x[:, :1] - norm) * (x[:, :1] + norm)).sqrt()


def _rotate(point: Tensor, x: Tensor) -> Tensor:
    """The hyperbolic rotation (symmetric) that maps e to a point of size 1, applied to x."""
    along = (point[:, 1:] * x[:, 1:]).sum(1, keepdim=True)
    first = point[:, :1] * x[:, :1] + along
    return torch.cat([first, x[:, 1:] + (x[:, :1] + along / (1 + point[:, :1])) * point[:, 1:]], 1)


def _arrow(x: Tensor, y: Tensor) -> Tensor:
    """The cones' Jordan product x∘y."""
    first = (x * y).sum(1, keepdim=True)
    return torch.cat([first, x[:, :1] * y[:, 1:] + y[:, :1] * x[:, 1:]], 1)


def _arrow_divide(x: Tensor, y: Tensor) -> Tensor:
    """The solution v of x∘v = y."""
    first = (x * _mirror(y)).sum(1, keepdim=True) / _size(x) ** 2
    return torch.cat([first, (y[:, 1:] - first * x[:, 1:]) / x[:, :1]], 1)


def _cone_rate(x: Tensor, dx: Tensor) -> Tensor:
    """The largest of 1/(the length at which x + length dx leaves its cone)."""
    size = _size(x)
    unit, dx = x / size, dx / size
    along = (unit * _mirror(dx)).sum(1, keepdim=True)
    side = dx[:, 1:] - (along + dx[:, :1]) / (unit[:, :1] + 1) * unit[:, 1:]
    return (side.norm(dim=1) - along[:, 0]).max()
