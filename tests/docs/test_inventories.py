"""The names of other packages that the documentation may link to, without asking their sites."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "inventories"
NAMES = [
    line.split()[:2]
    for path in sorted(FOLDER.glob("*.txt"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("name", "kind"), NAMES)
def test_name_is_there(name, kind):
    if kind == "mod":
        importlib.import_module(name)
    else:
        module, _, attribute = name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), attribute), type)
