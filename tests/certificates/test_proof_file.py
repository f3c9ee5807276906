"""Proofs in files: what is written is accepted by the checker, and nothing else is."""

import hashlib
import importlib.util
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, certify, train
from convexrelu.certificates import proof_file, save_proof
from convexrelu.losses import AbsoluteError, Huber, Quantile
from convexrelu.oracles.bounds.rational import fractions
from tests import reference

TOOL = Path(__file__).parents[2] / "tools" / "check_proof.py"
SPEC = importlib.util.spec_from_file_location("check_proof", TOOL)
checker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(checker)

X, Y = reference.teacher(7, 2, 3, 0.2, 1)
LABELS = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0])
NETWORK = TwoLayerNetwork([[0.5, -0.25], [0.1, 0.75]], [0.0, 0.0], [[0.7, -0.3]], [0.0])
LOSSES = ["squared_error", "absolute_error", Huber(0.5), Quantile(0.3), "hinge", "squared_hinge"]


def written(folder, problem):
    """The paths of the data."""
    paths = [folder / "X.npy", folder / "y.npy"]
    arrays = [problem.X, problem.y]
    if not (problem.weights == 1 / problem.n_samples).all():
        paths.append(folder / "weights.npy")
        arrays.append(problem.weights)
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    return paths


def taken_apart(path):
    magic, header, records = path.read_bytes()[:-32].split(b"\n", 2)
    return magic, json.loads(header), records


def put_together(path, magic, header, records):
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    content = b"\n".join([magic, line, records])
    path.write_bytes(content + hashlib.sha256(content).digest())


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A proof, the paths of its data, and the problem."""
    folder = tmp_path_factory.mktemp("proof")
    problem = TrainingProblem(X, Y, 0.05)
    save_proof(folder / "net.proof", problem, NETWORK, relative_gap=0.5)
    return folder / "net.proof", written(folder, problem), problem


@pytest.mark.parametrize("bias, intercept", [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_what_is_written_is_accepted(loss, weights, bias, intercept, tmp_path):
    problem = TrainingProblem(
        X,
        LABELS if "hinge" in str(loss) else Y,
        0.1,
        loss=loss,
        hidden_bias=bias,
        fit_intercept=intercept,
        sample_weight=weights,
    )
    gap = save_proof(tmp_path / "net.proof", problem, NETWORK, relative_gap=0.3)
    _, above, below, count = checker.check(tmp_path / "net.proof", *written(tmp_path, problem))
    assert float(above) == pytest.approx(problem.objective(NETWORK), rel=1e-13)
    assert gap == float((above - below) / above)
    assert count >= 4 * problem.design.shape[1]
    # The optimum is at most the objective of any network.
    rng, tried = np.random.default_rng(0), [problem.zero_network(), NETWORK]
    for factor in np.geomspace(0.1, 2, 20):
        outer = factor * (NETWORK.output_weights + 0.3 * rng.standard_normal(2))
        tried.append(TwoLayerNetwork(NETWORK.hidden_weights, [0, 0], outer, [0.0]))
    assert below <= min(map(problem.objective, tried))


@pytest.mark.parametrize("alpha", [10.0, 0.05])
def test_a_network_without_units(alpha, tmp_path):
    """It is optimal for a large penalty; one that is far from optimal has a proof as well."""
    problem = TrainingProblem(X, Y, alpha)
    gap = save_proof(tmp_path / "net.proof", problem, problem.zero_network())
    assert (gap < 1e-3) == (alpha == 10.0)
    assert checker.main([tmp_path / "net.proof", *written(tmp_path, problem)]) == 0


def test_nothing_to_fit(tmp_path):
    """Targets of zero: objective, dual point and gap are zero."""
    problem = TrainingProblem(X, 0 * Y, 0.1)
    assert save_proof(tmp_path / "net.proof", problem, problem.zero_network()) == 0
    assert checker.main([tmp_path / "net.proof", *written(tmp_path, problem)]) == 0


@pytest.mark.parametrize(
    "x_size, y_size", [(1e150, 1.0), (1e-150, 1.0), (1.0, 1e100), (1.0, 1e-100)]
)
def test_numbers_of_any_size(x_size, y_size, tmp_path):
    problem = TrainingProblem(x_size * X, y_size * Y, 0.05 * x_size * y_size, hidden_bias=False)
    network = problem.zero_network()
    assert save_proof(tmp_path / "net.proof", problem, network, relative_gap=0.5) <= 1
    assert checker.main([tmp_path / "net.proof", *written(tmp_path, problem)]) == 0


def test_flipped_bytes_are_refused(example, tmp_path):
    path, data, _ = example
    content = path.read_bytes()
    assert checker.main([path, *data]) == 0
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), size=200, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= rng.integers(1, 256)
        (tmp_path / "bad.proof").write_bytes(damaged)
        assert checker.main([tmp_path / "bad.proof", *data]) == 1


def test_flipped_bytes_with_a_new_checksum_change_no_claim(example, tmp_path):
    path, data, _ = example
    content = path.read_bytes()[:-32]
    claims = checker.check(path, *data)[1:3]
    rng, refused = np.random.default_rng(1), 0
    for place in rng.choice(len(content), size=150, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= rng.integers(1, 256)
        (tmp_path / "bad.proof").write_bytes(damaged + hashlib.sha256(damaged).digest())
        try:  # other multipliers may still be a proof
            assert checker.check(tmp_path / "bad.proof", *data)[1:3] == claims
        except Exception as error:
            assert not isinstance(error, AssertionError)
            refused += 1
    assert refused > 75


def test_every_entry_of_the_data_counts(example, tmp_path):
    path, data, problem = example
    for k, array in enumerate((problem.X, problem.y)):
        for place in np.ndindex(array.shape):
            other = array.copy()
            other[place] = math.nextafter(other[place], math.inf)
            np.save(tmp_path / "other.npy", other)
            paths = [*data[:k], tmp_path / "other.npy", *data[k + 1 :]]
            assert checker.main([path, *paths]) == 1


def test_weights_belong_to_the_proof(tmp_path):
    problem = TrainingProblem(X, Y, 0.05, sample_weight=WEIGHTS)
    save_proof(tmp_path / "net.proof", problem, NETWORK, relative_gap=0.5)
    paths = written(tmp_path, problem)
    assert checker.main([tmp_path / "net.proof", *paths]) == 0
    assert checker.main([tmp_path / "net.proof", *paths[:2]]) == 1
    np.save(tmp_path / "weights.npy", WEIGHTS)
    assert checker.main([tmp_path / "net.proof", *paths]) == 1


def scaled_dual(header):
    """A dual point and a lower bound that would be better."""
    header["dual"] = [(2 * float.fromhex(v)).hex() for v in header["dual"]]


def larger_bound(header):
    header["bound"] = "1/2"


def singular_basis(header):
    header["basis"][1] = header["basis"][0]


def unbalanced_dual(header):
    header["dual"][0] = (0.5 * float.fromhex(header["dual"][0])).hex()


def other_alpha(header):
    header["alpha"] = (0.06).hex()


def other_network(header):
    header["network"]["output_weights"][0] = (0.5).hex()


@pytest.mark.parametrize(
    "cheat",
    [scaled_dual, unbalanced_dual, larger_bound, singular_basis, other_alpha, other_network],
)
def test_cheats_with_claims_that_fit_are_refused(cheat, example, tmp_path):
    """All numbers that the checker recomputes are made to fit, so that the proof itself is what is refused."""
    path, data, problem = example
    magic, header, records = taken_apart(path)
    cheat(header)
    rows, y = fractions(problem.X).tolist(), fractions(problem.y).tolist()
    v, weights = list(map(checker.exact, header["dual"])), [Fraction(1, len(y))] * len(y)
    without_tests = {**header, "c": 0, "intercept": False}
    above = checker.objective(without_tests, rows, y, weights)
    below = checker.dual_objective(without_tests, v, y, weights)
    header["objective"] = f"{above.numerator:x}/{above.denominator:x}"
    header["lower_bound"] = f"{below.numerator:x}/{below.denominator:x}"
    put_together(tmp_path / "bad.proof", magic, header, records)
    if cheat in (other_alpha, other_network):  # true statements about another problem or network
        assert checker.check(tmp_path / "bad.proof", *data)[1:3] == (above, below)
    else:
        assert checker.main([tmp_path / "bad.proof", *data]) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records[:-1],
        lambda records: records + b"\0",
        lambda records: bytes([252]) + b"\0" * 40 + records[41:],  # a leaf at the root
        lambda records: b"\0" + records[1:],  # halved across the coordinate of its own face
        lambda records: records[: len(records) // 2],
    ],
)
def test_other_records_are_refused(change, example, tmp_path):
    path, data, _ = example
    magic, header, records = taken_apart(path)
    put_together(tmp_path / "bad.proof", magic, header, change(records))
    assert checker.main([tmp_path / "bad.proof", *data]) == 1


def test_vectors_longer_than_one_are_refused():
    with pytest.raises(ValueError, match="longer than one"):
        read = iter([b"", b"\xff\x7f\x01\x00"]).__next__
        checker.corner_table(1, [1, -1], [0, 2], [0, 0], [], [], [[1, 0], [0, 1]], lambda k: read())


@pytest.mark.parametrize("near, far, closed", [(-1, 1, True), (-1, 2, False), (1, -1, False)])
def test_strips_end_where_the_chord_is_zero(near, far, closed):
    """Half of the side at the lower end, whose value is `near`."""
    arguments = [1, -8], [1, 8], [near, far], lambda k: bytes([128, 0])
    if closed:
        assert checker.without_strips(*arguments) == ([1, 0], [1, 8])
    else:
        with pytest.raises(ValueError, match="strip"):
            checker.without_strips(*arguments)


@pytest.mark.parametrize("how", ["csv", "csv with names", "by columns", "float32"])
def test_other_files_of_the_same_data(how, tmp_path):
    inputs = X.astype(np.float32).astype(np.float64)
    problem = TrainingProblem(inputs, Y, 0.05)
    save_proof(tmp_path / "net.proof", problem, NETWORK, relative_gap=0.5)
    paths = written(tmp_path, problem)
    if how == "by columns":
        np.save(paths[0], np.asfortranarray(inputs))
    elif how == "float32":
        np.save(paths[0], inputs.astype(np.float32))
    else:
        paths = [tmp_path / "X.csv", tmp_path / "y.csv"]
        names = "first,second" if "names" in how else ""
        np.savetxt(paths[0], inputs, delimiter=",", fmt="%.17g", header=names, comments="")
        np.savetxt(paths[1], Y, fmt="%.17g")
    assert checker.main([tmp_path / "net.proof", *paths]) == 0


@pytest.mark.parametrize(
    "targets, options, word",
    [
        (LABELS, {"loss": "logistic"}, "logistic"),
        (np.abs(Y), {"loss": "poisson"}, "poisson"),
        (np.column_stack([Y, Y]), {}, "2 outputs"),
        (Y, {"activation": "leaky_relu"}, "leaky_relu"),
        (Y, {"hidden_bias": "free"}, "free"),
        (Y, {"skip": True, "skip_alpha": 1.0}, "skip"),
        (Y, {"inputs": np.eye(7, 14)}, "rows of 15 entries"),
    ],
)
def test_problems_that_are_not_covered(targets, options, word, tmp_path):
    options = {"inputs": X, **options}
    problem = TrainingProblem(options.pop("inputs"), targets, 0.1, **options)
    with pytest.raises(ValueError, match=rf"{word}.* not cover"):
        save_proof(tmp_path / "net.proof", problem, NETWORK)
    assert not (tmp_path / "net.proof").exists()


@pytest.mark.parametrize(
    "network, word",
    [
        (TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0]), "fit"),
        (TwoLayerNetwork([[1.0, 0.0]], [1.0], [[1.0]], [0.0]), "hidden biases"),
        (TwoLayerNetwork([[1.0, 0.0]], [0.0], [[1.0]], [1.0]), "intercept"),
        (None, "NoneType"),
    ],
)
def test_networks_that_do_not_fit(network, word, tmp_path):
    problem = TrainingProblem(X, Y, 0.1, hidden_bias=False, fit_intercept=False)
    with pytest.raises(ValueError, match=f"network .*{word}"):
        save_proof(tmp_path / "net.proof", problem, network)


def test_no_file_without_a_proof(tmp_path):
    with pytest.raises(RuntimeError, match="max_boxes=1"):
        save_proof(tmp_path / "net.proof", TrainingProblem(X, Y, 0.1), NETWORK, max_boxes=1)
    assert not list(tmp_path.iterdir())


def test_a_search_that_finds_nothing_does_no_harm(tmp_path, monkeypatch):
    class Blind:
        values = np.zeros(0)

        def __init__(self, *arguments, **options):
            pass

        def __call__(self, v):
            return self

    problem = TrainingProblem(X, Y, 0.1)
    best = train(problem, random_state=0).network
    known = save_proof(tmp_path / "seeing.proof", problem, best)
    monkeypatch.setattr(proof_file, "SearchOracle", Blind)
    gap = save_proof(tmp_path / "net.proof", problem, best)
    assert gap < known + 3e-3
    assert checker.main([tmp_path / "net.proof", *written(tmp_path, problem)]) == 0


def test_results_and_certificates_write_proofs(tmp_path):
    """With equal samples and the absolute error, whose own dual point is poor at kinks."""
    inputs, targets = np.vstack([X, X[:2]]), np.append(Y, Y[:2])
    problem = TrainingProblem(
        inputs, targets, 0.1, loss=AbsoluteError(), sample_weight=np.arange(9)
    )
    result = train(problem, tol=1e-3, random_state=0)
    gap = result.save_proof(tmp_path / "result.proof")
    assert gap < 2 * result.certificate.relative_gap + 5e-4
    certificate = certify(
        result.network,
        inputs,
        targets,
        alpha=0.1,
        loss="absolute_error",
        sample_weight=np.arange(9),
        improve=True,
        random_state=0,
    )
    assert certificate.save_proof(tmp_path / "network.proof") < 5e-3
    for name in ("result", "network"):
        paths = written(tmp_path, problem)
        assert checker.main([tmp_path / f"{name}.proof", *paths]) == 0


@pytest.mark.parametrize("loss", ["hinge", "squared_error"])
def test_closed_forms_keep_their_dual_point(loss, tmp_path):
    inputs = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    problem = TrainingProblem(inputs, [1.0, 1.0, -1.0], 0.05, loss=loss, hidden_bias=False)
    result = train(problem, random_state=0)
    assert result.certificate.method == "spike_free"
    assert result.save_proof(tmp_path / "a.proof") < result.certificate.relative_gap + 1e-3
    assert checker.main([tmp_path / "a.proof", *written(tmp_path, problem)]) == 0


def test_a_result_without_a_problem_says_so(tmp_path):
    result = train(TrainingProblem(X, Y, 0.5), random_state=0)
    with pytest.raises(ValueError, match="does not know its problem"):
        type(result)(result.network, result.certificate, result.status).save_proof(tmp_path / "a")


def test_the_checker_is_short_and_stands_alone():
    text = TOOL.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    assert "import numpy" not in text and "convexrelu import" not in text
