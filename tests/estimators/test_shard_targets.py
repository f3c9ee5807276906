"""Several labels, missing targets and exposures, of which processes have parts; groups are made of threads."""

import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, distributed
from convexrelu.chunked import Alone, GroupError
from convexrelu.estimators.exposure import rates_of
from convexrelu.losses import WeightedOutputs
from convexrelu.training.path import largest_penalty
from tests.chunked.together import together
from tests.estimators.shard_cases import (
    CASES,
    CLASSES,
    COUNTS,
    EXPOSURE,
    FIRST,
    GAPS,
    IGNORE,
    LABELS,
    LATE,
    SIGNAL,
    TARGETS,
    WEIGHT,
    N,
    X,
    classifier,
    copy_of,
    counting,
    regressor,
)


def on_shards(estimator, y, more, inputs=X):
    """The estimators of two processes."""

    def fit(group):
        own = [slice(0, FIRST), slice(FIRST, N)][group.rank]
        parts = {name: value[own] for name, value in more.items()}
        return distributed.fit(copy_of(estimator), inputs[own], y[own], group=group, **parts)

    return together(2, fit)


def problem_of(estimator, y, sample_weight=None, exposure=None):
    """That of one process, which has all rows."""
    if exposure is not None:
        y, sample_weight = rates_of(y, sample_weight, exposure)
    return estimator._problem(*estimator._checked(X, y, sample_weight), estimator.alpha)


@pytest.fixture(scope="module", params=CASES)
def case(request):
    estimator, y, more = CASES[request.param]
    return estimator, y, more, on_shards(estimator, y, more)


def test_all_processes_have_the_network_of_one(case):
    estimator, y, more, found = case
    alone = distributed.fit(copy_of(estimator), X, y, group=Alone(), **more)
    for model in found:
        assert model.certificate_ == alone.certificate_
        assert np.array_equal(model.predict(X), alone.predict(X))


def test_the_problem_is_that_of_the_plain_estimator(case):
    estimator, y, more, (model, _) = case
    problem = problem_of(copy_of(estimator), y, **more)
    certificate = model.certificate_
    assert certificate.objective == pytest.approx(problem.objective(model.network_), rel=1e-12)
    plain = copy_of(estimator).set_params(effort="predict").fit(X, y, **more)
    assert certificate.objective == pytest.approx(plain.certificate_.objective, rel=0.06)
    for known in (plain.certificate_, certificate):
        assert known.proved_lower_bound <= min(certificate.objective, plain.certificate_.objective)
    agreement = np.abs(model.predict(X) == plain.predict(X)).mean()
    assert isinstance(estimator, ConvexReLURegressor) or agreement > 0.95
    assert (model.predict(X).shape, model.predict(X).dtype) == (
        plain.predict(X).shape,
        plain.predict(X).dtype,
    )


def test_rows_on_disk_in_single_precision(tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    estimator = regressor(max_iter=1, tol=0.5, **IGNORE)
    found, _ = on_shards(estimator, GAPS, {}, mapped)
    expected, _ = on_shards(estimator, GAPS, {}, X.astype(np.float32).astype(float))
    assert found.certificate_ == expected.certificate_


def test_labels_that_all_samples_with_weight_share_need_no_training():
    weight = np.where(CLASSES == "mid", 1.0, 0.0)
    for y in (CLASSES, LABELS * (CLASSES != "mid")[:, None]):
        found = on_shards(classifier(), y, {"sample_weight": weight})
        plain = classifier().fit(X, y, weight)
        for model in found:
            assert np.array_equal(model.predict(X), plain.predict(X))
            assert model.certificate_.is_proof and model.certificate_.objective == 0
    bad = np.where(LATE[:, None], np.nan, X)
    first, second = on_shards(classifier(), CLASSES, {"sample_weight": weight}, bad)
    assert "process 1: ValueError: X contains NaN" in str(first)
    assert isinstance(second, ValueError)


def test_a_process_may_have_no_weight_and_no_targets():
    weight = np.where(LATE, WEIGHT, 0.0)
    options = {"max_iter": 1, "tol": 0.5}
    empty = np.where(LATE[:, None], GAPS, np.nan)
    for estimator, y in (
        (regressor(**options), TARGETS),
        (classifier(**options), CLASSES),
        (classifier(**options), LABELS),
        (regressor(**options, **IGNORE), empty),
    ):
        first, second = on_shards(estimator, y, {} if y is empty else {"sample_weight": weight})
        assert first.certificate_ == second.certificate_
        weights = None if y is empty else weight
        problem = problem_of(copy_of(estimator), y, weights)
        objective = problem.objective(first.network_)
        assert first.certificate_.objective == pytest.approx(objective, rel=1e-12)
    for estimator, y in ((regressor(), TARGETS), (classifier(), CLASSES), (classifier(), LABELS)):
        for error in on_shards(estimator, y, {"sample_weight": 0 * WEIGHT}):
            assert "sample_weight must" in str(error)


def test_errors_in_training_end_all():
    zero = np.column_stack([COUNTS, 0 * COUNTS])
    for error in on_shards(counting(), zero, {"exposure": EXPOSURE}):
        assert "y is zero for every sample" in str(error)


def test_columns_are_one_target_or_label():
    with pytest.warns(match="column-vector"):
        column = distributed.fit(regressor(max_iter=1, tol=0.5), X, SIGNAL[:, None], group=Alone())
    flat = distributed.fit(regressor(max_iter=1, tol=0.5), X, SIGNAL, group=Alone())
    assert column.certificate_ == flat.certificate_


WIDER = np.column_stack([LABELS, LABELS[:, 0]])


@pytest.mark.parametrize(
    ("estimator", "own", "other", "message"),
    [
        # What one process has, what the other one, and the error of both.
        (classifier(), {"y": LABELS}, {"y": WIDER}, "y: process 1 has 4 labels, process 0 has 3"),
        (classifier(), {"y": LABELS}, {"y": CLASSES}, "y: process 1 has other labels, process 0"),
        (regressor(**IGNORE), {"y": GAPS}, {"y": SIGNAL}, "y: process 1 has one target, process 0"),
        (
            counting(),
            {"y": COUNTS},
            {"y": COUNTS, "exposure": EXPOSURE},
            "exposure: process 1 has some, process 0 has none",
        ),
        (
            regressor(**IGNORE),
            {"y": GAPS * [1, np.nan]},
            {"y": GAPS * [1, np.nan]},
            "y has no target in column 1: all are missing",
        ),
        (
            classifier(loss="multinomial"),
            {"y": LABELS},
            {"y": LABELS},
            "loss='multinomial' is for one label of each sample, y has 3",
        ),
        (
            classifier(class_weight="balanced"),
            {"y": LABELS},
            {"y": LABELS},
            "class_weight='balanced' is not supported for several labels",
        ),
    ],
)
def test_what_no_process_takes_ends_all(estimator, own, other, message):
    def fit(group):
        data = other if group.rank else own
        return distributed.fit(copy_of(estimator), X, group=group, **data)

    for error in together(2, fit):
        assert isinstance(error, ValueError | GroupError)
        assert message in str(error)


@pytest.mark.parametrize(
    ("estimator", "data", "message"),
    [
        (counting(), {"y": COUNTS, "exposure": EXPOSURE * (X[:, 0] < 2)}, "exposure has the entry"),
        (counting(), {"y": COUNTS, "exposure": EXPOSURE[1:]}, "exposure has shape"),
        (counting(), {"y": COUNTS - 5.0, "exposure": EXPOSURE}, "y has the entry -5"),
        (classifier(), {"y": COUNTS, "exposure": EXPOSURE}, "exposure is for counts"),
        (regressor(), {"y": COUNTS, "exposure": EXPOSURE}, "exposure is for counts"),
        (classifier(), {"y": 2 * LABELS}, "1d array"),
        (classifier(), {"y": LABELS[1:]}, "y has .* entries, expected .* one for each row of X"),
        (regressor(), {"y": GAPS}, "NaN"),
        (regressor(**IGNORE), {"y": np.where(GAPS > 1, np.inf, GAPS)}, "y.*infinity"),
        (classifier(), {"y": np.where(SIGNAL > 0, "a", None)}, "missing labels"),
        (regressor(), {"y": SIGNAL, "sample_weight": WEIGHT[1:]}, "sample_weight"),
        # The row has no target, or its class no weight.
        (
            regressor(**IGNORE),
            {"y": GAPS, "sample_weight": np.where(np.isnan(GAPS).all(axis=1), -1.0, 1.0)},
            "sample_weight has negative entries",
        ),
        (
            classifier(class_weight={"mid": 0.0}),
            {"y": CLASSES, "sample_weight": np.where(CLASSES == "mid", -1.0, 1.0)},
            "sample_weight has negative entries",
        ),
    ],
)
def test_bad_data_of_one_process_are_named_on_all(estimator, data, message):
    """The other process has good data of the same kinds."""
    good = {"exposure": EXPOSURE} if "exposure" in data else {}
    good["y"] = LABELS if np.ndim(data["y"]) == 2 else CLASSES
    if isinstance(estimator, ConvexReLURegressor):
        good["y"] = TARGETS if np.ndim(data["y"]) == 2 else COUNTS

    def fit(group):
        return distributed.fit(copy_of(estimator), X, group=group, **(data if group.rank else good))

    first, second = together(2, fit)
    with pytest.raises(ValueError, match=message):
        raise second
    with pytest.raises((GroupError, ValueError), match=message):
        raise first


def test_processes_agree_on_what_training_does_not_compare():
    pandas = pytest.importorskip("pandas", reason="tests data frames")
    frames = [pandas.DataFrame(X, columns=list(names)) for names in ("ab", "ba")]

    def fit(group):
        return distributed.fit(regressor(), frames[group.rank], SIGNAL, group=group)

    for error in together(2, fit):
        assert "name of feature 0: process 1 has 'b', process 0 has 'a'" in str(error)

    def weighted(group):
        model = classifier(
            class_weight=[{"low": 2.0, "mid": 1.0}, {"mid": 1.0, "low": 3.0}][group.rank]
        )
        return distributed.fit(model, X, CLASSES, group=group)

    for error in together(2, weighted):
        assert "class_weight: process 1 has" in str(error)


def test_weights_of_outputs_need_not_be_on_all_processes():
    loss = WeightedOutputs(ConvexReLURegressor()._problem(X, TARGETS, None, 0.1).loss)
    y = loss.observed(GAPS)
    assert loss.checked_rows(y[:FIRST]) is not None
    with pytest.raises(ValueError, match="no target with weight in column 1"):
        loss.checked_targets(y[:FIRST])
    with pytest.raises(ValueError, match="not between 0 and 1"):
        loss.checked_rows(2 * y)


def test_a_warm_start_begins_with_the_network_of_process_0():
    once = regressor(max_iter=1, tol=0.5, warm_start=True)
    distributed.fit(once, X, TARGETS, group=Alone())
    first = once.certificate_.objective

    def fit(group):
        model = regressor(warm_start=True, callbacks=[entries[group.rank].append])
        if group.rank == 0:
            model.__dict__.update(network_=once.network_)
        own = slice(FIRST) if group.rank == 0 else slice(FIRST, N)
        return distributed.fit(model, X[own], TARGETS[own], group=group)

    entries = [], []
    found = together(2, fit)
    assert found[0].certificate_ == found[1].certificate_
    assert entries[0][0].objective <= first * (1 + 1e-12)
    labels = classifier(warm_start=True, max_iter=1, tol=0.5)
    labels.__dict__.update(network_=once.network_)  # which has as many outputs as labels that vary
    distributed.fit(labels, X, LABELS, WEIGHT, group=Alone())
    assert labels.predict(X).shape == LABELS.shape
    assert labels.last_network((2, 2), 0.0) is labels.network_
    assert labels.last_network((2, 3), 0.0) is labels.last_network((2, 2), 0.1) is None


@pytest.mark.parametrize("name", ["labels", "gaps", "exposure and gaps"])
def test_objectives_are_those_of_fit_where_it_trains_in_chunks(name, monkeypatch):
    for setting in ("FEW_SAMPLES", "_SWEPT", "MOST_PROVED"):  # few rows, features and no proof
        monkeypatch.setattr(f"convexrelu.training.session.{setting}", 0)
    estimator, y, more = CASES[name]
    plain = copy_of(estimator).fit(X, y, **more)
    alone = distributed.fit(copy_of(estimator), X, y, group=Alone(), **more)
    # Weights are scaled at another place, and rows without weight left out: sums are rounded differently.
    assert alone.certificate_.objective == pytest.approx(plain.certificate_.objective, rel=1e-4)
    assert alone.network_.n_outputs == plain.network_.n_outputs


@pytest.mark.parametrize("name", ["labels", "exposure and gaps", "classes"])
def test_a_penalty_may_be_relative(name):
    estimator, y, more = CASES[name]
    relative = copy_of(estimator).set_params(alpha=0.3, alpha_scale="relative", max_iter=1)
    first, second = on_shards(relative, y, more)
    assert first.alpha_max_ == second.alpha_max_
    problem = problem_of(copy_of(estimator), y, **more)
    expected = largest_penalty(problem.condensed(), np.random.RandomState(0), "cpu")
    assert first.alpha_max_ == pytest.approx(expected, rel=1e-2)  # searches find it from below
    absolute = copy_of(estimator).set_params(alpha=0.3 * first.alpha_max_, max_iter=1)
    found, _ = on_shards(absolute, y, more)
    assert found.certificate_ == first.certificate_
    assert not hasattr(found, "alpha_max_")


def test_processes_agree_on_limits_before_they_search():
    def fit(group):
        model = regressor(alpha_scale="relative", time_limit=[1e-9, 100.0][group.rank])
        return distributed.fit(model, X, SIGNAL, group=group)

    for error in together(2, fit):
        assert "time_limit: process 1 has 100.0, process 0 has 1e-09" in str(error)


@pytest.mark.parametrize("name", ["labels", "exposure and gaps"])
def test_fits_on_a_device(name, device):
    estimator, y, more = CASES[name]
    model = copy_of(estimator).set_params(alpha=0.1, alpha_scale="relative", device=device)
    distributed.fit(model, X, y, group=Alone(), **more)
    assert model.certificate_.relative_gap <= model.tol
    problem = problem_of(copy_of(estimator), y, **more).with_alpha(0.1 * model.alpha_max_)
    objective = problem.objective(model.network_)
    assert model.certificate_.objective == pytest.approx(objective, rel=1e-12)


def test_a_device_that_is_not_there_is_named():
    for scale in ("absolute", "relative"):
        with pytest.raises(ValueError, match="device='nowhere'"):
            distributed.fit(
                regressor(device="nowhere", alpha_scale=scale), X, SIGNAL, group=Alone()
            )
