"""What can be wrong with a command."""

from collections.abc import Sequence
from datetime import datetime

from heardback.errors import Conflict, Invalid, NotFound


class TaskNotFound(NotFound):
    """There is no task under this id."""

    task_id: str


class MoveNotAllowed(Conflict):
    """The task's state does not allow this; `allowed` names what it allows."""

    task_id: str
    state: str
    move: str
    allowed: list[str]


class TaskChanged(Conflict):
    """The task changed since you read it; read it again, then decide."""

    task_id: str
    version: int


class TaskTaken(Conflict):
    """Somebody else owns this task; name the version that you read to take it over knowingly."""

    task_id: str
    owner: str


class RootCauseUnknown(Invalid):
    """The playbooks name no such root cause; choose one of those in `known`, or add it there."""

    root_cause: str
    known: list[str]


class ContactChannelUnknown(Invalid):
    """The playbooks name no such way of contact; choose one of those in `known`, or add it."""

    channel: str
    known: list[str]


class CompensationUnknown(Invalid):
    """The playbooks name no such compensation; choose one of those in `known`, or add it there."""

    kind: str
    known: list[str]


class StepUnknown(Invalid):
    """The task's playbook has no such step; choose one of those in `known`."""

    step_id: str
    known: list[str]


class WaitOutOfBounds(Invalid):
    """The wait must end after now, and by `latest_at` where the SLA policy bounds it."""

    until: datetime
    latest_at: datetime | None


class CalendarInvalid(Invalid):
    """This calendar is not valid; correct the fields and send it again.

    Shapes: `faults` are pairs of a path, such as `week.mon.0`, and what to write there.
    """

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(errors=[{"field": path, "message": message} for path, message in faults])
        self.faults = tuple(faults)


class CalendarNeverOpens(Invalid):
    """The calendar never opens, so its time cannot pass; give it hours on some day of the week."""


class CalendarHasNoZone(Invalid):
    """The calendar has no time zone, so it cannot tell the time of an instant; give it a `tz`."""


class BeyondCalendar(Invalid):
    """The time lies outside the years 1 to 9999; choose a shorter duration."""


class ImprovementNotFound(NotFound):
    """There is no improvement under this id."""

    improvement_id: str


class ImprovementMoveNotAllowed(Conflict):
    """The improvement's state does not allow this; `allowed` names what it allows."""

    improvement_id: str
    state: str
    move: str
    allowed: list[str]


class ImprovementChanged(Conflict):
    """The improvement changed since you read it; read it again, then decide."""

    improvement_id: str
    version: int


class ThemeHasImprovement(Conflict):
    """The theme has an improvement that is still open; use that one."""

    improvement_id: str


class NoConversation(Conflict):
    """There is no conversation to write in; phone or mail them yourself, then log the contact."""

    task_id: str


class MessageInvalid(Invalid):
    """This can't be sent as it is; correct the fields and send it again."""

    errors: list[dict[str, str]]


class TemplateUnknown(Invalid):
    """The task's playbook has no such template; choose one of those in `known`."""

    template_id: str
    known: list[str]


class TicketNotPossible(Conflict):
    """A ticket is made for what is open, in the tracker that the rules name; see to both."""

    improvement_id: str


class AlertMessageNotFound(NotFound):
    """There is no message to ops under this id."""

    message_id: str


class AlertMessageNotFailed(Conflict):
    """This message to ops did not fail; there is nothing to send again."""

    message_id: str


class OwnerUnknown(NotFound):
    """Nobody of this name is in a team; write them into the teams first."""

    owner: str


class FeedUnknown(NotFound):
    """This calendar's address is not one that we made; ask for the owner's address anew."""


class FeedsOff(Conflict):
    """Calendars and links need a key; set HEARDBACK_LINK_KEYS and restart."""
