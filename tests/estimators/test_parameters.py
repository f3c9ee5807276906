"""Signature, constraints and docstring of an estimator say the same."""

import ast
import doctest
import inspect
import re

import pytest
from sklearn.utils._param_validation import StrOptions, make_constraint

import convexrelu
from convexrelu.estimators.fitted_entries import ATTRIBUTES
from convexrelu.estimators.parameters import parameters_of
from convexrelu.oracles.selection import ORACLES
from convexrelu.solvers.base import SOLVERS

KINDS = {
    "ConvexReLUClassifier": ("classifier", "fixed"),
    "ConvexReLUClassifierCV": ("classifier", "cv"),
    "ConvexReLURegressor": ("regressor", "fixed"),
    "ConvexReLURegressorCV": ("regressor", "cv"),
}
ALL = [*KINDS, "ConvexReLUFeatures", "NTKRidge", "NTKSVC"]
NEEDED = inspect.Parameter.empty


def signature(name):
    """Default by parameter."""
    parameters = inspect.signature(getattr(convexrelu, name)).parameters
    return {key: parameter.default for key, parameter in parameters.items()}


def section(name, title):
    """Type by entry of a section of the docstring."""
    doc = inspect.getdoc(getattr(convexrelu, name))
    (text,) = re.findall(rf"^{title}\n-+\n(.*?)(?:\n\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^(\w+)(?: : (.*))?$", text, re.MULTILINE))


def default(text):
    found = re.search(r", default=(.*)$", text)
    return ast.literal_eval(found[1]) if found else NEEDED


@pytest.mark.parametrize("name", ALL)
def test_signature_constraints_and_docstring_name_the_same(name):
    documented = section(name, "Parameters")
    assert list(documented) == list(signature(name))
    assert getattr(convexrelu, name)._parameter_constraints.keys() == documented.keys()


@pytest.mark.parametrize("name", ALL)
def test_signature_and_docstring_have_the_same_defaults(name):
    written = {key: default(text) for key, text in section(name, "Parameters").items()}
    assert written == signature(name)
    for key, value in signature(name).items():
        assert type(written[key]) is type(value), key


@pytest.mark.parametrize("name", KINDS)
def test_the_table_has_the_defaults_of_the_signature(name):
    rows = parameters_of(*KINDS[name])
    assert [row.name for row in rows] == list(signature(name))
    assert {row.name: row.default for row in rows} == signature(name)
    assert {row.name: row.default for row in rows} == getattr(convexrelu, name)().get_params()


@pytest.mark.parametrize("name", ALL)
def test_defaults_are_allowed(name):
    allowed = getattr(convexrelu, name)._parameter_constraints
    for key, value in signature(name).items():
        if value is not NEEDED:
            assert any(make_constraint(one).is_satisfied_by(value) for one in allowed[key]), key


@pytest.mark.parametrize("name", ALL)
def test_docstrings_list_every_name_that_is_allowed(name):
    documented = section(name, "Parameters")
    for key, constraints in getattr(convexrelu, name)._parameter_constraints.items():
        for constraint in constraints:
            if isinstance(constraint, StrOptions) and key != "scoring":  # scikit-learn lists those
                assert all(f'"{option}"' in documented[key] for option in constraint.options), key


@pytest.mark.parametrize("name", KINDS)
def test_docstrings_are_complete(name):
    cls = getattr(convexrelu, name)
    assert "{" not in re.sub(r'\{"[^{}]*"\}', "", cls.__doc__)
    kinds = ("", *KINDS[name])
    assert list(section(name, "Attributes")) == [
        one.name for one in ATTRIBUTES if one.only in kinds
    ]
    assert "ConvergenceWarning" in section(name, "Warns")
    assert "KeyboardInterrupt" in section(name, "Raises")
    lines = cls.__doc__.splitlines()
    assert all(len(line) <= 120 or " : " in line for line in lines)
    (example,) = [test for test in doctest.DocTestFinder().find(cls, name) if test.name == name]
    assert len(example.examples) >= 6


def test_what_is_added_for_a_kind():
    (scoring,) = [one for one in parameters_of("classifier", "cv") if one.name == "scoring"]
    assert scoring.text_for(("classifier", "cv")).endswith("``None`` means the accuracy.")
    assert "accuracy" not in scoring.text_for(("regressor", "cv"))
    (loss,) = [one for one in parameters_of("regressor", "fixed") if one.name == "loss"]
    assert loss.heading.endswith('or Loss, default="squared_error"')


@pytest.mark.parametrize("function", [convexrelu.train, convexrelu.certify])
@pytest.mark.parametrize(("parameter", "names"), [("oracle", ORACLES), ("solver", SOLVERS)])
def test_functions_list_the_names_of_the_tables(function, parameter, names):
    """In their docstrings, from the line of the parameter to that of the next."""
    text = inspect.getdoc(function)
    described = re.search(rf"^{parameter} : .*?(?=^\w+ : )", text, re.M | re.S)
    assert described and set(re.findall(r'"([^"]+)"', described[0])) >= set(names)
