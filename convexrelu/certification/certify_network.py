"""Certify networks trained elsewhere, and train further from them."""

from __future__ import annotations

import math
import numbers
import time
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from convexrelu._utils.arguments import check_number
from convexrelu._utils.deadlines import part_before
from convexrelu._utils.threads import one_blas_thread
from convexrelu.certificates.pricing import certificate_without_pricing, price_and_certify
from convexrelu.certificates.rational import verified
from convexrelu.certification.cell import cell_lower_bound
from convexrelu.certification.conversion import as_network, as_targets, unwrapped
from convexrelu.certification.one_pass import Evaluation
from convexrelu.certification.training import sharpest, trained_from
from convexrelu.losses import Loss
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.oracles.for_problem import oracles_for
from convexrelu.oracles.selection import check_oracle
from convexrelu.problem.condensing import condensing_fits, with_weight
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import read_when_needed
from convexrelu.problem.unread_problem import problem_on
from convexrelu.results.network_certificate import NetworkCertificate
from convexrelu.results.result import Result
from convexrelu.results.status import SolverWarning, Status
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.registry import master_of
from convexrelu.solvers.support import check_support

if TYPE_CHECKING:
    import torch

__all__ = ["certify"]

ARITHMETICS = ("float64", "rational")
BOUNDS = ("trained", "residual")

# Parts of the time left after which the choice of oracles, one bound, the same if training follows, and training end.
_TIME_TO_PREPARE, _TIME_FOR_ONE_BOUND, _TIME_BEFORE_TRAINING, _TIME_TO_TRAIN = 0.25, 0.5, 0.25, 0.75


def certify(
    network_or_module: TwoLayerNetwork | torch.nn.Module | BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    alpha: float,
    loss: str | Loss = "squared_error",
    activation: str = "relu",
    negative_slope: float = 0.01,
    hidden_bias: bool | str = True,
    fit_intercept: bool = True,
    skip: bool = False,
    skip_alpha: float = 0.0,
    sample_weight: ArrayLike | None = None,
    oracle: str | Oracle | OracleFactory = "auto",
    solver: str | ProgramSolver = "auto",
    bound: str = "trained",
    improve: bool = False,
    tol: float = 1e-3,
    time_limit: float | None = None,
    arithmetic: str = "float64",
    device: str = "cpu",
    random_state: int | np.random.RandomState | None = None,
) -> NetworkCertificate:
    """Gaps of any two-layer ReLU network to the optimum of its cell and to the global optimum.

    Parameters
    ----------
    network_or_module : TwoLayerNetwork, torch.nn.Module, scikit-learn estimator or skorch net
        A network; a module with two linear layers and a ReLU between them, see
        :func:`~convexrelu.interop.torch.from_torch`, or a fitted skorch net of one; a fitted
        :class:`sklearn.neural_network.MLPRegressor` or ``MLPClassifier`` with one hidden layer of ReLU units; an
        estimator whose `network_` is a :class:`~convexrelu.TwoLayerNetwork`; or a :class:`sklearn.pipeline.Pipeline`
        that ends with one of these. The objective is computed from the weights as they are; ``network.merge()`` gives
        the same function at its smallest penalty. What a module computes in evaluation mode, or an estimator predicts,
        is compared with the outputs of these weights on `X`.
    X : array of shape (n, d)
        Training inputs; for a pipeline, as they are before its first step.
    y : array of shape (n,) or (n, K)
        Training targets. For a classifier, with ``loss="logistic"``, ``"multinomial"`` or another loss of classes, they
        may be its labels.
    alpha : float
        Weight decay, scaled as in :class:`~convexrelu.problem.TrainingProblem`.
    loss, activation, negative_slope, hidden_bias, fit_intercept, skip, skip_alpha, sample_weight
        The rest of the training problem, see :class:`~convexrelu.problem.TrainingProblem`.
    oracle : {"auto", "sweep", "cells", "branch_and_bound", "affine", "semidefinite", "search", "quick", "spike_free", \
            "prove"}, Oracle or OracleFactory
        Bound on ``M(v)``: ``"auto"`` proves it where that takes seconds and estimates it by search otherwise;
        see :func:`~convexrelu.oracles.selection.choose_oracles`.
    solver : {"auto", "newton", "interior_point", "fista", "network", "cvxpy:CLARABEL", "cvxpy:ECOS", "cvxpy:SCS"} \
            or ProgramSolver
        Solver of the cell's program, and of the programs of `improve`, as for :func:`~convexrelu.train`.
    bound : {"trained", "residual"}
        Source of the dual point of the global bound. ``"trained"``: training by cutting planes, which starts at the
        network and stops at a relative gap of `tol`, so that the gap is the distance to the optimum. ``"residual"``:
        the network's own residual. That takes one pricing instead of a training, but the bound is loose unless the
        network is trained to the end. The certificate is that of the given network in either case.
    improve : bool
        Whether to keep the network that training finds. The result is in the attribute `improved`; its objective never
        exceeds that of the given network or of ``network.merge()``. This implies ``bound="trained"``.
    tol : float
        Relative gap at which training stops; the cell's program is solved to the same accuracy.
    time_limit : float, optional
        Seconds for everything but one evaluation of the network on the data. The bounds hold wherever it stops, but are
        weaker; with 0 there may be none but zero. An array `X` that there is no time to copy is kept as it is, in the
        attribute `problem`.
    arithmetic : str
        ``"float64"``: proofs allow for rounding. ``"rational"``: objective and global lower bound are verified in
        exact fractions, where the problem is small enough; see the notes.
    device : str
        Torch device of descent, native solvers and searches, such as ``"cuda"``.
    random_state : int, RandomState or None
        Seed of the searches.

    Returns
    -------
    NetworkCertificate

    Warns
    -----
    SolverWarning
        From the training of `improve`, see :func:`~convexrelu.train`.

    Raises
    ------
    ValueError
        For bad data, a network that does not fit them or has a bias or intercept that the problem forbids, one that
        computes something else than its weights say, as with a hook, or an unknown option. As
        :class:`sklearn.exceptions.NotFittedError`, for an estimator that is not fitted.
    KeyboardInterrupt
        If interrupted. With ``improve=True`` only before training has begun; later, `improved` has the best network so
        far, with ``Status.INTERRUPTED``.

    Notes
    -----
    The cell's program is the ReLU program over the patterns and signs of the network's own neurons. Its
    bound allows for rounding and holds whatever the solver returned. A sample exactly on the kink of
    a neuron counts as active: such a network belongs to several cells, and the gap is that of this one.

    In rational arithmetic, branch and bound proves ``M(v) ≤ M̂`` again, whatever oracle proposed ``M̂``: an
    estimate becomes a proof. For a hundred samples and a gap of 1e-3 this takes less than a second with three features
    and a bias, about two seconds with four and twenty with five. Without a proof after about a minute, the
    certificate stays as it is: its attribute `arithmetic` is then ``"float64"``. The problem uses
    the float64 weights, ``1/n`` or the given ones divided by their sum. `cell_lower_bound` and `violation`
    are float64 in any case. For sparse inputs with more features than samples the coordinates are computed in float64,
    with bounds on their rounding errors.

    ``MLPRegressor`` minimises ``(1/2n) Σ (f − y)² + (alpha/2n) Σ w²`` with ``n`` the batch size, which is the
    sample size for ``solver="lbfgs"``: its `alpha` is ``n`` times the one here. It does not penalise the hidden
    biases, which is a different problem: its optimum has a gap here.

    References
    ----------
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", JMLR
    22, section 2; He, Wang & Tao 2020, "Piecewise linear activations substantially shape the loss surfaces
    of neural networks", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TwoLayerNetwork, certify
    >>> X, y = np.array([[-1.0], [0.0], [1.0]]), np.array([0.0, 0.0, 1.0])
    >>> by_hand = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
    >>> certificate = certify(by_hand, X, y, alpha=0.01, improve=True, random_state=0)
    >>> certificate.is_proof, certificate.scope, certificate.n_mixed
    (True, 'global', 1)
    >>> bool(certificate.lower_bound < 0.01 <= certificate.objective < 0.010001)
    True
    >>> certificate.improved.certificate.relative_gap <= 1e-3
    True
    """
    started = time.perf_counter()
    given, X = unwrapped(network_or_module, X)
    if time_limit is not None:
        check_number("time_limit", time_limit, numbers.Real, 0)
    deadline = math.inf if time_limit is None else started + time_limit
    problem = problem_on(
        read_when_needed(X, deadline),
        as_targets(given, y, loss),
        alpha,
        loss=loss,
        activation=activation,
        negative_slope=negative_slope,
        hidden_bias=hidden_bias,
        fit_intercept=fit_intercept,
        skip=skip,
        skip_alpha=skip_alpha,
        sample_weight=sample_weight,
    )
    network = as_network(given, problem)
    if oracle == "spike_free":
        raise ValueError("oracle='spike_free' finds cuts but certifies nothing; use another oracle")
    if arithmetic not in ARITHMETICS:
        raise ValueError(
            f"arithmetic={arithmetic!r} is not known; available: {', '.join(map(repr, ARITHMETICS))}"
        )
    if arithmetic == "rational" and not _is_plain(problem):
        raise ValueError(
            "arithmetic='rational' supports one output, loss='squared_error', activation='relu', penalised "
            "biases and no skip connection only; use arithmetic='float64'"
        )
    if bound not in BOUNDS:
        raise ValueError(f"bound={bound!r} is not known; available: {', '.join(map(repr, BOUNDS))}")
    check_number("tol", tol, numbers.Real, 0)
    with one_blas_thread():
        program_solver = master_of(solver, tol, device)
        check_support(program_solver, problem)
        check_oracle(oracle)
        preparing = part_before(deadline, _TIME_TO_PREPARE)
        posed, in_order = problem, condensing_fits(problem, preparing)
        problem = problem.condensed() if in_order else with_weight(problem)
        evaluation = Evaluation.of(network, problem)
        if not math.isfinite(evaluation.objective):
            raise ValueError(
                "network_or_module has weights so large that its objective overflows float64 on X with this alpha"
            )
        found = partial(
            NetworkCertificate,
            n_dead=evaluation.n_dead,
            n_linear=evaluation.n_linear,
            n_mixed=evaluation.n_mixed,
            network=network,
            problem=posed,
        )
        if not (problem.design_fits(deadline) and problem.free_basis_fits(deadline)):
            certificate = certificate_without_pricing(problem, evaluation.objective)
            kept = Result(network, certificate, Status.TIME_LIMIT).certified(certificate, tol)
            bound_of_cell = certificate.proved_lower_bound
            return found(
                **vars(certificate),
                cell_lower_bound=bound_of_cell,
                improved=kept if improve else None,
            )
        preparing = part_before(deadline, _TIME_TO_PREPARE)
        exact = oracles_for(problem, oracle, random_state, device, preparing).exact

        trains = improve or bound == "trained"
        share = _TIME_BEFORE_TRAINING if trains else _TIME_FOR_ONE_BOUND
        pricing = part_before(deadline, share)
        own = problem.dual_point(evaluation.outputs)
        certificate, report = price_and_certify(
            problem, network, exact, own, objective=evaluation.objective, deadline=pricing
        )
        trained = None
        if trains:
            options: dict[str, Any] = {"oracle": oracle, "solver": solver, "device": device}
            options["random_state"] = random_state
            training = part_before(deadline, _TIME_TO_TRAIN)
            with warnings.catch_warnings():
                if not improve:  # whatever the solver did, the bound holds
                    warnings.simplefilter("ignore", SolverWarning)
                trained = trained_from(
                    network, problem, exact, certificate, tol=tol, deadline=training, **options
                )
            certificate = sharpest(certificate, trained.certificate, tol)
            if trained.status is Status.INTERRUPTED:
                if not improve:
                    raise KeyboardInterrupt(f"certify was interrupted; until then: {certificate}")
                deadline = time.perf_counter()  # what takes no time is still done
        cell = -math.inf
        try:
            if arithmetic == "rational":
                best = network if trained is None else trained.network
                if trained is not None:
                    v = problem.dual_point(best.predict(problem.X))
                    pricing = part_before(deadline, _TIME_FOR_ONE_BOUND)
                    _, report = price_and_certify(problem, network, exact, v, deadline=pricing)
                v = posed.dual_point(best.predict(posed.X))
                certificate = verified(
                    posed, network, certificate, v, report.bound, deadline=deadline
                )
            cell = cell_lower_bound(problem, network, program_solver, own, deadline)
        except KeyboardInterrupt:
            if trained is None or not improve:
                raise
            trained = replace(trained, status=Status.INTERRUPTED)
        return found(
            **vars(certificate),
            # A bound below every network is below those of the cell.
            cell_lower_bound=max(cell, certificate.proved_lower_bound),
            improved=trained if improve else None,
            dual=trained.dual if trained is not None and in_order else None,
        )


def _is_plain(problem: TrainingProblem) -> bool:
    """Whether rational arithmetic supports the problem."""
    squared = problem.loss.is_least_squares
    plain = problem.n_outputs == 1 and problem.slope == 0
    return squared and plain and not problem.free_bias and not problem.skip
