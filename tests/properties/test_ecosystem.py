"""Every row of the tables in docs/ecosystem.rst: other libraries and scikit-learn's tools around the estimators."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ecosystem.rst").read_text()

N = 30
X = np.random.default_rng(0).standard_normal((N, 3))
Y = np.maximum(X[:, 0], 0.0)  # the other two features do nothing
LABELS = np.where(X[:, 0] > 0, "yes", "no")
THREE = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])


def classifier(**params):
    return ConvexReLUClassifier(**{"alpha": 0.1, "effort": "predict", "random_state": 0, **params})


def regressor(**params):
    return ConvexReLURegressor(**{"alpha": 0.05, "effort": "predict", "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(FRAME, Y)


@pytest.fixture(scope="module")
def scorer():
    return classifier().fit(FRAME, LABELS)


ROWS = {}


def row(name):
    """The test is that of a row of the page."""

    def keep(test):
        ROWS[name] = test
        return test

    return keep


def good(model, y=LABELS, data=X):
    assert model.fit(data, y).score(data, y) > 0.85
    return model


# Choosing and calibrating


@row("GridSearchCV")
def test_grid_search():
    grid = {"convexreluregressor__alpha": [0.01, 0.1]}
    search = good(GridSearchCV(make_pipeline(StandardScaler(), regressor()), grid, cv=2), Y)
    assert search.best_params_ == {"convexreluregressor__alpha": 0.01}


@row("HalvingGridSearchCV")
@pytest.mark.parametrize("resource", ["n_samples", "max_iter"])
def test_halving(resource):
    most = {"max_resources": 8, "min_resources": 4} if resource == "max_iter" else {}
    grid = {"alpha": [0.1, 0.2]}
    search = HalvingGridSearchCV(
        classifier(), grid, resource=resource, cv=2, random_state=0, **most
    )
    assert search.fit(X, LABELS).best_params_["alpha"] in grid["alpha"]


@row("CalibratedClassifierCV")
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method):
    model = good(CalibratedClassifierCV(classifier(), cv=2, method=method), THREE)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


@row("TunedThresholdClassifierCV")
def test_threshold():
    model = TunedThresholdClassifierCV(classifier(), scoring="balanced_accuracy", cv=2)
    assert 0 < good(model).best_threshold_ < 1


@row("cross_validate with routed weights and groups")
def test_routing():
    groups, weight = np.arange(N) // 5, np.ones(N)
    with sklearn.config_context(enable_metadata_routing=True):
        inner = ConvexReLURegressorCV(alphas=[0.05, 0.01], cv=GroupKFold(2), random_state=0)
        model = make_pipeline(ConvexReLUFeatures(regressor().set_fit_request(sample_weight=True)))
        inner.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model.steps.append(("last", inner))
        params = {"groups": groups, "sample_weight": weight}
        found = cross_validate(model, X, Y, params=params, cv=GroupKFold(2), error_score="raise")
    assert (found["test_score"] > 0.8).all()


# Ensembles and selection


@row("StackingClassifier")
def test_stacking():
    good(StackingClassifier([("one", classifier()), ("two", classifier(alpha=0.15))], cv=2))


@row("VotingClassifier")
def test_voting():
    good(VotingClassifier([("one", classifier()), ("two", classifier(alpha=0.1))], voting="soft"))


@row("BaggingClassifier")
def test_bagging():
    """Six samples a bootstrap: some lack a class."""
    model = BaggingClassifier(classifier(), n_estimators=3, max_samples=6, random_state=0)
    probabilities = model.fit(X, THREE).predict_proba(X)
    assert probabilities.shape == (N, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


@row("AdaBoostClassifier")
def test_boosting():
    good(AdaBoostClassifier(classifier(), n_estimators=2, random_state=0), THREE)


@row("RFECV")
def test_elimination():
    model = RFECV(regressor(), cv=2, step=2).fit(FRAME, Y)
    assert model.support_[0]


@row("SequentialFeatureSelector")
def test_selection():
    model = SequentialFeatureSelector(regressor(), n_features_to_select=1, cv=2).fit(FRAME, Y)
    assert list(model.get_feature_names_out()) == ["a"]


@row("OneVsRestClassifier")
def test_one_against_the_rest():
    good(OneVsRestClassifier(classifier(loss="squared_hinge")), THREE)


@row("MultiOutputClassifier and ClassifierChain")
@pytest.mark.parametrize("kind", [MultiOutputClassifier, ClassifierChain])
def test_several_labels(kind):
    both = np.column_stack([LABELS == "yes", LABELS == "no"]).astype(int)
    assert kind(classifier(alpha=0.1)).fit(X, both).score(X, both) > 0.6


@row("SelfTrainingClassifier")
def test_self_training():
    some = np.where(np.arange(N) % 2, -1, (LABELS == "yes").astype(int))
    model = SelfTrainingClassifier(classifier(), max_iter=2).fit(X, some)
    assert model.score(X, LABELS == "yes") > 0.8


@row("TransformedTargetRegressor")
def test_targets():
    good(TransformedTargetRegressor(regressor(alpha=0.01), transformer=StandardScaler()), 1e4 * Y)


# Tables


@row("pandas")
def test_pandas(fitted):
    nullable = FRAME.convert_dtypes()
    np.testing.assert_allclose(fitted.predict(nullable), fitted.predict(FRAME))
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(FRAME[["b", "a", "c"]])


@row("polars")
def test_polars(fitted):
    frame = pl.DataFrame(FRAME.to_dict("list"))
    np.testing.assert_allclose(fitted.predict(frame), fitted.predict(FRAME))
    assert list(regressor().fit(frame, pl.Series(Y)).feature_names_in_) == ["a", "b", "c"]


@row("scipy.sparse")
def test_sparse():
    dense, sparse = regressor().fit(X, Y), regressor().fit(csr_array(X), Y)
    np.testing.assert_allclose(sparse.predict(csr_array(X)), dense.predict(X), rtol=1e-7, atol=1e-9)


@row("ColumnTransformer with numbers, categories and gaps")
def test_mixed_columns():
    table = FRAME.assign(colour=np.where(X[:, 1] > 0, "red", "blue"))
    table.loc[3, "a"] = np.nan
    first = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b", "c"]),
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
    )
    good(make_pipeline(first, regressor(alpha=0.01)), Y, table)


@row("set_output")
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(container):
    features = ConvexReLUFeatures(regressor()).set_output(transform=container).fit(FRAME, Y)
    frame = features.transform(FRAME)
    assert type(frame).__module__.startswith(container)
    assert list(frame.columns) == list(features.get_feature_names_out())


# Looking inside


@row("partial_dependence and permutation_importance")
def test_inspection(scorer):
    found = partial_dependence(scorer, FRAME, ["a"], kind="average", grid_resolution=5)
    assert (np.diff(found["average"][0]) >= 0).all()  # LABELS rise with it
    importances = permutation_importance(scorer, FRAME, LABELS, n_repeats=2, random_state=0)
    assert importances.importances_mean.argmax() == 0


@row("SHAP")
def test_shap(fitted):
    shap = pytest.importorskip("shap", reason="explains predictions")
    values = shap.Explainer(fitted.predict, FRAME)(FRAME.iloc[:5])
    total = values.base_values + values.values.sum(axis=1)
    np.testing.assert_allclose(total, fitted.predict(FRAME.iloc[:5]), atol=1e-8)


@row("MAPIE")
def test_mapie():
    mapie = pytest.importorskip("mapie.regression", reason="makes intervals of predictions")
    model = mapie.CrossConformalRegressor(regressor(), confidence_level=0.8, cv=3)
    predictions, intervals = model.fit_conformalize(X, Y).predict_interval(X)
    assert (intervals[:, 0, 0] <= predictions).all() and (predictions <= intervals[:, 1, 0]).all()


# Files and searches


@row("pickle")
def test_pickle(scorer):
    loaded = pickle.loads(pickle.dumps(scorer))
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), scorer.predict_proba(FRAME))
    assert loaded.certificate_ == scorer.certificate_


@row("MLflow")
@pytest.mark.filterwarnings("ignore::UserWarning")  # of its own imports
def test_mlflow(fitted, tmp_path):
    mlflow = pytest.importorskip("mlflow.sklearn", reason="keeps models")
    mlflow.save_model(fitted, tmp_path / "model", serialization_format="cloudpickle")
    loaded = mlflow.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(FRAME), fitted.predict(FRAME))
    assert loaded.certificate_ == fitted.certificate_


@row("Optuna")
def test_optuna():
    optuna = pytest.importorskip("optuna", reason="searches for parameters")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def score(trial):
        alpha = trial.suggest_float("alpha", 1e-3, 1.0, log=True)
        return regressor(alpha=alpha).fit(X[::2], Y[::2]).score(X[1::2], Y[1::2])

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    study.optimize(score, n_trials=3)
    assert study.best_value > 0.5


# The page


def named_rows():
    """Names of the rows, and the tests that they give for themselves."""
    rows = re.findall(r"^   \* - (.+)\n((?:     .*\n)+)", PAGE, re.MULTILINE)
    return {name.replace("``", ""): re.findall(r"tests/[\w/]+\.py", text) for name, text in rows}


def test_every_row_of_the_page_is_tested():
    rows = {name: files for name, files in named_rows().items() if name != "with"}
    elsewhere = {name for name, files in rows.items() if files}
    assert set(rows) - elsewhere == set(ROWS)
    for name in elsewhere:
        assert all((ROOT / file).is_file() for file in rows[name]), name
