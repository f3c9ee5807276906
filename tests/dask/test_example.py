"""The example for Dask, whose cluster is one of its own."""

import runpy
from pathlib import Path

import pytest

from tests.chunked.processes import started_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "dask_fit.py"


@pytest.mark.slow
def test_the_example_runs(capsys):
    """As the main module, which workers import as such, too, but under another name."""
    started_server()
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert capsys.readouterr().out.startswith("fit: within")
