"""The package as a whole: what importing it costs, what it offers, its command line."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import convexrelu
from convexrelu import _moved

ROOT = Path(__file__).parent.parent


def python(*arguments, **options):
    # It takes seconds. Ten minutes are for a machine that is busy; what hangs, hangs longer.
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, **options
    )


def test_importing_is_cheap():
    code = (
        "import sys, convexrelu; "
        "print(sorted({'torch', 'cvxpy', 'sklearn', 'scipy', 'matplotlib', 'dask'} & sys.modules.keys()))"
    )
    done = python("-c", code)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("[]", "", 0)


ABSENT = {  # after each statement, in this order: what is absent then was absent before
    "convexrelu.TwoLayerNetwork": {"torch", "cvxpy", "sklearn", "matplotlib"},
    "convexrelu.TrainingProblem": {"torch", "cvxpy", "sklearn", "matplotlib"},
    "convexrelu.ConvexReLURegressor": {"torch", "matplotlib", "sklearn.metrics"},
    "convexrelu.certify": {"torch", "matplotlib"},
}
FITS_WITHOUT_TORCH = {
    "line": "ConvexReLURegressor(hidden_bias='free').fit(X[:, :1], y)",
    "relative": "ConvexReLURegressor(hidden_bias='free', alpha_scale='relative').fit(X[:, :1], y)",
    "whitened": "ConvexReLURegressor(hidden_bias=False, fit_intercept=False).fit(np.eye(6), y[:6])",
    "constant": "ConvexReLURegressor(alpha=1.9).fit(X, y)",
    "relative constant": "ConvexReLURegressor(alpha=10, alpha_scale='relative').fit(X[:, :2], y)",
    "equal": "ConvexReLURegressor().fit(X, np.ones(40))",
    "labels": "ConvexReLUClassifier(alpha=0.9).fit(X, y > 0)",
}


@pytest.fixture(scope="module")
def loaded():
    """What a process says that names parts of the package, then fits: lines for each of both."""
    code = "import sys, convexrelu\n"
    code += "".join(f"{statement}; print(*sys.modules)\n" for statement in ABSENT)
    code += """
import warnings
import numpy as np
from convexrelu import AlphaWarning, ConvexReLUClassifier, ConvexReLURegressor

warnings.simplefilter("ignore", AlphaWarning)
X = np.random.default_rng(0).standard_normal((40, 12))
y = X[:, 0] + np.abs(X[:, 1])
"""
    for name, fit in FITS_WITHOUT_TORCH.items():
        code += f"model = {fit}\n"
        code += f"print({name!r}, model.certificate_.is_proof, 'torch' in sys.modules)\n"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return lines[: len(ABSENT)], lines[len(ABSENT) :]


@pytest.mark.slow
def test_parts_load_what_they_need(loaded):
    for absent, modules in zip(ABSENT.values(), loaded[0], strict=True):
        assert not absent & set(modules.split())


@pytest.mark.slow
def test_fits_that_need_no_torch_do_not_import_it(loaded):
    """The first fit that imports torch is the first one that says so."""
    assert loaded[1] == [f"{name} True False" for name in FITS_WITHOUT_TORCH]


def test_everything_in_all_is_there():
    assert len(set(convexrelu.__all__)) == len(convexrelu.__all__)
    for name in convexrelu.__all__:
        assert getattr(convexrelu, name) is not None
    assert dir(convexrelu) == sorted(convexrelu.__all__)
    for name in set(convexrelu.__all__) - {"__version__"}:
        assert getattr(convexrelu, name).__module__.startswith("convexrelu.")


@pytest.mark.parametrize("module", sorted(_moved.MODULES))
def test_old_modules_are_there_for_one_release(module):
    old = importlib.import_module(f"convexrelu.{module}")
    places = [
        importlib.import_module(f"convexrelu.{new}") for new in _moved.MODULES[module].split()
    ]
    before = {new: name for name, new in _moved.RENAMED.items()}
    names = [name for place in places for name in getattr(place, "__all__", ())]
    assert names
    for name in names:
        with pytest.warns(DeprecationWarning, match=f"is now convexrelu.*{name}"):
            assert getattr(old, before.get(name, name)) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = old.nothing


@pytest.mark.parametrize("room", _moved.ROOMS)
def test_old_names_of_rooms_are_there_for_one_release(room):
    rooms = importlib.import_module(f"convexrelu.{room}")
    for name in _moved.ROOMS[room]:
        vars(rooms).pop(name, None)  # a module of that name may have been imported
        with pytest.warns(DeprecationWarning, match=rf"convexrelu\.{room}\.{name} is now"):
            assert getattr(rooms, name).__module__.startswith("convexrelu.")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = rooms.nothing


def test_old_imports():
    with pytest.warns(
        DeprecationWarning, match="is now convexrelu.networks.TwoLayerNetwork"
    ) as record:
        from convexrelu.network import TwoLayerNetwork
    assert record[0].filename == __file__
    assert TwoLayerNetwork is convexrelu.TwoLayerNetwork
    with pytest.warns(DeprecationWarning, match="is now convexrelu.solvers.make_solver"):
        from convexrelu.solvers.master import make_master
    assert make_master.__name__ == "make_solver"
    from convexrelu.problem import TrainingProblem  # which has its place there still

    assert TrainingProblem is convexrelu.TrainingProblem
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("convexrelu.nothing")


def test_no_private_name_is_imported_from_another_file():
    root = Path(convexrelu.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("convexrelu"):
                private = {alias.name for alias in node.names if alias.name.startswith("_")}
                assert private <= {"_moved", "_cones", "_corners", "_cores", "_kinks"}, (
                    path
                )  # the latter are compiled


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


def test_torch_and_cvxpy_are_imported_in_one_place():
    """Where an interruption cannot cut the import short."""
    package = Path(convexrelu.__file__).parent
    for path in package.rglob("*.py"):
        if path.name in ("torch_import.py", "cvxpy_import.py"):
            continue
        names = {
            name.split(".")[0]
            for name in imported_when_run(ast.parse(path.read_text(encoding="utf-8")))
        }
        assert not names & {"torch", "cvxpy"}, path


def imported_when_run(tree):
    """Modules of the import statements that are not for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from imported_when_run(node)


@pytest.mark.slow
def test_interrupted_imports_are_finished():
    """Ctrl-C while the first fit imports a compiled library, torch and then cvxpy: the next fit works."""
    code = """
import signal, sys
from convexrelu import ConvexReLURegressor

signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it

class Interrupting:
    def __init__(self, amid):
        self.amid = amid

    def find_spec(self, name, path=None, target=None):
        if name == self.amid:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

X, y = [[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], [0.0, 1.0, 0.0]
for amid, solver in ("torch.functional", "auto"), ("cvxpy.reductions", "cvxpy:CLARABEL"):
    sys.meta_path.insert(0, Interrupting(amid))
    model = ConvexReLURegressor(alpha=0.01, oracle="search", solver=solver)
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        print("interrupted")
    model.fit(X, y)
    print(model.certificate_.relative_gap <= model.tol)
"""
    done = python("-c", code)
    assert done.stdout.split() == ["interrupted", "True"] * 2, done.stderr


def versions(requirements, operator):
    """Version by name; every requirement has one specifier, with that operator."""
    found = {}
    for requirement in map(Requirement, requirements):
        (specifier,) = requirement.specifier
        assert specifier.operator == operator, requirement
        found[requirement.name] = Version(specifier.version)
    return found


def pins(name):
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return versions(filter(None, lines), "==")


def test_the_bounds_are_the_oldest_versions_that_are_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    own, *tools = extras["test"]
    own = [each for extra in sorted(Requirement(own).extras) for each in extras[extra]]
    declared = [*project["dependencies"], *own, *tools]
    bounds, oldest = versions(declared, ">="), pins("constraints-oldest.txt")
    torch = oldest.pop("torch")  # the file says why it is another
    assert bounds.pop("torch") <= torch == pins("constraints.txt")["torch"]
    assert bounds == oldest
