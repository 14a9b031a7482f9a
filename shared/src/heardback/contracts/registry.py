"""Every event type, once: its name, its topic and its payload.

A type is `<thing>.<what happened>.v<version>`. An incompatible change is a new version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from heardback.contracts import payloads, topics
from heardback.contracts.payloads import Payload
from heardback.contracts.topics import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One kind of event. `name` carries the version."""

    name: str
    topic: Topic
    payload: type[Payload]

    @property
    def family(self) -> str:
        """The name without its version."""
        return self.name.rpartition(".v")[0]

    def __str__(self) -> str:
        return self.name


def _type(name: str, topic: Topic, payload: type[Payload]) -> EventType:
    return EventType(name=name, topic=topic, payload=payload)


PURCHASE_COMPLETED: Final = _type(
    "purchase.completed.v1", topics.PURCHASE, payloads.PurchaseCompleted
)
PURCHASE_REFUNDED: Final = _type("purchase.refunded.v1", topics.PURCHASE, payloads.PurchaseRefunded)
PURCHASE_CANCELLED: Final = _type(
    "purchase.cancelled.v1", topics.PURCHASE, payloads.PurchaseCancelled
)
TICKET_CLOSED: Final = _type("ticket.closed.v1", topics.TICKET_CLOSED, payloads.TicketClosed)
TICKET_REOPENED: Final = _type("ticket.reopened.v1", topics.TICKET_CLOSED, payloads.TicketReopened)
ONBOARDING_COMPLETED: Final = _type(
    "onboarding.completed.v1", topics.ONBOARDING_COMPLETE, payloads.OnboardingCompleted
)
TOUCHPOINT_RECORDED: Final = _type(
    "touchpoint.recorded.v1", topics.TOUCHPOINT, payloads.TouchpointRecorded
)
TOUCHPOINT_REVOKED: Final = _type(
    "touchpoint.revoked.v1", topics.TOUCHPOINT, payloads.TouchpointRevoked
)
CUSTOMER_UPDATED: Final = _type("customer.updated.v1", topics.CUSTOMER, payloads.CustomerUpdated)
CUSTOMER_CHURNED: Final = _type("customer.churned.v1", topics.CUSTOMER, payloads.CustomerChurned)
CUSTOMER_RETURNED: Final = _type("customer.returned.v1", topics.CUSTOMER, payloads.CustomerReturned)
CUSTOMER_ERASED: Final = _type("customer.erased.v1", topics.CUSTOMER, payloads.CustomerErased)

SURVEY_SCHEDULED: Final = _type("survey.scheduled.v1", topics.SURVEY, payloads.SurveyScheduled)
SURVEY_SUPPRESSED: Final = _type("survey.suppressed.v2", topics.SURVEY, payloads.SurveySuppressed)
SURVEY_SUPPRESSED_V1: Final = _type(
    "survey.suppressed.v1", topics.SURVEY, payloads.SurveySuppressedV1
)
SURVEY_CANCELLED: Final = _type("survey.cancelled.v1", topics.SURVEY, payloads.SurveyCancelled)
SURVEY_POSTPONED: Final = _type("survey.postponed.v1", topics.SURVEY, payloads.SurveyPostponed)
SURVEY_REQUESTED: Final = _type("survey.requested.v1", topics.SURVEY, payloads.SurveyRequested)

INVITATION_SENT: Final = _type("invitation.sent.v1", topics.DELIVERY, payloads.InvitationSent)
INVITATION_REMINDED: Final = _type(
    "invitation.reminded.v1", topics.DELIVERY, payloads.InvitationReminded
)
INVITATION_BOUNCED: Final = _type(
    "invitation.bounced.v1", topics.DELIVERY, payloads.InvitationBounced
)
INVITATION_DROPPED: Final = _type(
    "invitation.dropped.v1", topics.DELIVERY, payloads.InvitationDropped
)
RECIPIENT_UNSUBSCRIBED: Final = _type(
    "recipient.unsubscribed.v1", topics.DELIVERY, payloads.RecipientUnsubscribed
)
RECIPIENT_RESUBSCRIBED: Final = _type(
    "recipient.resubscribed.v1", topics.DELIVERY, payloads.RecipientResubscribed
)
REPLY_RECEIVED: Final = _type("reply.received.v1", topics.DELIVERY, payloads.ReplyReceived)
FOLLOW_UP_REQUESTED: Final = _type(
    "follow_up.requested.v1", topics.FOLLOW_UP, payloads.FollowUpRequested
)
FOLLOW_UP_SENT: Final = _type("follow_up.sent.v1", topics.DELIVERY, payloads.FollowUpSent)
FOLLOW_UP_FAILED: Final = _type("follow_up.failed.v1", topics.DELIVERY, payloads.FollowUpFailed)

SURVEY_VERSION_PUBLISHED: Final = _type(
    "survey_version.published.v1", topics.SURVEY_VERSION, payloads.SurveyVersionPublished
)

INVITATION_OPENED: Final = _type("invitation.opened.v1", topics.RESPONSE, payloads.InvitationOpened)
RESPONSE_RECORDED: Final = _type("response.recorded.v1", topics.RESPONSE, payloads.ResponseRecorded)
RESPONSE_REVISED: Final = _type("response.revised.v1", topics.RESPONSE, payloads.ResponseRecorded)
RESPONSE_QUARANTINED: Final = _type(
    "response.quarantined.v1", topics.RESPONSE, payloads.ResponseQuarantined
)
DETRACTOR_ALERTED: Final = _type(
    "detractor.alerted.v1", topics.DETRACTOR_ALERT, payloads.DetractorAlerted
)

TASK_OPENED: Final = _type("task.opened.v1", topics.TASK, payloads.TaskOpened)
TASK_JOINED: Final = _type("task.joined.v1", topics.TASK, payloads.TaskJoined)
TASK_ASSIGNED: Final = _type("task.assigned.v1", topics.TASK, payloads.TaskAssigned)
TASK_ACKNOWLEDGED: Final = _type("task.acknowledged.v1", topics.TASK, payloads.TaskAcknowledged)
TASK_CONTACTED: Final = _type("task.contacted.v1", topics.TASK, payloads.TaskContacted)
TASK_REPLIED: Final = _type("task.replied.v1", topics.TASK, payloads.TaskReplied)
TASK_WAITING: Final = _type("task.waiting.v1", topics.TASK, payloads.TaskWaiting)
TASK_RESUMED: Final = _type("task.resumed.v1", topics.TASK, payloads.TaskResumed)
TASK_RESOLVED: Final = _type("task.resolved.v1", topics.TASK, payloads.TaskResolved)
TASK_REOPENED: Final = _type("task.reopened.v1", topics.TASK, payloads.TaskReopened)
TASK_VERIFIED: Final = _type("task.verified.v1", topics.TASK, payloads.TaskVerified)
TASK_CANCELLED: Final = _type("task.cancelled.v1", topics.TASK, payloads.TaskCancelled)
TASK_ESCALATED: Final = _type("task.escalated.v1", topics.TASK, payloads.TaskEscalated)
TASK_SLA_WARNED: Final = _type("task.sla_warned.v1", topics.TASK, payloads.TaskSlaWarned)
TASK_SLA_BREACHED: Final = _type("task.sla_breached.v1", topics.TASK, payloads.TaskSlaBreached)

THEME_THRESHOLD_REACHED: Final = _type(
    "theme.threshold_reached.v1", topics.THEME, payloads.ThemeThresholdReached
)
IMPROVEMENT_OPENED: Final = _type(
    "improvement.opened.v1", topics.IMPROVEMENT, payloads.ImprovementOpened
)
IMPROVEMENT_TICKETED: Final = _type(
    "improvement.ticketed.v1", topics.IMPROVEMENT, payloads.ImprovementTicketed
)
IMPROVEMENT_OVERDUE: Final = _type(
    "improvement.overdue.v1", topics.IMPROVEMENT, payloads.ImprovementOverdue
)
IMPROVEMENT_SHIPPED: Final = _type(
    "improvement.shipped.v1", topics.IMPROVEMENT, payloads.ImprovementShipped
)
IMPROVEMENT_DECLINED: Final = _type(
    "improvement.declined.v1", topics.IMPROVEMENT, payloads.ImprovementDeclined
)

EVENT_TYPES: Final[Mapping[str, EventType]] = {
    value.name: value for value in list(globals().values()) if isinstance(value, EventType)
}
"""Every event type by its name."""

FAMILIES: Final = frozenset(event_type.family for event_type in EVENT_TYPES.values())
"""Names without versions: tells a wrong version from an unknown type."""
