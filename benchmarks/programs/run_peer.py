"""Solve one finite program with one peer and report seconds and objective.

Runs in the peer's own environment, so it needs numpy and the peer only:

    python run_peer.py PEER program.npz answer.json

The tolerance is tightened until the relative duality gap of the answer, computed here in float64 with the dual
point of its residual, is at most `target`; the solve that gets there is repeated. Compilation and imports are
not timed; the explicit design that some peers need is, because no user is spared it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# The exponents that a peer tries, from where it may first reach a gap of 1e-6.
EXPONENTS = {
    "celer": range(6, 14),
    "skglm": range(5, 12),
    "adelie": range(13, 17),
    "adelie-relu": range(8, 17, 2),
    "pyscnn": range(12, 17),
    "pyscnn-relu": range(6, 10, 2),
    "cvxpy:SCS": range(5, 9),
}
CONIC_EXPONENTS = (8, 10)  # 1e-8 is what they try by default


def main() -> None:
    """Solve with tighter and tighter tolerances until the target or the time limit is met."""
    peer, source, target_file = sys.argv[1:4]
    data = dict(np.load(source))
    solve = PEERS[peer]
    if peer in (
        "celer",
        "skglm",
        "pyscnn",
        "pyscnn-relu",
    ):  # what is compiled or set up on first use
        solve(_small(data), 1e-2)
    limit, target = float(data["time_limit"]), float(data["target"])
    best: dict[str, Any] = {"gap": np.inf}
    started = time.perf_counter()
    for exponent in EXPONENTS.get(peer, CONIC_EXPONENTS):
        tol = 10.0**-exponent
        blocks, seconds = _timed(solve, data, tol)
        gap = relative_gap(data, blocks)
        print(f"{peer} tol {tol:.0e}: {seconds:.3g} s, gap {gap:.2e}", file=sys.stderr)
        if gap < best["gap"]:
            best = {"peer": peer, "tol": tol, "gap": gap, "seconds": [seconds]}
            best |= {"objective": objective(data, blocks), "violation": violation(data, blocks)}
        if gap <= target or time.perf_counter() - started > limit:
            break
    _write(target_file, best)  # what there is if the time is over during the repeats
    repeats = int(data["repeats"]) - 1 if best["seconds"][0] < 30 else 0
    best["seconds"] += [_timed(solve, data, best["tol"])[1] for _ in range(repeats)]
    _write(target_file, best)


def _write(path: str, answer: dict[str, Any]) -> None:
    with open(path, "w") as file:
        json.dump(answer, file)


def objective(data: dict[str, np.ndarray], blocks: np.ndarray) -> float:
    """``(1/2n)‖Σ σ_i D_i X̃ u_i − y‖² + alpha Σ ‖u_i‖`` for blocks of shape (B, d̃)."""
    outputs = ((data["masks"].T * data["signs"]) * (data["design"] @ blocks.T)).sum(axis=1)
    penalty = float(data["alpha"]) * np.linalg.norm(blocks, axis=1).sum()
    return 0.5 * np.mean(np.square(outputs - data["y"])) + penalty


def relative_gap(data: dict[str, np.ndarray], blocks: np.ndarray) -> float:
    """``(P − D)/P`` with the residual, scaled into the dual's constraints, as dual point."""
    masks, design, y = data["masks"], data["design"], data["y"]
    outputs = ((masks.T * data["signs"]) * (design @ blocks.T)).sum(axis=1)
    v = (y - outputs) / len(y)
    linear = data["signs"][:, None] * (masks @ (design * v[:, None]))
    if data["kind"] == "relu":
        linear = np.array(
            [
                _on_cone(a, (2.0 * m - 1.0)[:, None] * design)
                for a, m in zip(linear, masks, strict=True)
            ]
        )
    largest = float(data["alpha"]) / np.linalg.norm(linear, axis=1).max()
    t = min(largest, float(v @ y / (len(y) * (v @ v))))
    dual = t * float(v @ y) - 0.5 * len(y) * t * t * float(v @ v)
    primal = objective(data, blocks)
    return (primal - dual) / primal


def _on_cone(linear: np.ndarray, rows: np.ndarray) -> np.ndarray:
    from scipy.optimize import nnls

    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return linear + nnls(rows.T, -linear, maxiter=30 * len(rows))[0] @ rows


def violation(data: dict[str, np.ndarray], blocks: np.ndarray) -> float:
    """Largest ``−(2D_i − I)X̃u_i``; the gated program has no such constraint."""
    if data["kind"] == "gated":
        return 0.0
    towards = (2.0 * data["masks"].T - 1.0) * (data["design"] @ blocks.T)
    return float(max(-towards.min(), 0.0))


def _timed(solve: Callable, data: dict[str, np.ndarray], tol: float) -> tuple[np.ndarray, float]:
    started = time.perf_counter()
    blocks = solve(data, tol)
    return np.asarray(blocks, dtype=np.float64), time.perf_counter() - started


def _small(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    n, b = min(60, len(data["y"])), min(4, len(data["masks"]))
    small = data | {"design": data["design"][:n], "y": data["y"][:n], "gates": data["gates"][:b]}
    return small | {"masks": data["masks"][:b, :n], "signs": data["signs"][:b]}


def _explicit(data: dict[str, np.ndarray]) -> np.ndarray:
    n, dim = data["design"].shape
    design = data["masks"].T[:, :, None] * data["design"][:, None, :]
    return np.asfortranarray(design.reshape(n, len(data["masks"]) * dim))


def celer(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
    """Working sets and dual extrapolation on the explicit group lasso."""
    from celer import GroupLasso

    dim = data["design"].shape[1]
    model = GroupLasso(
        groups=dim, alpha=float(data["alpha"]), fit_intercept=False, tol=tol, max_iter=200
    )
    return model.fit(_explicit(data), data["y"]).coef_.reshape(-1, dim)


def skglm(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
    """Anderson-accelerated block coordinate descent on the explicit group lasso."""
    from skglm import GroupLasso

    dim = data["design"].shape[1]
    model = GroupLasso(
        groups=dim, alpha=float(data["alpha"]), fit_intercept=False, tol=tol, max_iter=200
    )
    return model.fit(_explicit(data), data["y"]).coef_.reshape(-1, dim)


def adelie(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
    """Block coordinate descent in C++ with a structured design."""
    return _adelie(data, data["masks"], np.ones(1), tol, gated=True)


def adelie_relu(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
    """The same with cones as linear constraints, along twenty penalties: the last alone leaves zero."""
    import adelie as ad

    n = len(data["y"])
    rows = (np.ascontiguousarray((2.0 * m - 1.0)[:, None] * data["design"]) for m in data["masks"])
    cones = [ad.constraint.linear(A, np.zeros(n), np.full(n, np.inf)) for A in rows]
    half = data["masks"][: len(data["masks"]) // 2]  # both signs are in the design
    return _adelie(data, half, np.geomspace(100, 1, 20), tol, gated=False, constraints=cones)


def _adelie(
    data: dict[str, np.ndarray],
    masks: np.ndarray,
    path: np.ndarray,
    tol: float,
    *,
    gated: bool,
    **options: Any,
) -> np.ndarray:
    """Blocks at the end of a path of penalties, in units of the last."""
    import adelie as ad

    n_blocks, dim = len(data["masks"]), data["design"].shape[1]
    design = ad.matrix.convex_relu(
        np.asfortranarray(data["design"]),
        np.asfortranarray(masks.T),
        gated=gated,
        n_threads=int(data["threads"]),
    )
    state = ad.grpnet(
        X=design,
        glm=ad.glm.gaussian(y=data["y"]),
        groups=np.arange(0, n_blocks * dim, dim),
        penalty=np.ones(n_blocks),
        lmda_path=float(data["alpha"]) * path,
        intercept=False,
        tol=tol,
        ddev_tol=0,
        early_exit=False,
        progress_bar=False,
        n_threads=int(data["threads"]),
        **options,
    )
    return state.betas[-1].toarray().reshape(n_blocks, dim)


def pyscnn(
    data: dict[str, np.ndarray], tol: float, dtype: str = "float64", device: str = "cpu"
) -> np.ndarray:
    """R-FISTA; its tolerance is on the squared subgradient."""
    from scnn.models import ConvexGatedReLU
    from scnn.solvers import RFISTA

    model = ConvexGatedReLU(np.ascontiguousarray(data["gates"].T), c=1, bias=False)
    solver = RFISTA(model, max_iters=50_000, tol=tol)
    solved = _pyscnn(data, model, solver, dtype, device)
    return _like_masks(data, model, solved.parameters[0][0])


def pyscnn_relu(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
    """Augmented Lagrangian in float64; the first half of the blocks has sign one, the second minus one."""
    from scnn.models import ConvexReLU
    from scnn.solvers import AL

    half = len(data["masks"]) // 2
    data = data | {"masks": data["masks"][:half], "gates": data["gates"][:half]}
    model = ConvexReLU(np.ascontiguousarray(data["gates"].T), c=1, bias=False)
    solved = _pyscnn(data, model, AL(model, tol=tol, constraint_tol=tol))
    plus, minus = (np.asarray(p).reshape(half, -1) for p in solved.parameters)
    return np.vstack([_like_masks(data, model, plus), _like_masks(data, model, minus)])


def _pyscnn(
    data: dict[str, np.ndarray],
    model: Any,
    solver: Any,
    dtype: str = "float64",
    device: str = "cpu",
) -> Any:
    from scnn.metrics import Metrics
    from scnn.optimize import optimize_model
    from scnn.regularizers import NeuronGL1

    solved, _ = optimize_model(
        model,
        solver,
        Metrics(),
        data["design"],
        data["y"][:, None],
        regularizer=NeuronGL1(float(data["alpha"])),
        return_convex=True,
        unitize_data=False,
        dtype=dtype,
        device=device,
    )
    return solved


def _like_masks(data: dict[str, np.ndarray], model: Any, blocks: np.ndarray) -> np.ndarray:
    """The peer may reorder gates or join equal patterns; bring its blocks into the file's order."""
    gates = np.asarray(model.G).T
    mine = {np.packbits(mask).tobytes(): i for i, mask in reversed(list(enumerate(data["masks"])))}
    ordered = np.zeros((len(data["masks"]), blocks.shape[1]))
    for gate, block in zip(gates, np.asarray(blocks), strict=True):
        ordered[mine[np.packbits(data["design"] @ gate >= 0).tobytes()]] += block
    return ordered


def _cvxpy(solver: str) -> Callable[[dict[str, np.ndarray], float], np.ndarray]:
    def solve(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
        import cvxpy as cp

        options: dict[str, Any] = {
            "CLARABEL": {"tol_gap_rel": tol, "tol_gap_abs": tol, "tol_feas": min(tol, 1e-8)},
            "ECOS": {"reltol": tol, "abstol": tol, "feastol": min(tol, 1e-8)},
            "SCS": {"eps_rel": tol, "eps_abs": tol, "max_iters": 100_000},
        }[solver]
        if solver == "SCS":
            options["time_limit_secs"] = float(data["time_limit"])
        elif solver == "CLARABEL":
            options["time_limit"] = float(data["time_limit"])
        design, masks, n = data["design"], data["masks"].T.astype(float), len(data["y"])
        blocks = cp.Variable((design.shape[1], masks.shape[1]))
        outputs = cp.sum(cp.multiply(masks * data["signs"], design @ blocks), axis=1)
        penalty = float(data["alpha"]) * cp.sum(cp.norm(blocks, 2, axis=0))
        cones = [cp.multiply(2.0 * masks - 1.0, design @ blocks) >= 0]
        fit = cp.sum_squares(outputs - data["y"]) / (2 * n)
        problem = cp.Problem(cp.Minimize(fit + penalty), cones if data["kind"] == "relu" else [])
        try:
            problem.solve(solver=solver, **options)
        except cp.error.SolverError as error:
            print(error, file=sys.stderr)
        return np.zeros_like(blocks).T if blocks.value is None else blocks.value.T

    return solve


def clarabel(data: dict[str, np.ndarray], tol: float) -> np.ndarray:
    """CLARABEL through its own API, the program written as sparse matrices by hand.

    Variables ``(u, f, t)``: ``min (1/2n)‖f‖² − yᵀf/n + alpha 1ᵀt`` under ``f = Au``, the cone rows, and
    ``‖u_i‖ ≤ t_i``.
    """
    import clarabel as cl
    from scipy import sparse as sp

    design, masks, signs = data["design"], data["masks"], data["signs"]
    (n, dim), n_blocks = design.shape, len(masks)
    n_u = n_blocks * dim
    outputs = sp.hstack(
        [sp.csc_matrix(s * m[:, None] * design) for m, s in zip(masks, signs, strict=True)]
    )
    P = sp.diags(np.r_[np.zeros(n_u), np.full(n, 1 / n), np.zeros(n_blocks)]).tocsc()
    q = np.r_[np.zeros(n_u), -data["y"] / n, np.full(n_blocks, float(data["alpha"]))]
    rows = [sp.hstack([outputs, -sp.eye(n), sp.csc_matrix((n, n_blocks))])]
    cones: list[Any] = [cl.ZeroConeT(n)]
    if data["kind"] == "relu":
        towards = sp.block_diag([-(2.0 * m[:, None] - 1.0) * design for m in masks])
        rows.append(sp.hstack([towards, sp.csc_matrix((n * n_blocks, n + n_blocks))]))
        cones.append(cl.NonnegativeConeT(n * n_blocks))
    take_u = sp.kron(sp.eye(n_blocks), sp.vstack([sp.csc_matrix((1, dim)), sp.eye(dim)]))
    take_t = sp.kron(sp.eye(n_blocks), sp.csc_matrix(np.r_[1.0, np.zeros(dim)][:, None]))
    rows.append(-sp.hstack([take_u, sp.csc_matrix((n_blocks * (dim + 1), n)), take_t]))
    cones += [cl.SecondOrderConeT(dim + 1)] * n_blocks
    A = sp.vstack(rows).tocsc()
    settings = cl.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_rel = settings.tol_gap_abs = tol
    settings.tol_feas = min(tol, 1e-8)
    settings.time_limit = float(data["time_limit"])
    solution = cl.DefaultSolver(P, q, A, np.zeros(A.shape[0]), cones, settings).solve()
    return np.asarray(solution.x)[:n_u].reshape(n_blocks, dim)


PEERS: dict[str, Callable[[dict[str, np.ndarray], float], np.ndarray]] = {
    "celer": celer,
    "skglm": skglm,
    "adelie": adelie,
    "adelie-relu": adelie_relu,
    "pyscnn": pyscnn,
    "pyscnn-relu": pyscnn_relu,
    "cvxpy:CLARABEL": _cvxpy("CLARABEL"),
    "cvxpy:ECOS": _cvxpy("ECOS"),
    "cvxpy:SCS": _cvxpy("SCS"),
    "clarabel": clarabel,
}


if __name__ == "__main__":
    main()
