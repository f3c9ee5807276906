"""Folds of cross-validation, and complaints about them that name ``cv``."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from convexrelu import ConvexReLUClassifierCV, ConvexReLURegressor, ConvexReLURegressorCV
from convexrelu.comparison import compare
from convexrelu.estimators.splits import checked_splits

N = 12
X = np.linspace(-1, 1, N)[:, None]
Y = np.abs(X[:, 0])
LABELS = np.array(["rare"] + ["a", "b"] * 5 + ["b"])  # one, five and six samples


def assert_equal_splits(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for part, other_part in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


@pytest.mark.parametrize("cv", [4, np.int64(4), None])
def test_numbers_of_folds_are_as_scikit_learn_makes_them(cv):
    n_folds = 5 if cv is None else int(cv)
    found = checked_splits(cv, X, Y, classifier=False)
    assert_equal_splits(found, list(KFold(n_folds).split(X)))
    labels = np.arange(N) % 2
    found = checked_splits(cv, X, labels, classifier=True, seed=3)
    expected = StratifiedKFold(n_folds, shuffle=True, random_state=3).split(X, labels)
    assert_equal_splits(found, list(expected))


@pytest.mark.parametrize(
    "cv",
    [
        KFold(3),
        [(np.arange(6), np.arange(6, N)), ([0, 1], [-1])],
        [(np.arange(N) < 4, np.arange(N) >= 4)],
    ],
)
def test_splitters_and_pairs_are_kept(cv):
    expected = list(cv.split(X)) if isinstance(cv, KFold) else cv
    assert_equal_splits(checked_splits(cv, X, Y, classifier=False), expected)


REFUSED = {
    "more folds than samples": (100, r"cv=100 makes more folds than .* n_samples=12"),
    "no splits": ([], "cv has no splits"),
    "other rows": ([([0, 1], [N])], f"split 0 of cv has no numbers of the {N} rows of X"),
    "no numbers": ([([0], [1]), ([0.5], [1])], "split 1 of cv has no numbers"),
    "nothing to train on": ([([], [1])], "split 0 of cv has no samples to train or to score on"),
    "nothing to score on": ([(np.zeros(N, bool), [1])], "split 0 of cv has no samples"),
    "no pairs": ([1, 2], "cv does not split these samples"),
    "a splitter of more folds": (KFold(100), r"cv=KFold\(n_splits=100.* does not split"),
    "no groups": (GroupKFold(3), r"cv=GroupKFold.*'groups'.*enable_metadata_routing=True"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("estimator", [ConvexReLURegressorCV, ConvexReLUClassifierCV])
def test_complaints_name_cv(estimator, case):
    cv, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        estimator(cv=cv).fit(X, np.arange(N) % 2)


def test_classes_need_as_many_samples_as_there_are_folds():
    """The rest of the samples would not do: the largest class has six."""
    with pytest.raises(
        ValueError, match="cv=7 makes more folds than any class has samples, at most 6"
    ):
        ConvexReLUClassifierCV(cv=7).fit(X, LABELS)
    checked_splits(7, X, LABELS, classifier=False)


def test_rare_classes_are_warned_of_by_name():
    message = "cv=3 makes more folds than class 'rare' has samples, 1"
    with pytest.warns(UserWarning, match=message) as caught:
        found = checked_splits(3, X, LABELS, classifier=True)
    assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = list(StratifiedKFold(3).split(X, LABELS))
    assert_equal_splits(found, expected)


@pytest.mark.parametrize(
    ("cv", "n_targets", "message"),
    [
        (100, N, "cv=100 makes more folds than there are samples"),
        (1, N, "cv=1 is not a number of at least two folds"),
        (2, N - 1, "y has 11 entries, expected 12"),
    ],
)
def test_comparisons_name_what_is_wrong(cv, n_targets, message):
    with pytest.raises(ValueError, match=message):
        compare(ConvexReLURegressor(), X, Y[:n_targets], rivals={"linear": Ridge()}, cv=cv)
