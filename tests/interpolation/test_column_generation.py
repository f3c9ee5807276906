"""Which of two bounds stays with the smaller norm."""

import pytest

from convexrelu.certificates.certificate import Certificate
from convexrelu.interpolation.column_generation import _better
from convexrelu.networks.two_layer import TwoLayerNetwork

WIDE, NARROW = TwoLayerNetwork.constant(1, 1.0), TwoLayerNetwork.constant(1, 2.0)


def certificate(norm, bound, is_proof):
    return Certificate(norm, bound, "global", "search", is_proof, bound if is_proof else 0.0)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ((2.0, 1.5, False), (1.0, 0.5, False), 0.5),  # 1.5 is refuted by the norm 1
        ((2.0, 0.9, False), (1.0, 0.5, False), 0.9),
        ((2.0, 1.5, False), (1.0, 0.1, True), 0.1),
        ((2.0, 0.9, True), (1.0, 0.95, False), 0.9),
        ((1.0, 0.8, False), (2.0, 1.9, False), 0.8),
    ],
)
def test_an_estimate_above_the_smaller_norm_is_not_kept(earlier, later, expected):
    found = (WIDE, certificate(*earlier)), (NARROW, certificate(*later))
    network, kept = _better(*found)
    smaller = min(found, key=lambda pair: pair[1].objective)
    assert network is smaller[0]
    assert kept.objective == smaller[1].objective
    assert kept.lower_bound == expected
    assert kept.lower_bound <= kept.objective
