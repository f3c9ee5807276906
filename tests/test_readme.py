"""The README's figures are those of the result files."""

import csv
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_table_is_the_one_the_benchmark_wrote():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- table of benchmarks.end_to_end.bench_demo -->", "<!-- end of table -->"
    shown = text[text.index(begin) + len(begin) : text.index(end)].strip().splitlines()
    with open(ROOT / "benchmarks" / "results" / "demo.csv", newline="", encoding="utf-8") as file:
        rows = ["| " + " | ".join(cells) + " |" for cells in csv.reader(file)]
    assert [shown[0], *shown[2:]] == rows


def test_figure_is_there():
    assert (ROOT / "docs" / "images" / "demo.png").stat().st_size > 10_000
