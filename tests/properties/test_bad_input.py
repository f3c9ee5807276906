"""Unusual input: the answer of its ordinary twin, or a ValueError that names the argument."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from convexrelu import AlphaWarning, ConvexReLURegressor, SolverWarning, TrainingProblem
from convexrelu.losses import Logistic
from convexrelu.oracles import CellOracle
from convexrelu.patterns import cone_support
from tests import reference
from tests.honest import assert_certifies, assert_honest, assert_same_network, assert_same_outputs

RNG = np.random.default_rng(0)
X, Y = reference.teacher(20, 2, 2, 0.1, 0)
INT_X, INT_Y = RNG.integers(-3, 4, (20, 2)), RNG.integers(-5, 6, 20)
ALPHA = 0.01


def regressor(**params):
    return ConvexReLURegressor(**{"alpha": ALPHA, "random_state": 0, **params})


def with_entry(array, value):
    changed = np.array(array, dtype=float)
    changed.flat[3] = value
    return changed


# The same numbers in other containers


def _memory_map(tmp_path, array):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.dat"
    array.tofile(path)
    return np.memmap(path, dtype=array.dtype, mode="r", shape=array.shape)


def _read_only(tmp_path, array):
    array = array.copy()
    array.flags.writeable = False
    return array


CONTAINERS = {
    "int64": lambda tmp_path, array: array.astype(np.int64),
    "int8": lambda tmp_path, array: array.astype(np.int8),
    "float32": lambda tmp_path, array: array.astype(np.float32),
    "float16": lambda tmp_path, array: array.astype(np.float16),
    "big endian": lambda tmp_path, array: array.astype(">f8"),
    "object": lambda tmp_path, array: array.astype(object),
    "list": lambda tmp_path, array: array.tolist(),
    "Fortran order": lambda tmp_path, array: np.asfortranarray(array, dtype=float),
    "strided": lambda tmp_path, array: np.repeat(array.astype(float), 2, axis=0)[::2],
    "reversed": lambda tmp_path, array: array[::-1].astype(float)[::-1],
    "read-only": _read_only,
    "memory map": _memory_map,
}


def few_neurons():
    return regressor(alpha=0.3)


@pytest.fixture(scope="module")
def twin_of_integers():
    return few_neurons().fit(INT_X.astype(float), INT_Y.astype(float))


@pytest.mark.parametrize("container", CONTAINERS)
def test_other_containers_of_the_same_numbers(tmp_path, container, twin_of_integers):
    convert, twin = CONTAINERS[container], twin_of_integers
    inputs, targets = convert(tmp_path, INT_X), convert(tmp_path, INT_Y)
    model = few_neurons().fit(inputs, targets, convert(tmp_path, np.ones(20)))
    expected = twin.predict(INT_X.astype(float))
    np.testing.assert_allclose(model.predict(inputs), expected, rtol=0, atol=1e-9)
    assert_same_network(few_neurons().fit(inputs, targets).network_, twin.network_)
    assert_honest(model, INT_X, INT_Y)
    assert model.certificate_.relative_gap <= model.tol
    assert model.predict(inputs).dtype == np.float64


def test_a_column_of_targets_is_flattened_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        model = regressor().fit(X, Y[:, None])
    assert_same_network(model.network_, regressor().fit(X, Y).network_)
    assert model.predict(X).shape == (20,)


def test_float32_inputs_are_not_rounded_further():
    single = X.astype(np.float32)
    twin = regressor().fit(single.astype(float), Y)
    assert_same_network(regressor().fit(single, Y).network_, twin.network_)


# Unusual but valid data

VALID = {
    "one sample": (X[:1], Y[:1], {}),
    "two samples": (X[:2], Y[:2], {}),
    "one feature": (X[:, :1], Y, {}),
    "constant targets": (X, np.full(20, 3.3), {}),
    "constant targets, no intercept": (X, np.full(20, 3.3), {"fit_intercept": False}),
    "zero targets": (X, np.zeros(20), {}),
    "zero targets, no intercept": (X, np.zeros(20), {"fit_intercept": False}),
    "duplicated rows": (np.vstack([X, X, X]), np.concatenate([Y, Y, Y]), {}),
    "duplicated rows, other targets": (np.vstack([X, X]), np.append(Y, -Y), {}),
    "equal rows": (np.ones((20, 2)), Y, {}),
    "zero rows": (np.zeros((20, 2)), Y, {}),
    "duplicated features": (X[:, [0, 0, 1]], Y, {}),
    "constant feature": (np.column_stack([X, np.full(20, 7.0)]), Y, {}),
    "more features than samples": (RNG.standard_normal((5, 30)), RNG.standard_normal(5), {}),
    "many samples": (RNG.standard_normal((1500, 1)), RNG.standard_normal(1500), {"alpha": 0.02}),
    "large offset of the targets": (X, Y + 1e8, {}),
    "large offset of the inputs": (X + 1e3, Y, {}),
    "large targets": (1e6 * Y[:, None] * X, 1e6 * Y, {"alpha": 1e10}),
    "small features": (1e-8 * X, Y, {}),
    "small features, no bias": (1e-8 * X, Y, {"alpha": 1e-10, "hidden_bias": False}),
    "large features": (1e8 * X, Y, {"alpha": 1e6}),
    "large features, no bias": (1e8 * X, Y, {"alpha": 1e6, "hidden_bias": False}),
    "mixed features": (X * [1e-8, 1e8], Y, {"alpha": 1e5}),
    "mixed features, no bias": (X * [1e-8, 1e8], Y, {"alpha": 1e5, "hidden_bias": False}),
    "huge penalty": (X, Y, {"alpha": 1e300}),
}


@pytest.mark.filterwarnings("ignore::convexrelu.AlphaWarning")  # of the huge penalty
@pytest.mark.parametrize("case", VALID)
def test_unusual_data(case):
    inputs, targets, params = VALID[case]
    model = regressor(**params).fit(inputs, targets)
    assert_honest(model, inputs, targets)
    assert model.certificate_.relative_gap <= model.tol
    assert np.isfinite(model.predict(inputs)).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_data_that_are_all_zero_have_no_cell_to_project_on(monkeypatch, fit_intercept):
    def nnls(rows, target):  # scipy's corrupts memory where there is no column
        assert rows.shape[1] > 0
        return original(rows, target)

    original = cone_support.nnls
    monkeypatch.setattr(cone_support, "nnls", nnls)
    params = {"hidden_bias": False, "fit_intercept": fit_intercept}
    model = regressor(**params).fit(np.zeros((20, 2)), Y)
    assert_honest(model, np.zeros((20, 2)), Y)
    assert (model.network_.width, model.certificate_.is_proof) == (0, True)
    np.testing.assert_array_equal(model.predict(X), np.full(20, model.network_.output_bias[0]))


@pytest.mark.parametrize("targets", [np.full(20, 3.3), np.zeros(20), np.full(20, -1e8)])
def test_constant_targets_are_met_exactly(targets):
    model = regressor().fit(X, targets)
    np.testing.assert_array_equal(model.predict(X), targets)
    assert (model.certificate_.objective, model.certificate_.relative_gap) == (0.0, 0.0)
    assert model.certificate_.is_proof


def test_repeated_data_are_the_same_data():
    twin = regressor(tol=1e-8).fit(X, Y)
    model = regressor(tol=1e-8).fit(np.vstack([X, X, X]), np.concatenate([Y, Y, Y]))
    certificates = model.certificate_, twin.certificate_
    assert_same_outputs(model.predict(X), twin.predict(X), certificates)


def test_an_offset_of_the_targets_only_moves_the_intercept():
    model, twin = regressor(tol=1e-5).fit(X, Y + 1e8), regressor(tol=1e-5).fit(X, Y)
    certificates = model.certificate_, twin.certificate_
    assert_same_outputs(model.predict(X) - 1e8, twin.predict(X), certificates, slack=1e-7)
    assert certificates[0].objective == pytest.approx(certificates[1].objective, rel=2e-5)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_without_bias_the_penalty_scales_with_the_features(scale):
    params = {"hidden_bias": False, "tol": 1e-6}
    twin = regressor(**params).fit(X, Y)
    model = regressor(**params, alpha=ALPHA * scale).fit(scale * X, Y)
    certificates = model.certificate_, twin.certificate_
    assert certificates[0].objective == pytest.approx(certificates[1].objective, rel=2e-6)
    assert_same_outputs(model.predict(scale * X), twin.predict(X), certificates)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_penalty_scales_with_the_targets(scale):
    twin = regressor(tol=1e-6).fit(X, Y)
    model = regressor(tol=1e-6, alpha=ALPHA * scale).fit(X, scale * Y)
    objective = twin.certificate_.objective * scale**2
    assert model.certificate_.objective == pytest.approx(objective, rel=2e-6)
    assert model.certificate_.is_proof and model.certificate_.gap <= 1e-6 * objective
    gap = model.certificate_.gap / scale**2
    distance = np.sqrt(np.mean((model.predict(X) / scale - twin.predict(X)) ** 2))
    assert distance <= np.sqrt(2 * gap) + np.sqrt(2 * twin.certificate_.gap) + 1e-12


BADLY_SCALED = {
    "large features": (1e8 * X[:5], Y[:5], {}),  # it stalls with all of them too, after longer
    "small features, small penalty": (1e-8 * X, Y, {"alpha": 1e-10}),
    "mixed features": (X[:8] * [1e-8, 1e8], Y[:8], {}),
    "large inputs": (1e150 * X[:6], Y[:6], {}),
    "large targets": (X[:8], 1e150 * Y[:8], {}),
    "small penalty": (X[:12], Y[:12], {"alpha": 1e-12}),
    "subnormal penalty": (X[:6], Y[:6], {"alpha": 1e-320}),
    "subnormal penalty, one round": (X, Y, {"alpha": 1e-320, "max_iter": 1}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BADLY_SCALED)
def test_bad_scaling_is_solved_or_admitted(case):
    inputs, targets, params = BADLY_SCALED[case]
    model = regressor(**params)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model.fit(inputs, targets)
    assert_certifies(model.certificate_, model.network_, inputs, targets, model.alpha)
    categories = {warning.category for warning in record}
    assert categories <= {AlphaWarning, ConvergenceWarning, SolverWarning}
    assert (ConvergenceWarning in categories) == (model.certificate_.relative_gap > model.tol)


# Penalties above the largest useful one


@pytest.mark.parametrize("d", [1, 2, 3, 10, 60])
def test_a_large_penalty_has_a_certified_constant_network(d):
    inputs, targets = reference.teacher(40, d, 2, 0.1, d)
    with pytest.warns(AlphaWarning, match="alpha=1e\\+04 is .* the network is constant"):
        model = regressor(alpha=1e4).fit(inputs, targets)
    assert model.network_.width == 0
    np.testing.assert_allclose(model.predict(inputs), targets.mean(), rtol=1e-12)
    assert (model.certificate_.is_proof, model.certificate_.scope) == (True, "global")
    assert model.certificate_.relative_gap <= 1e-12
    assert_honest(model, inputs, targets)


@pytest.mark.parametrize("params", [{}, {"hidden_bias": False}, {"fit_intercept": False}])
def test_the_first_neuron_appears_below_alpha_max(params):
    problem = TrainingProblem(X, Y, 1.0, **params)
    alpha_max = problem.alpha_max(CellOracle(problem.design))
    above = regressor(alpha=1.0001 * alpha_max, **params).fit(X, Y)
    below = regressor(alpha=0.98 * alpha_max, tol=1e-6, **params).fit(X, Y)
    assert above.network_.width == 0 < below.network_.width
    constant = Y.mean() if params.get("fit_intercept", True) else 0.0
    np.testing.assert_allclose(above.predict(X), constant, rtol=1e-12)
    for model in (above, below):
        assert model.certificate_.is_proof
        assert_honest(model, X, Y)


# Errors

BAD_DATA = {
    "X with NaN": ("X", {"X": with_entry(X, np.nan)}),
    "X with infinity": ("X", {"X": with_entry(X, np.inf)}),
    "X of words": ("X", {"X": np.array([["a", "b"]] * 20)}),
    "X of objects": ("X", {"X": np.array([["a", 1.0]] * 20, dtype=object)}),
    "X too large": ("X", {"X": 1e200 * X}),
    "X of dates": ("X", {"X": X.astype("M8[ns]")}),
    "X with NaT": ("X", {"X": np.array([["2020", "NaT"]] * 20, dtype="M8[D]")}),
    "X of records": ("X", {"X": np.zeros((20, 2), dtype=[("a", float), ("b", int)])}),
    "X with a mask": ("X", {"X": np.ma.array(X, mask=X > 1)}),
    "X of huge integers": ("X", {"X": np.full((20, 2), 10**400, dtype=object)}),
    "y of time differences": ("y", {"y": Y.astype("m8[s]")}),
    "y with a mask": ("y", {"y": np.ma.array(Y, mask=Y > 0)}),
    "weights with a mask": (
        "sample_weight",
        {"sample_weight": np.ma.array(np.ones(20), mask=Y > 0)},
    ),
    "weights of dates": ("sample_weight", {"sample_weight": np.zeros(20, dtype="M8[s]")}),
    "y with NaN": ("y", {"y": with_entry(Y, np.nan)}),
    "y with infinity": ("y", {"y": with_entry(Y, -np.inf)}),
    "y of words": ("y", {"y": np.array(["a"] * 20)}),
    "y too large": ("y", {"y": 1e200 * Y}),
    "y missing": ("y", {"y": None}),
    "y of three axes": ("y|Found array with dim 3", {"y": np.zeros((20, 2, 2))}),
    "y scalar": ("y", {"y": 3.0}),
    "weights negative": ("sample_weight", {"sample_weight": with_entry(np.ones(20), -1.0)}),
    "weights with NaN": ("sample_weight", {"sample_weight": with_entry(np.ones(20), np.nan)}),
    "weights infinite": ("sample_weight", {"sample_weight": with_entry(np.ones(20), np.inf)}),
    "weights zero": ("[Ss]ample[_ ]weights?", {"sample_weight": np.zeros(20)}),
    "weights too short": ("sample_weight", {"sample_weight": np.ones(3)}),
    "weights of words": ("sample_weight", {"sample_weight": np.array(["a"] * 20)}),
    "weights two-dimensional": ("[Ss]ample weights", {"sample_weight": np.ones((20, 1))}),
}


def test_masks_without_an_entry_are_no_masks():
    data = np.ma.array(X, mask=np.zeros(X.shape, dtype=bool)), np.ma.array(Y)
    assert_same_network(regressor().fit(*data).network_, regressor().fit(X, Y).network_)


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_refused_by_name(case):
    name, change = BAD_DATA[case]
    model = regressor()
    with pytest.raises(ValueError, match=rf"(?<!\w){name}(?!\w)"):
        model.fit(**{"X": X, "y": Y, **change})
    assert not hasattr(model, "network_")


SHAPES = {
    "one-dimensional X": ("Expected 2D array", X[:, 0], Y),
    "three-dimensional X": ("dim 3", X[None], Y),
    "no samples": (r"0 sample\(s\)", X[:0], Y[:0]),
    "no features": (r"0 feature\(s\)", X[:, :0], Y),
    "other numbers of samples": ("y has 19 entries, expected 20", X, Y[:-1]),
}


@pytest.mark.parametrize("case", SHAPES)
def test_wrong_shapes_are_refused(case):
    message, inputs, targets = SHAPES[case]
    with pytest.raises(ValueError, match=message):
        regressor().fit(inputs, targets)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (X[:, :1], "X has 1 features, but ConvexReLURegressor is expecting 2"),
        (X[0], "Expected 2D array"),
        (with_entry(X, np.nan), "Input X contains NaN"),
        (with_entry(X, np.inf), "Input X contains infinity"),
    ],
)
def test_bad_inputs_of_predict(inputs, message):
    model = regressor().fit(X, Y)
    with pytest.raises(ValueError, match=message):
        model.predict(inputs)


BAD_PARAMETERS = {
    "alpha": [0, -1, np.nan, np.inf, "a", None, True, 10**400, 1e308, np.timedelta64(1)],
    "alpha_scale": ["log", True, None],
    "hidden_bias": ["yes", 2, None],
    "fit_intercept": ["yes", 2, None],
    "skip": ["yes", 2, None],
    "skip_alpha": [-1, np.nan, np.inf, "a", None, 1e308],
    "loss": ["cubic", "hinge", Logistic(), None],
    "missing_targets": ["drop", None, True],
    "activation": ["gelu", None],
    "negative_slope": [0, 1, -0.5, np.nan, "a", None],
    "patterns": ["some", None, 5, [[1, 2]], [1, 2, 3], np.zeros((0, 3)), [["a", "b", "c"]]],
    "monotonic_cst": [[2, 0], [1], "up", {"a": 1}, np.nan],
    "positive": ["yes", 2, None],
    "n_patterns": [0, 1.5, True, "a"],
    "solver": ["MOSEK", "cvxpy:MOSEK", None],
    "effort": ["much"],
    "oracle": ["oracle", None],
    "tol": [-1, np.nan, np.inf, "a", None, True, 10**400, np.timedelta64(1)],
    "max_iter": [0, 1.5, True, np.inf, None],
    "time_limit": [-1, np.nan, np.inf, "a", True, 10**400],
    "minimal": ["yes", None],
    "warm_start": ["yes", None],
    "device": ["abacus", None],
    "callbacks": [3, "a", [3], [None]],
    "verbose": [-1, "a", None],
    "random_state": ["a", -1, 1.5, np.random.default_rng(0)],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_PARAMETERS.items() for value in values],
)
def test_bad_parameters_are_refused_by_name(name, value):
    model = regressor(**{name: value})
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")


def test_every_parameter_is_tried():
    assert BAD_PARAMETERS.keys() == ConvexReLURegressor().get_params().keys()


def test_gates_must_be_finite():
    with pytest.raises(ValueError, match="patterns contains NaN"):
        regressor(patterns=np.full((2, 3), np.nan)).fit(X, Y)


def test_gated_networks_need_patterns():
    with pytest.raises(ValueError, match="patterns='cutting_plane'"):
        regressor(activation="gated_relu").fit(X, Y)


@pytest.mark.parametrize(("name", "value"), [("patterns", "enumerated"), ("oracle", "cells")])
def test_too_many_cells_are_counted(name, value):
    inputs, targets = reference.teacher(60, 12, 2, 0.1, 0)
    with pytest.raises(ValueError, match=r"up to [\d,]+ activation patterns") as caught:
        regressor(**{name: value}).fit(inputs, targets)
    assert f"{name}='{value}'" in str(caught.value)
