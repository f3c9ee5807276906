"""Comparisons: nested cross-validation as scikit-learn does it, the table, and the plots."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor
from convexrelu.comparison import (
    Comparison,
    ComparisonDisplay,
    CriticalDifferenceDisplay,
    compare,
    rivals_for,
)

X = np.linspace(-1, 1, 24)[:, None]
Y = np.abs(X[:, 0])
LABELS = np.where(Y < 0.5, "inside", "outside")


def regressor():
    return ConvexReLURegressor(alpha=1e-3, effort="predict", random_state=0)


@pytest.fixture(scope="module")
def compared():
    return compare(regressor(), X, Y, rivals={"linear": Ridge()}, cv=3)


def test_scores_are_those_of_cross_validation(compared):
    folds = KFold(3, shuffle=True, random_state=0)
    for scores, model in zip(compared.scores, (regressor(), Ridge()), strict=True):
        np.testing.assert_allclose(scores, cross_val_score(model, X, Y, cv=folds), rtol=1e-12)
    assert compared.names == ["ConvexReLURegressor", "linear"] and compared.scoring == "r2"


def test_rows_are_sorted_and_have_gaps_where_there_is_a_certificate(compared):
    rows = compared.rows()
    assert [row["method"] for row in rows] == ["ConvexReLURegressor", "linear"]
    assert rows[0]["mean"] > 0.9 > rows[1]["mean"]
    assert rows[0]["gap"] == compared.gaps[0].max() >= 0 and np.isnan(rows[1]["gap"])
    assert "± " in str(compared) and str(compared).count("\n") == 2
    assert compared.to_pandas().loc["linear", "mean"] == rows[1]["mean"]


def test_classes():
    model = ConvexReLUClassifier(alpha=1e-2, effort="predict", random_state=0)
    found = compare(model, X, LABELS, rivals={"linear": LogisticRegression()}, cv=2)
    assert found.scoring == "accuracy" and found.scores[0].mean() > found.scores[1].mean()


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_rivals_choose_their_parameters(task):
    y = Y if task == "regression" else LABELS
    rivals = rivals_for(task, cv=2)
    linear = rivals["linear"].fit(X, y)
    assert len(linear.cv_results_["mean_test_score"]) == 4
    assert linear.score(X, y) <= rivals["SVM"].fit(X, y).score(X, y)


def test_first_steps_of_a_pipeline_prepare_data_of_rivals():
    from convexrelu.comparison.compare import _preparation

    first = make_column_transformer((OneHotEncoder(), ["colour"]))
    found = _preparation(make_pipeline(first, StandardScaler(), regressor()))
    assert [type(step).__name__ for _, step in found.steps] == [
        "ColumnTransformer",
        "StandardScaler",
    ]
    rival = rivals_for("regression", preparation=found)["linear"].estimator.regressor
    assert [type(step).__name__ for _, step in rival.steps] == ["Pipeline", "Ridge"]


def test_names_are_distinct():
    with pytest.raises(ValueError, match="rivals has the name 'ConvexReLURegressor'"):
        compare(regressor(), X, Y, rivals={"ConvexReLURegressor": Ridge()})
    with pytest.raises(ValueError, match="task='ranking'"):
        rivals_for("ranking")


def test_display_has_a_point_for_each_fold(compared):
    pytest.importorskip("matplotlib").use("agg")
    display = compared.plot()
    assert isinstance(display, ComparisonDisplay)
    points = [line for line in display.ax_.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(points[-1].get_xdata(), compared.scores[0])
    assert [label.get_text().split("\n")[0] for label in display.ax_.get_yticklabels()] == [
        "linear",
        "ConvexReLURegressor",
    ]


# Mean ranks


def of_means(*means, names=("own", "a", "b")):
    scores = np.array(means, dtype=float)[:, None]
    nothing = np.full_like(scores, np.nan)
    return Comparison(list(names), scores, nothing, nothing, nothing > 0, "r2")


def test_ranks_share_ties():
    display = CriticalDifferenceDisplay(["own", "a", "b"], [[3, 2, 1], [2, 2, 1]])
    np.testing.assert_array_equal(display.ranks, [1.25, 1.75, 3.0])
    with pytest.raises(ValueError, match="two tables"):
        CriticalDifferenceDisplay(["own"], [[1.0]])
    with pytest.raises(ValueError, match=r"scores has shape \(2, 1\), expected \(tables, 2\)"):
        CriticalDifferenceDisplay(["own", "a"], [[1.0], [2.0]])


def test_comparisons_with_other_rivals_are_refused():
    with pytest.raises(ValueError, match="rivals"):
        CriticalDifferenceDisplay.from_comparisons(
            [of_means(1, 2, 3), of_means(1, 2, 3, names=("own", "a", "c"))]
        )


def test_critical_differences_are_drawn():
    pytest.importorskip("scikit_posthocs", reason="draws critical-difference diagrams")
    pytest.importorskip("matplotlib").use("agg")
    display = CriticalDifferenceDisplay.from_comparisons([of_means(3, 2, 1)] * 12)
    drawn = " ".join(text.get_text() for text in display.ax_.texts)
    assert all(name in drawn for name in display.names)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scikit_posthocs", None)
    with pytest.raises(ImportError, match=r"convexrelu\[compare\]"):
        CriticalDifferenceDisplay.from_comparisons([of_means(3, 2, 1)] * 2)
