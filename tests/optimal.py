"""What a fit with a proof promises beside an optimum that is known."""


def assert_optimal(model, optimum, tol):
    certificate = model.certificate_
    assert certificate.is_proof
    assert certificate.lower_bound <= optimum * (1 + 1e-7)
    assert optimum * (1 - 1e-7) <= certificate.objective <= optimum * (1 + 2 * tol)
