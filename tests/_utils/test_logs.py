"""Lines of text go to the logger where somebody takes them, and are printed otherwise."""

import logging

import numpy as np

from convexrelu import ConvexReLURegressor
from convexrelu._utils.logs import tell

X = np.linspace(-1, 1, 16)[:, None]
Y = np.abs(X[:, 0])


def test_lines_that_were_asked_for_are_printed(capsys, caplog):
    tell("a line")
    tell("a detail", logging.DEBUG)
    assert capsys.readouterr().out == "a line\n" and not caplog.records


def test_an_application_that_listens_gets_them_instead(capsys, caplog):
    with caplog.at_level(logging.INFO, logger="convexrelu"):
        tell("a line")
        tell("a detail", logging.DEBUG)
    assert capsys.readouterr().out == "" and caplog.messages == ["a line"]


def test_a_silent_fit_logs_its_rounds_at_debug(capsys, caplog):
    with caplog.at_level(logging.DEBUG, logger="convexrelu"):
        model = ConvexReLURegressor(random_state=0).fit(X, Y)
    assert len(caplog.messages) == 1 + len(model.history_)
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert capsys.readouterr().out == ""


def test_a_level_without_a_handler_does_not_swallow_lines(capsys, monkeypatch):
    logger = logging.getLogger("convexrelu")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()
    tell("a line")
    logger.manager._clear_cache()
    assert capsys.readouterr().out == "a line\n"
