"""A sample of scikit-learn's checks for estimators as they are by default; ``tools/check_defaults.py`` runs all."""

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from tools.check_defaults import DEFAULTS

# Without fits, or on a few samples.
WITHOUT_FIT = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimators_unfitted",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_valid_tag_types",
    "check_estimators_empty_data_messages",
    "check_fit1d",
    "check_complex_data",
    "check_requires_y_none",
    "check_classifiers_regression_target",
)
WITH_FIT = ("check_fit2d_1sample",)


@pytest.mark.parametrize("name", DEFAULTS)
def test_sample_of_checks(name):
    names = WITHOUT_FIT if name.endswith("CV") else WITHOUT_FIT + WITH_FIT
    done = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence on random labels
        for estimator, check in estimator_checks_generator(DEFAULTS[name]()):
            check_name = check.func.__name__
            if check_name in names:
                check(estimator)
                done.add(check_name)
    assert len(done) >= len(WITHOUT_FIT) - 3  # scikit-learn has renamed some
