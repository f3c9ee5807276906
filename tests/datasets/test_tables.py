"""Tables: what their descriptions promise."""

import numpy as np
import pytest

from convexrelu.datasets import NAMES, load, make_counts, make_imbalanced, make_mixed


@pytest.mark.parametrize("name", NAMES)
def test_every_table(name):
    if name == "mixed":
        pytest.importorskip("pandas", reason="holds tables with categories")
    table = load(name)
    assert table.data.shape[1] == len(table.feature_names)
    assert len(table.data) == len(table.target)
    is_text = np.asarray(table.target).dtype.kind == "U"
    assert table.task == ("classification" if is_text else "regression")


def test_unknown_names_are_listed():
    with pytest.raises(ValueError, match="name='titanic' is not known; available: 'breast_cancer'"):
        load("titanic")


@pytest.mark.parametrize("make", [make_counts, make_imbalanced, make_mixed])
def test_seeds(make):
    if make is make_mixed:
        pytest.importorskip("pandas", reason="holds tables with categories")
    first, again, other = (make(50, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.target, again.target)
    assert not np.array_equal(first.target, other.target)


def test_gaps_are_where_they_are_said_to_be():
    pytest.importorskip("pandas", reason="holds tables with categories")
    data = make_mixed(1000, gaps=0.1).data
    assert not data["area"].isna().any()
    # Four standard errors of a fraction of 0.1 of 1000.
    assert (abs(data.iloc[:, 1:].isna().mean() - 0.1) < 4 * np.sqrt(0.09 / 1000)).all()


def test_claims_and_exposures():
    table = make_counts(500)
    np.testing.assert_allclose(table.target * table.exposure, table.counts)
    assert ((table.exposure > 0) & (table.exposure <= 1)).all()


def test_the_rare_class_is_as_rare_as_asked():
    assert (make_imbalanced(200, rare=0.05).target == "rare").sum() == 10
