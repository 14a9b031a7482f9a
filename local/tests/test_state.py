"""The state folder: secrets, the lock, and what a reset deletes."""

import os
from pathlib import Path

import pytest

from heardback_local.reset import reset
from heardback_local.state import AlreadyRunning, ProcessRecord, State


def test_secret_stays_the_same_when_asked_again(tmp_path: Path) -> None:
    first = State(tmp_path).secret("link-key")
    assert State(tmp_path).secret("link-key") == first
    assert State(tmp_path).secret("database-trigger") != first
    assert (tmp_path / "secrets" / "link-key").stat().st_mode & 0o777 == 0o600


def test_second_owner_is_refused_when_the_folder_is_locked(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.locked(), pytest.raises(AlreadyRunning) as refusal, State(tmp_path).locked():
        pass
    assert refusal.value.pid == os.getpid()


def test_folder_is_free_when_the_owner_has_left(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.locked():
        assert state.running_pid() == os.getpid()
    assert state.running_pid() is None
    with state.locked():
        pass


def test_records_are_found_when_another_process_reads_them(tmp_path: Path) -> None:
    record = ProcessRecord(name="trigger", pid=1, port=2, log="x", ready_url="http://x/readyz")
    State(tmp_path).record([record])
    assert State(tmp_path).recorded() == [record]


def test_change_of_broker_is_noticed_when_it_is_another_one(tmp_path: Path) -> None:
    state = State(tmp_path)
    seen = []
    for name in ("embedded", "embedded", "apache", "apache"):
        seen.append(state.knew_another_broker(name))
        state.remember_broker(name)
    assert seen == [False, False, True, False]


def test_reset_deletes_its_own_files_only_when_the_folder_holds_others(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    state.secret("link-key")
    state.mailbox_file.touch()
    (tmp_path / "thesis.txt").touch()
    reset(state)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_reset_is_refused_when_a_stack_runs(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    with state.locked(), pytest.raises(AlreadyRunning):
        reset(state)
    assert state.logs.exists()
