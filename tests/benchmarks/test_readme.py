"""The list of benchmarks is complete, and the documentation names them as the list does."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
STARTED_BY_OTHERS = {
    "programs.run_peer"
}  # and `training.benchmark_utils`, in the environments of peers
COMMAND = re.compile(r"\| `python -m benchmarks\.([\w.]+)` \|")
NAMED = re.compile(r"python -m benchmarks\.([a-z_]+\.[a-z_]+)")
TEXTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.rst"),
    *(ROOT / "convexrelu").rglob("*.py"),
    *BENCHMARKS.rglob("*.py"),
    ROOT / "Makefile",
    ROOT / "MANIFEST.in",
]


def read(path):
    return path.read_text(encoding="utf-8")


def rows():
    """Cells of the table, by the name of the script."""
    lines = [line for line in read(BENCHMARKS / "README.md").splitlines() if COMMAND.match(line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {COMMAND.match(line)[1]: row for line, row in zip(lines, cells, strict=True)}


def written(row):
    return re.findall(r"`([^`]+)`", row[5])


def test_every_script_has_a_row():
    found = {
        ".".join(path.relative_to(BENCHMARKS).with_suffix("").parts).removesuffix(".__main__")
        for path in BENCHMARKS.rglob("*.py")
        if '__name__ == "__main__"' in read(path)
    }
    workers = {name for name in found if name.startswith("training.benchmark_utils.")}
    assert set(rows()) == found - workers - STARTED_BY_OTHERS


def test_rows_are_filled():
    for name, row in rows().items():
        assert len(row) == 7 and all(row), name


def test_scripts_and_suites_know_quick():
    for name, row in rows().items():
        path = BENCHMARKS / name.replace(".", "/")
        text = read(path / "__main__.py" if path.is_dir() else path.with_suffix(".py"))
        assert ("--quick" in text or "quick_asked" in text) == (row[3] != "none"), name


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.rst")), ids=lambda page: page.stem)
def test_every_table_of_a_page_is_written_by_a_script_that_names_the_page(page):
    of_page = [row for row in rows().values() if f"(../docs/{page.name})" in row[4]]
    known = {file for row in of_page for file in written(row)}
    assert set(re.findall(r"benchmarks/results/([\w.]+\.csv[\w.]*)", read(page))) <= known


def test_what_lies_in_the_results_is_written_by_a_script():
    known = {file for row in rows().values() for file in written(row)}
    found = {path.name for path in (BENCHMARKS / "results").glob("*.csv*")}
    assert found <= known


def test_pages_exist():
    for row in rows().values():
        for page in re.findall(r"\(\.\./docs/(\w+\.rst)\)", row[4]):
            assert (ROOT / "docs" / page).exists()


def test_scripts_are_named_as_they_are_run():
    by_path = re.compile(r"benchmarks/\w+/\w+\.py|python benchmarks/")
    for path in TEXTS:
        text = read(path)
        if path.name not in ("CHANGELOG.md", "Makefile"):  # the history; a loop over files
            assert not by_path.search(text), path
        for name in NAMED.findall(text):
            assert name in rows(), (path, name)
