"""The last training of a cross-validation, which ends where the gap will not close."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem
from convexrelu.estimators.refit import StallRule, train_until_stalled
from convexrelu.results.result import Round
from tests import reference


def entry(objective, gap):
    return Round(
        seconds=0.0,
        objective=objective,
        lower_bound=objective * (1 - gap),
        relative_gap=gap,
        is_proof=False,
        width=1,
        n_blocks=1,
        n_cuts=1,
        violation=0.0,
        solver_status="",
    )


def rounds_until_stalled(objectives, gaps, tol=1e-3, max_iter=30):
    rule = StallRule(tol, max_iter)
    for k, (objective, gap) in enumerate(zip(objectives, gaps, strict=True)):
        try:
            rule(entry(objective, gap))
        except KeyboardInterrupt:
            assert rule.stalled
            return k + 1
    return None


def test_a_settled_objective_with_an_open_gap_stalls():
    assert rounds_until_stalled([1.0] * 9, [0.5] + [0.01] * 8) == 6


def test_a_gap_that_closes_in_time_does_not_stall():
    """It halves in four rounds: from 0.01 below 0.001 after 14 of 30."""
    gaps = 0.01 * 0.5 ** (np.arange(15) / 4)
    assert rounds_until_stalled([1.0] * 15, gaps) is None
    assert rounds_until_stalled([1.0] * 15, gaps, max_iter=10) is not None


def test_an_objective_that_falls_does_not_stall():
    assert rounds_until_stalled(1.0 - 1e-3 * np.arange(9), [0.01] * 9) is None


@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
def test_the_network_is_kept_and_the_status_says_why(monkeypatch):
    monkeypatch.setattr(StallRule, "_has_settled", lambda rule: len(rule._rounds) == 3)
    monkeypatch.setattr(StallRule, "_will_close", lambda rule: False)
    X, y = reference.teacher(40, 5, 3, 0.1, 1)
    problem = TrainingProblem(X, y, alpha=1e-3)
    seen = []
    options = {"tol": 1e-9, "max_iter": 30, "progress": seen.append, "oracle": "quick"}
    result = train_until_stalled(problem, random_state=0, **options)
    assert result.status is Status.STALLED
    assert len(seen) == len(result.history) == 3
    assert result.certificate.objective == pytest.approx(problem.objective(result.network))
