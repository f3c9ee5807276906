"""The README's figures are those of the result files."""

import csv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_table_is_the_one_the_benchmark_wrote():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- table of benchmarks.end_to_end.bench_demo -->", "<!-- end of table -->"
    shown = text[text.index(begin) + len(begin) : text.index(end)].strip().splitlines()
    with open(ROOT / "benchmarks" / "results" / "demo.csv", newline="", encoding="utf-8") as file:
        rows = ["| " + " | ".join(cells) + " |" for cells in csv.reader(file)]
    assert [shown[0], *shown[2:]] == rows


@pytest.mark.parametrize("page", ["README.md", "docs/index.rst"])
def test_ranks_are_those_that_the_benchmark_wrote(page):
    path = ROOT / "benchmarks" / "results" / "generalisation_methods.csv"
    with open(path, newline="", encoding="utf-8") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    ours, theirs = rows["convexrelu"], rows["MLP"]
    assert f"over {ours['sets']} tables its mean rank among seven methods" in text
    assert f"was {theirs['mean rank']}, that of this library {ours['mean rank']}," in text
    assert len(rows) == 7


@pytest.mark.parametrize("name", ["demo", "front_page"])
def test_figure_is_there(name):
    assert (ROOT / "docs" / "images" / f"{name}.png").stat().st_size > 10_000


def test_front_page_shows_a_proved_optimum_below_all_runs_of_adam():
    path = ROOT / "benchmarks" / "results" / "front_page.csv"
    with open(path, newline="", encoding="utf-8") as file:
        convex, *adam = csv.DictReader(file)
    assert len(adam) == 10 and {row["width"] for row in adam} == {convex["width"]}
    assert float(convex["objective"]) < min(float(row["objective"]) for row in adam)
