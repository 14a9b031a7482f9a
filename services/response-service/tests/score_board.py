"""What insights makes of the events: the NPS over what counts, and who was alerted."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from heardback.envelope import Event
from heardback.vocabulary import Category


class ScoreBoard:
    """Folds response events as a consumer does that knows nothing else."""

    def __init__(self, events: Iterable[Event[Any]]) -> None:
        self.answers: dict[str, Any] = {}
        self.alerts: Counter[str] = Counter()
        self.quarantined = 0
        self.opened: Counter[str] = Counter()
        for event in events:
            self._take(event)

    @property
    def nps(self) -> float | None:
        """The score; None: nobody has answered."""
        groups = Counter(answer.category for answer in self.answers.values())
        count = sum(groups.values())
        if not count:
            return None
        return 100 * (groups[Category.PROMOTER] - groups[Category.DETRACTOR]) / count

    @property
    def scores(self) -> dict[str, int]:
        """The score that counts, by invitation."""
        return {key: answer.score for key, answer in self.answers.items()}

    def _take(self, event: Event[Any]) -> None:
        name, data = event.type.name, event.data
        if name == "invitation.opened.v1":
            self.opened[data.invitation_id] += 1
        elif name == "detractor.alerted.v1":
            self.alerts[data.invitation_id] += 1
        elif name == "response.quarantined.v1":
            self.quarantined += 1
            if data.revision is not None:
                gone = self.answers.pop(data.invitation_id)
                assert (gone.revision, gone.category) == (data.revision, data.category)
        elif name.startswith("response."):
            before = self.answers.get(data.invitation_id)
            assert (before is None) == (name == "response.recorded.v1"), name
            assert data.previous_category == (before.category if before else None)
            assert before is None or data.revision > before.revision
            self.answers[data.invitation_id] = data
