"""Simulated customers against the whole stack: what was measured is what was planted."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(150)


def _planted(state: Path) -> dict[str, float]:
    (path,) = (state / "simulations").glob("*.json")
    return json.loads(path.read_text())["planted"]


def test_the_system_measures_what_was_planted_when_customers_are_simulated(
    demo_stack: Path, heardback
) -> None:
    wishes = ["--customers", 80, "--rate", 0, "--think", 0.2, "--seed", 3]
    result = heardback("simulate", "--check", "--state", demo_stack, *wishes)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Everything is as planted." in result.stdout
    planted = _planted(demo_stack)
    assert planted["closeloop: detractors' tasks"] > 0
    assert planted["closeloop: passives' tasks"] > 0
    assert planted["trigger: suppressed by cooldown"] > 0
    assert planted["trigger: suppressed, closed by automation"] > 0


def test_simulate_says_what_to_start_when_no_stack_runs(tmp_path: Path, heardback) -> None:
    result = heardback("simulate", "--state", tmp_path / "nothing")
    assert result.returncode == 1
    assert "heardback up" in result.stderr
