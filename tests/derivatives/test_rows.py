import numpy as np
import pytest

from convexrelu.derivatives import DerivativeProblem, DerivativeRows

POINTS = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])


def test_multi_indices_are_gradient_and_value():
    rows = DerivativeRows.from_operator(
        POINTS, {(1, 0): 2.0, (0, 1): [1.0, 2.0, 3.0], (0, 0): -1.0}, target=5.0, weight=3.0
    )
    assert rows.gradient.tolist() == [[2.0, 1.0], [2.0, 2.0], [2.0, 3.0]]
    assert rows.value.tolist() == [-1.0] * 3 and rows.target.tolist() == [5.0] * 3
    assert rows.weight == 3.0 and len(rows) == 3


@pytest.mark.parametrize("index", [(2, 0), (1, 1), (0, 3)])
def test_higher_orders_are_refused_with_the_reason(index):
    with pytest.raises(ValueError, match=r"order two or more.*zero wherever it exists"):
        DerivativeRows.from_operator(POINTS, {index: 1.0})


def test_a_hessian_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="order two or more"):
        DerivativeRows(POINTS, gradient=np.zeros((3, 2, 2)))


def test_gradient_matching_is_the_mean_over_points():
    wanted = np.arange(6.0).reshape(3, 2)
    rows = DerivativeRows.gradients(POINTS, wanted, weight=0.5)
    # ½ Σ weight/m ‖…‖²: each of the six rows has weight 0.5/3.
    assert rows.weight / len(rows) == pytest.approx(0.5 / 3)
    assert (rows.gradient @ np.array([1.0, 10.0])).tolist() == [1.0, 10.0] * 3
    assert rows.target.tolist() == wanted.ravel().tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": [0.0]}, "points has shape"),
        ({"gradient": [1.0]}, r"gradient has shape \(1,\), expected \(2,\)"),
        ({"value": [1.0, 2.0]}, "value has shape"),
        ({"target": np.nan}, "target contains NaN"),
        ({"weight": -1.0}, "weight=-1.0 is not a number of at least 0"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        DerivativeRows(**{"points": POINTS, "gradient": [1.0, 0.0]} | arguments)


@pytest.mark.parametrize("index", [(1,), "10", (-1, 1), (0.5, 0.5)])
def test_bad_multi_indices_are_named(index):
    with pytest.raises(ValueError, match="coefficients has"):
        DerivativeRows.from_operator(POINTS, {index: 1.0})


@pytest.mark.parametrize("coefficients", [None, 3, [1.0]])
def test_coefficients_are_a_mapping(coefficients):
    with pytest.raises(ValueError, match=r"^coefficients is a"):
        DerivativeRows.from_operator(POINTS, coefficients)


@pytest.mark.parametrize("rows", [None, 3, "x", [3]])
def test_rows_of_another_kind_are_refused(rows):
    with pytest.raises(ValueError, match=r"^rows has"):
        DerivativeProblem(POINTS, POINTS[:, 0], 0.1, rows)
