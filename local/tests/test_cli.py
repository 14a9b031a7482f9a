"""What the command line says when something is in the way."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from heardback.embedded.processes import HOST
from heardback_local.cli import app
from heardback_local.state import State


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def _run(command: str, state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [command, "--state", str(state), *arguments])


def _words(result: Result) -> str:
    return " ".join(result.output.split())


def test_up_says_which_port_is_taken_and_what_to_do_when_one_is(state: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        result = _run("up", state, "--port", f"mailbox={port}")
    assert result.exit_code == 1
    assert f"Port {port} is already in use, and mailbox wants it." in _words(result)
    assert "--port mailbox=NUMBER" in _words(result)


def test_up_says_who_runs_when_the_folder_is_in_use(state: Path) -> None:
    with State(state).locked():
        result = _run("up", state)
    assert result.exit_code == 1
    assert "A stack already runs on" in _words(result)
    assert "heardback down" in _words(result)


@pytest.mark.parametrize(
    ("port", "answer"),
    [
        ("mailbox", "A port is given as NAME=PORT"),
        ("letterbox=9000", "No part of the stack is called 'letterbox'"),
        ("mailbox=8101", "can't serve both trigger and mailbox"),
        ("mailbox=99999", "A port is a number from 1 to 65535"),
    ],
)
def test_up_explains_when_a_port_makes_no_sense(state: Path, port: str, answer: str) -> None:
    result = _run("up", state, "--port", port)
    assert result.exit_code == 1
    assert answer in _words(result)


@pytest.mark.parametrize(("command", "code"), [("status", 1), ("down", 0)])
def test_command_says_so_when_nothing_runs(state: Path, command: str, code: int) -> None:
    result = _run(command, state)
    assert result.exit_code == code
    assert "Nothing runs on" in _words(result)


def test_logs_are_shown_under_their_names_when_asked(state: Path) -> None:
    State(state).prepare()
    State(state).log("trigger").write_text("one\ntwo\nthree\n")
    State(state).log("mailbox").write_text("four\n")
    assert _run("logs", state, "-n", "2").output.splitlines() == [
        "mailbox │ four",
        "trigger │ two",
        "trigger │ three",
    ]


def test_logs_name_the_known_ones_when_the_name_is_unknown(state: Path) -> None:
    State(state).prepare()
    State(state).log("trigger").touch()
    result = _run("logs", state, "triger")
    assert result.exit_code == 1
    assert "There is no log of 'triger'. There are: trigger." in _words(result)


def test_reset_keeps_everything_when_not_confirmed(state: Path) -> None:
    State(state).prepare()
    result = CliRunner().invoke(app, ["reset", "--state", str(state)], input="n\n")
    assert result.exit_code == 1
    assert State(state).logs.exists()


def test_reset_deletes_when_confirmed(state: Path) -> None:
    State(state).prepare()
    assert _run("reset", state, "--yes").exit_code == 0
    assert not state.exists()
