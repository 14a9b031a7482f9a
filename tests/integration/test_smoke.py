"""The smoke test turns the loop once and leaves nothing behind."""

import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(150)


def _folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("heardback-smoke-*"))


def test_smoke_turns_the_loop_and_cleans_up_when_all_is_well(heardback, kafka: str) -> None:
    if kafka == "apache":
        pytest.skip("the smoke test brings the embedded broker")
    before = _folders()
    result = heardback("smoke")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].startswith("smoke: ok, ")
    assert _folders() <= before


def test_smoke_names_the_step_and_cleans_up_when_a_service_does_not_start(
    heardback, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kafka == "apache":
        pytest.skip("the smoke test brings the embedded broker")
    before = _folders()
    monkeypatch.setenv("HEARDBACK_BATCH_SIZE", "0")
    result = heardback("smoke")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith("smoke: FAILED at start the stack: ")
    assert "greater than or equal to 1" in result.stdout
    assert _folders() <= before
