"""Training under torchrun."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

from convexrelu import ConvexReLURegressor, distributed
from convexrelu.chunked import Alone, GroupError
from tests.chunked.processes import X, Y, fitted, trained

ROOT = Path(__file__).parent.parent


def python(*arguments):
    # It takes seconds. Ten minutes are for a machine that is busy; what hangs, hangs longer.
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_torchrun_gives_every_process_what_one_finds(tmp_path):
    script = [str(ROOT / "tests" / "torchrun_script.py"), str(tmp_path)]
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = python(*run, *script)
    assert done.returncode == 0, done.stderr
    expected = trained(0, 1, Alone()), fitted(0, 1, Alone())
    for rank in range(2):
        assert pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()) == expected
    assert done.stdout.count("train: within") == done.stdout.count("fit: within") == 1


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert isinstance(distributed.process_group(), Alone)


def test_torchrun_has_a_time_limit_for_meeting(monkeypatch):
    settings = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(GroupError, match="process 1 of 2 did not meet the others within 1 s"):
        distributed.process_group(to_meet=1.0)


def test_an_open_gap_is_warned_of():
    model = ConvexReLURegressor(alpha=0.3, tol=1e-9, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter.*relative gap .*tol=1.0e-09") as caught:
        distributed.fit(model, X[:50], Y[:50])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": True}, "skip=True is not supported with rows in several processes"),
        ({"monotonic_cst": [1, 0, 0]}, "use monotonic_cst=None"),
    ],
)
def test_parameters_that_are_not_supported(options, message):
    with pytest.raises(ValueError, match=message):
        distributed.fit(ConvexReLURegressor(**options), X, Y)


def test_what_cannot_be_called_is_named():
    with pytest.raises(ValueError, match="function is a int, expected a callable"):
        distributed.share_proofs(3)
