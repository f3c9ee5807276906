"""Statuses beside gaps that were found after them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.certificates.certificate import Certificate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.results import Result

TOL = 1e-3
GAPS = [0.0, 0.5 * TOL, TOL, 1.5 * TOL, 1.0]


@pytest.mark.parametrize(("status", "gap", "is_proof"), list(product(Status, GAPS, [True, False])))
def test_no_status_contradicts_its_gap(status, gap, is_proof):
    certificate = Certificate(1.0, 1.0 - gap, "global", "search", is_proof, 1.0 - gap)
    before = Certificate(1.0, 0.3, "global", "search", is_proof, 0.3)
    result = Result(TwoLayerNetwork.constant(1), before, status, n_iter=7)
    after = result.certified(certificate, TOL)
    now, small = after.status, certificate.relative_gap <= TOL
    assert after.certificate is certificate
    assert replace(after, status=status, certificate=before).n_iter == 7
    if status in (Status.STOPPED, Status.INTERRUPTED):  # someone's wish
        assert now is status
        return
    assert small or now is not Status.CONVERGED
    if small and is_proof:
        assert now is Status.CONVERGED
    if status is not Status.CONVERGED and not (small and is_proof):
        assert now is status  # why training ended: an estimate does not decide
    assert now.beside(certificate.relative_gap, TOL, is_proof=is_proof) is now


def test_a_proof_of_a_closed_form_decides_the_status():
    """The program on a line proves more than the loop that follows it, which has stalled."""
    X = np.array([[-0.72], [-0.88], [-0.61]])
    y = np.array([0.023556814761907338, -0.40845994613613174, 0.10233659603271172])
    problem = TrainingProblem(X, y, 0.0009, loss="absolute_error", hidden_bias="free")
    for seed in (71, 0):
        result = train(problem, random_state=seed, tol=1e-7)
        certificate = result.certificate
        converged = certificate.relative_gap <= 1e-7
        assert (result.status is Status.CONVERGED) is converged
        assert certificate.proved_lower_bound <= certificate.lower_bound
