"""The package as a whole: what importing it costs, what it offers, its command line."""

import importlib.metadata
import re
import subprocess
import sys

import pytest

import convexrelu


def python(*arguments, **options):
    # It takes seconds. Ten minutes are for a machine that is busy; what hangs, hangs longer.
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, **options
    )


def test_importing_is_cheap():
    code = (
        "import sys, convexrelu; "
        "print(sorted({'torch', 'cvxpy', 'sklearn', 'scipy', 'matplotlib'} & sys.modules.keys()))"
    )
    done = python("-c", code)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("[]", "", 0)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("convexrelu.TwoLayerNetwork", {"torch", "cvxpy", "sklearn", "matplotlib"}),
        ("convexrelu.TrainingProblem", {"torch", "cvxpy", "sklearn", "matplotlib"}),
        ("convexrelu.ConvexReLURegressor", {"torch", "matplotlib"}),
        ("convexrelu.certify", {"torch", "matplotlib"}),
    ],
)
def test_parts_load_what_they_need(statement, absent):
    done = python("-c", f"import sys, convexrelu; {statement}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not absent & set(done.stdout.split())


def test_everything_in_all_is_there():
    assert len(set(convexrelu.__all__)) == len(convexrelu.__all__)
    for name in convexrelu.__all__:
        assert getattr(convexrelu, name) is not None
    assert dir(convexrelu) == sorted(convexrelu.__all__)
    for name in set(convexrelu.__all__) - {"__version__"}:
        assert getattr(convexrelu, name).__module__.startswith("convexrelu.")


def test_star_import():
    names = {}
    exec("from convexrelu import *", names)
    assert set(convexrelu.__all__) <= names.keys()


def test_unknown_names():
    with pytest.raises(AttributeError, match="module 'convexrelu' has no attribute 'Clasifier'"):
        _ = convexrelu.Clasifier
    with pytest.raises(ImportError, match="Clasifier"):
        from convexrelu import Clasifier  # noqa: F401


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", convexrelu.__version__)
    try:
        installed = importlib.metadata.version("convexrelu")
    except importlib.metadata.PackageNotFoundError:
        return  # used from the source tree
    assert installed == convexrelu.__version__


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"]])
def test_help(arguments):
    done = python("-m", "convexrelu", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m convexrelu")
    assert "demo" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["train"]])
def test_bad_commands_show_the_usage(arguments):
    done = python("-m", "convexrelu", *arguments)
    assert done.returncode == 2
    assert "usage: python -m convexrelu" in done.stderr and "Traceback" not in done.stderr
