"""Files of networks that are damaged, forged or too large are refused, and none loads as another network."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.networks import ThresholdNetwork

RNG = np.random.default_rng(0)
ARRAYS = [RNG.standard_normal(shape) for shape in ((4, 3), 4, (2, 4), 2)]
SKIP = RNG.standard_normal((2, 3))
NETWORKS = {
    "skip and slope": TwoLayerNetwork(*ARRAYS, negative_slope=0.1, skip_weights=SKIP),
    "plain": TwoLayerNetwork(*ARRAYS),
    "constant": TwoLayerNetwork.constant(3, 1.5),
    "threshold": ThresholdNetwork(ARRAYS[0], ARRAYS[1], 0.5, hidden_bias=True),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


def is_same(one, other):
    """Whether all attributes are equal, to the last bit."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in vars(one)]
    return vars(one).keys() == vars(other).keys() and all(
        (a is None) == (b is None) and np.array_equal(a, b) for a, b in pairs
    )


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_saved_networks_are_loaded_exactly(tmp_path, network):
    network.save(tmp_path / "network")
    assert is_same(type(network).load(tmp_path / "network"), network)


def test_damaged_files_are_the_same_network_or_refused(tmp_path, network):
    """One bit in every 31st byte, and ten lengths."""
    path = tmp_path / "network"
    network.save(path)
    content = path.read_bytes()
    damaged = [
        content[:k] + bytes([content[k] ^ 1 << k % 8]) + content[k + 1 :]
        for k in range(0, len(content), 31)
    ]
    damaged += [content[: len(content) * k // 10] for k in range(10)]
    n_refused = 0
    for one in damaged:
        path.write_bytes(one)
        try:
            loaded = type(network).load(path)
        except ValueError as error:
            assert "path" in str(error)
            n_refused += 1
        else:
            assert is_same(loaded, network)
    assert n_refused > len(damaged) / 2


def test_members_are_all_needed_and_others_refused(tmp_path, network):
    path = tmp_path / "network"
    network.save(path)
    members = members_of(path)
    write_members(path, members)
    assert is_same(type(network).load(path), network)
    for name in members:
        write_members(path, {key: value for key, value in members.items() if key != name})
        with pytest.raises(ValueError, match="it has the members"):
            type(network).load(path)
    write_members(path, {**members, "other.npy": next(iter(members.values()))})
    with pytest.raises(ValueError, match="it has the members"):
        type(network).load(path)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), **options)
    return file.getvalue()


FORGED = {
    "another number": npy(ARRAYS[0] + 1),
    "shape that does not fit": npy(ARRAYS[0][:3]),
    "other axes": npy(ARRAYS[0].ravel()),
    "column order": npy(np.asfortranarray(ARRAYS[0])),
    "single precision": npy(ARRAYS[0].astype(np.float32)),
    "complex": npy(ARRAYS[0] + 1j),
    "dates": npy(ARRAYS[0].astype("M8[s]")),
    "records": npy(np.zeros((4, 3), dtype=[("a", float)])),
    "objects": npy(ARRAYS[0].astype(object), allow_pickle=True),
    "later version": npy(ARRAYS[0], version=(2, 0)),
    "no array": b"text",
    "too short": npy(ARRAYS[0])[:-8],
    "negative lengths": npy(ARRAYS[0]).replace(b"(4, 3), }  ", b"(-4, -3), }"),
    "many rows": npy(ARRAYS[0]).replace(b"(4, 3), }         ", b"(4000000000, 3), }"),
    "nested header": npy(ARRAYS[0]).replace(b"(4, 3), }" + b" " * 40, b"(" * 49),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_arrays_are_refused(tmp_path, case):
    path = tmp_path / "network"
    NETWORKS["plain"].save(path)
    forged = {**members_of(path), "hidden_weights.npy": FORGED[case]}
    assert forged != members_of(path)
    write_members(path, forged)
    with pytest.raises(ValueError, match=r"path: .* is not a saved TwoLayerNetwork"):
        TwoLayerNetwork.load(path)


def test_kinds_of_networks_are_not_mixed_up(tmp_path):
    NETWORKS["threshold"].save(tmp_path / "network")
    with pytest.raises(ValueError, match="not a saved TwoLayerNetwork"):
        TwoLayerNetwork.load(tmp_path / "network")


def test_nothing_is_unpacked(tmp_path):
    """8 MB of zeros, which take 8 kB in the file."""
    path = tmp_path / "network"
    TwoLayerNetwork(np.zeros((1000, 1000)), np.zeros(1000), np.zeros((1, 1000)), [0.0]).save(path)
    write_members(path, members_of(path), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**18
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="compressed"):
            TwoLayerNetwork.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_missing_file_is_a_missing_file(tmp_path, network):
    with pytest.raises(FileNotFoundError):
        type(network).load(tmp_path / "absent")


# What constructors refuse is not in a file either.

BAD_ARRAYS = {
    "complex": ARRAYS[1] + 0j,
    "dates": ARRAYS[1].astype("M8[s]"),
    "time differences": ARRAYS[1].astype("m8[s]"),
    "records": np.zeros(4, dtype=[("a", float)]),
    "masked": np.ma.array(ARRAYS[1], mask=[False, True, False, False]),
    "too large": np.array([1, 2, 3, 10**400], dtype=object),
    "longer than float64": np.array([0, 0, 0, np.finfo(np.longdouble).max]),
    "infinite": np.full(4, np.inf),
    "words": ["a"] * 4,
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_are_no_finite_numbers(case):
    bad = BAD_ARRAYS[case]
    if case == "longer than float64" and np.longdouble == np.float64:
        pytest.skip("no longer float here")
    with pytest.raises(ValueError, match="hidden_bias"):
        TwoLayerNetwork(ARRAYS[0], bad, *ARRAYS[2:])
    with pytest.raises(ValueError, match="weights"):
        ThresholdNetwork(ARRAYS[0], bad, 0.0, hidden_bias=True)


@pytest.mark.parametrize("slope", [np.nan, np.inf, 5, -1.5, 10**400, "0.1", None, True, 1j])
def test_slopes_are_between_minus_one_and_one(slope):
    with pytest.raises(ValueError, match="negative_slope"):
        TwoLayerNetwork(*ARRAYS, negative_slope=slope)


@pytest.mark.parametrize("change", [{"intercept": np.nan}, {"hidden_bias": 3}, {"gates": [1.0]}])
def test_bad_parts_of_networks_of_gates(change):
    parts = {"gates": ARRAYS[0], "weights": ARRAYS[1], "intercept": 0.0, "hidden_bias": True}
    with pytest.raises(ValueError, match=next(iter(change))):
        ThresholdNetwork(**{**parts, **change})


INPUTS = {
    "dates": np.zeros((2, 3), dtype="M8[s]"),
    "masked": np.ma.array(np.zeros((2, 3)), mask=[[0, 0, 1]] * 2),
    "complex": np.zeros((2, 3), dtype=complex),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_that_are_no_numbers(case, network):
    with pytest.raises(ValueError, match=r"\bX\b"):
        network.predict(INPUTS[case])
