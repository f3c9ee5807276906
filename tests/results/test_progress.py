"""The lines that show progress."""

from convexrelu.displays import ProgressPrinter
from convexrelu.results.result import Round


def entry(**changes):
    values = {
        "seconds": 1.25,
        "objective": 2.0,
        "lower_bound": 1.5,
        "relative_gap": 0.25,
        "is_proof": True,
        "width": 12,
        "n_blocks": 34,
        "n_cuts": 7,
        "violation": 0.5,
        "solver_status": "CONVERGED",
    }
    return Round(**(values | changes))


def test_progress_lines(capsys):
    printer = ProgressPrinter()
    printer(entry(is_proof=False))
    printer(entry(seconds=61.0, lower_bound=1.75, relative_gap=0.125))
    header, estimated, proved = capsys.readouterr().out.splitlines()
    assert header.split() == ["time", "objective", "lower", "bound", "gap", "width", "cuts"]
    assert estimated.split() == ["1.2s", "2", "1.5?", "2.5e-01", "12", "7"]
    assert proved.split() == ["61.0s", "2", "1.75", "1.2e-01", "12", "7"]
    assert len(estimated) == len(proved) == len(header)


def test_every_printer_has_its_own_header(capsys):
    for _ in range(2):
        ProgressPrinter()(entry())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[2] and len(lines) == 4
