"""Baselines of infinite width, as scikit-learn and its users see them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexrelu.estimators.tangent_kernel import NTKSVC, NTKRidge
from convexrelu.kernels import tangent_kernel
from tests import reference

X, Y = reference.teacher(30, 3, 2, 0.1, 0)
NEW = np.random.default_rng(1).standard_normal((7, 3))
LABELS = np.where(np.median(Y) < Y, "high", "low")
THREE = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
WEIGHT = np.random.default_rng(2).integers(0, 4, len(Y)).astype(float)


@pytest.mark.slow
@parametrize_with_checks([NTKRidge(), NTKSVC()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "name",
    [
        "check_param_validation",
        "check_dataframe_column_names_consistency",
        "check_readonly_memmap_input",
        "check_inplace_ensure_writeable",
    ],
)
@pytest.mark.parametrize("estimator", [NTKRidge, NTKSVC])
def test_scikit_learn_checks_of_its_own_estimators(name, estimator):
    getattr(estimator_checks, name)(estimator.__name__, estimator())


# Ridge regression


def test_without_an_intercept_it_is_kernel_ridge():
    ridge = KernelRidge(alpha=0.3, kernel="precomputed").fit(tangent_kernel(X), Y, WEIGHT)
    model = NTKRidge(0.3, fit_intercept=False).fit(X, Y, WEIGHT)
    np.testing.assert_allclose(model.predict(NEW), ridge.predict(tangent_kernel(NEW, X)))
    assert model.intercept_ == 0.0


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("hidden_bias", [True, False])
def test_intercept_and_coefficients_minimise_the_objective(weight, hidden_bias):
    """The objective is quadratic: its gradient, by differences, is zero at the solution only."""
    model = NTKRidge(0.3, hidden_bias=hidden_bias).fit(X, Y, weight)
    K = tangent_kernel(X, hidden_bias=hidden_bias)
    s = np.ones(len(Y)) if weight is None else weight

    def objective(a, c):
        return s @ (Y - K @ a - c) ** 2 + 0.3 * a @ K @ a

    a, c = model.dual_coef_, model.intercept_
    at_solution, rng = objective(a, c), np.random.default_rng(0)
    for _ in range(50):
        step, shift = 0.1 * rng.standard_normal(len(a)), 0.1 * rng.standard_normal()
        up, down = objective(a + step, c + shift), objective(a - step, c - shift)
        assert min(up, down) > at_solution
        assert up - down == pytest.approx(0.0, abs=1e-10 * up)


def test_an_intercept_takes_any_shift():
    model = NTKRidge(0.3).fit(X, Y)
    shifted = NTKRidge(0.3).fit(X, Y + 1e6)
    np.testing.assert_allclose(shifted.predict(NEW) - 1e6, model.predict(NEW), atol=1e-8)


def test_several_targets_are_fitted_one_by_one():
    both = np.column_stack([Y, X[:, 0] ** 2 + 5])
    model = NTKRidge(0.1).fit(X, both, WEIGHT)
    for k in (0, 1):
        single = NTKRidge(0.1).fit(X, both[:, k], WEIGHT)
        np.testing.assert_allclose(model.predict(NEW)[:, k], single.predict(NEW), rtol=1e-10)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert NTKRidge().fit(X, Y[:, None]).predict(NEW).shape == (7,)


def test_weights_are_repetitions():
    repeated = np.repeat(np.arange(len(Y)), WEIGHT.astype(int))
    weighted = NTKRidge(0.3).fit(X, Y, WEIGHT)
    again = NTKRidge(0.3).fit(X[repeated], Y[repeated])
    np.testing.assert_allclose(weighted.predict(NEW), again.predict(NEW), rtol=1e-8)


def test_a_small_penalty_interpolates():
    np.testing.assert_allclose(NTKRidge(1e-10).fit(X, Y).predict(X), Y, atol=1e-6)


# Classification


@pytest.mark.parametrize("labels", [LABELS, THREE])
def test_classifier_is_a_machine_with_that_kernel(labels):
    """Samples of weight zero would mislead scikit-learn 1.9, which has the kernel of others for them."""
    kept = WEIGHT > 0
    machine = SVC(C=3.0, kernel="precomputed", tol=1e-8)
    machine.fit(tangent_kernel(X[kept]), labels[kept], WEIGHT[kept])
    model = NTKSVC(3.0, tol=1e-8).fit(X, labels, WEIGHT)
    kernel = tangent_kernel(NEW, X[kept])
    np.testing.assert_array_equal(model.predict(NEW), machine.predict(kernel))
    expected = machine.decision_function(kernel)
    np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 1.0, 2: 0.5}])
def test_weights_of_classes(class_weight):
    machine = SVC(kernel="precomputed", class_weight=class_weight, tol=1e-8)
    machine.fit(tangent_kernel(X), THREE)
    model = NTKSVC(class_weight=class_weight, tol=1e-8).fit(X, THREE)
    expected = machine.decision_function(tangent_kernel(NEW, X))
    np.testing.assert_allclose(model.decision_function(NEW), expected, rtol=1e-5, atol=1e-6)


def test_repetitions_are_weights_of_balanced_classes_too():
    repeated = np.repeat(np.arange(len(Y)), WEIGHT.astype(int))
    weighted = NTKSVC(class_weight="balanced").fit(X, THREE, WEIGHT)
    again = NTKSVC(class_weight="balanced").fit(X[repeated], THREE[repeated])
    np.testing.assert_array_equal(weighted.decision_function(NEW), again.decision_function(NEW))


def test_pairs_of_classes():
    model = NTKSVC(decision_function_shape="ovo").fit(X, np.arange(len(X)) % 4)
    assert model.decision_function(NEW).shape == (7, 6)


def test_a_large_C_separates():
    for labels in (LABELS, THREE):
        assert (NTKSVC(1e6).fit(X, labels).predict(X) == labels).all()


# What both can do


@pytest.mark.parametrize(("model", "target"), [(NTKRidge(0.3), Y), (NTKSVC(3.0), LABELS)])
def test_pandas_pickle_clone(model, target):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    fitted = clone(model).fit(frame, target)
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"] and fitted.n_features_in_ == 3
    new = pd.DataFrame(NEW, columns=["a", "b", "c"])
    expected = clone(model).fit(X, target).predict(NEW)
    np.testing.assert_array_equal(fitted.predict(new), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(new), expected)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(new[["b", "a", "c"]])


def test_grid_search():
    search = GridSearchCV(NTKRidge(), {"alpha": [1e-2, 1e4]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"alpha": 1e-2}


@pytest.mark.parametrize("model", [NTKRidge(), NTKSVC()])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[:, 0], LABELS == "low"), "1D array"),
        ((np.where(X > 2, np.nan, X), LABELS == "low"), "Input X contains NaN"),
        (([["one"], ["two"]], [0, 1]), "^X.* is not "),
        ((X, [0, 1]), "y has .* entries, expected .* one for each row of X"),
        ((X, LABELS == "low", -WEIGHT), "sample_weight must be non-negative"),
        ((X, LABELS == "low", 0 * WEIGHT), "(?i)sample.weight.* must .*non-"),
        ((X, LABELS == "low", WEIGHT[1:]), "sample_weight.shape"),
    ],
)
def test_bad_input(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        clone(model).fit(*arguments)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (NTKRidge(0.0), "alpha"),
        (NTKRidge(hidden_bias="free"), "hidden_bias"),
        (NTKRidge(fit_intercept=2), "fit_intercept"),
        (NTKSVC(-1.0), "C"),
        (NTKSVC(hidden_bias="free"), "hidden_bias"),
        (NTKSVC(class_weight="even"), "class_weight"),
        (NTKSVC(decision_function_shape="all"), "decision_function_shape"),
    ],
)
def test_bad_parameters(model, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {type(model).__name__}"):
        model.fit(X, LABELS == "low")


@pytest.mark.parametrize("model", [NTKRidge(), NTKSVC()])
def test_sparse_inputs_and_unfitted_models_are_refused(model):
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        clone(model).fit(csr_array(X), LABELS == "low")
