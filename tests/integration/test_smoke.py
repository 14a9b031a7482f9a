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
