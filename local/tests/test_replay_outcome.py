"""Every line is accounted for, or the outcome says that it is not."""

from dataclasses import replace

import pytest

from heardback_local.replay_outcome import Outcome
from heardback_local.replay_position import Position

OUTCOME = Outcome(
    reached=Position(last_line=101, accepted=90, rejected=10),
    published=90,
    publishing_seconds=1.0,
    total_seconds=2.0,
    touchpoints=90,
    scheduled=30,
    suppressed={"cooldown_any": 50, "stale": 10},
)


def test_a_replay_is_complete_when_all_lines_add_up() -> None:
    assert OUTCOME.complete


@pytest.mark.parametrize(
    "outcome",
    [
        replace(OUTCOME, scheduled=29, touchpoints=89),
        replace(OUTCOME, scheduled=31),
        replace(OUTCOME, touchpoints=91),
    ],
)
def test_a_replay_is_incomplete_when_a_line_is_missing_or_doubled(outcome: Outcome) -> None:
    assert not outcome.complete
