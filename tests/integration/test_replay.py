"""A purchase log against the whole stack: every line is accounted for, also when it goes on."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(150)

LINES = [
    "customer,date,amount,order",
    "replay-1,2026-01-05,10.00,o1",
    "replay-1,2026-01-05,10.00,o1",
    "replay-2,yesterday,10.00,o2",
    "replay-3,2026-01-06,12.50,o3",
    "replay-3,2026-01-07,,",
    "replay-4,2026-01-08,-1,o4",
    "replay-5,2026-01-09,7,o5",
    "replay-6,2026-01-10,7,o6",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "purchases.csv"
    path.write_text("\n".join(LINES))
    return path


def _figure(output: str, name: str) -> int:
    match = re.search(rf"{re.escape(name)}\W+([0-9]+)", output)
    assert match, f"{name} is not in:\n{output}"
    return int(match[1])


def test_every_line_is_accounted_for_when_a_replay_goes_on_and_is_repeated(
    demo_stack: Path, heardback, log: Path, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.tsv"
    options = ["--state", demo_stack, "--shift-to", "now", "--rejects", rejects]

    first = heardback("replay", log, *options, "--limit", 4)
    assert first.returncode == 0, first.stdout + first.stderr
    assert (_figure(first.stdout, "lines"), _figure(first.stdout, "rejected")) == (4, 1)
    assert "line 4: 'yesterday' is not a date" in first.stdout

    rest = heardback("replay", log, *options, "--resume")
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert (_figure(rest.stdout, "lines"), _figure(rest.stdout, "rejected")) == (8, 2)
    assert [line.split("\t")[0] for line in rejects.read_text().splitlines()] == ["4", "7"]

    again = heardback("replay", log, *options)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _figure(again.stdout, "scheduled") == _figure(rest.stdout, "scheduled") == 4
    assert _figure(again.stdout, "cooldown_any") == 2
