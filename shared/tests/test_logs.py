"""What a process logs."""

import logging
import sys

import pytest
import structlog

from heardback.telemetry import set_up_logs


def test_console_shows_no_local_variables_when_something_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        set_up_logs("closeloop", log_format="console", level="INFO")
        _fail("hooks." + "example/secret")
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said
    assert "hooks.example" not in said


def _fail(secret: str) -> None:
    try:
        sys.exit(len(secret) // 0)
    except ZeroDivisionError:
        structlog.get_logger("x").exception("failed")
