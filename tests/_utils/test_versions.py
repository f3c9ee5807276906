"""What is printed for a report of a fault."""

from convexrelu import __version__, show_versions
from convexrelu.oracles.bounds.compiled import is_compiled


def test_all_that_is_needed_is_named(capsys):
    show_versions()
    shown = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["convexrelu"] == __version__
    assert {"numpy", "scipy", "scikit-learn", "cvxpy", "torch", "Python"} <= set(shown)
    assert shown["branch and bound"].startswith("compiled" if is_compiled() else "NumPy")
