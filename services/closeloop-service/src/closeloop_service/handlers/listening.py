"""What closeloop hears and waits for, and who acts on it: one line for each topic and timer."""

from collections.abc import Mapping
from functools import partial

from closeloop_service.domain.decision import OF_CLOCKS, OUTCOME, WAIT_OVER
from closeloop_service.domain.planning import REPLAN
from closeloop_service.domain.routing import ROUTE
from closeloop_service.handlers import (
    alerts,
    conversations,
    customers,
    messages,
    recovery,
    responses,
    retention,
    routing,
    themes,
    timers,
)
from closeloop_service.handlers.in_turn import Handler, in_turn
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store.improvements import IMPROVEMENT_DUE, TELL_REPORTERS
from heardback.contracts import topics
from heardback.contracts.topics import Topic
from heardback.timer_loop import TimerHandler


def topic_handlers(keeper: Keeper) -> Mapping[Topic, Handler]:
    """Return who acts on the events of each topic."""
    return {
        topics.CUSTOMER: in_turn(customers.on_customers, partial(recovery.on_customers, keeper)),
        topics.DETRACTOR_ALERT: partial(alerts.on_alerts, keeper),
        topics.DELIVERY: in_turn(
            conversations.on_deliveries,
            partial(messages.on_deliveries, keeper),
            themes.on_follow_ups,
        ),
        topics.RESPONSE: in_turn(
            conversations.on_answers,
            partial(responses.on_responses, keeper),
            partial(recovery.on_answers, keeper),
        ),
        topics.SURVEY: conversations.on_surveys,
        topics.THEME: partial(themes.on_themes, keeper),
    }


def timer_handlers(keeper: Keeper, *, company: str = "") -> Mapping[str, TimerHandler]:
    """Return who acts on what falls due, by its kind; `company`: in whose name it is told."""
    return {
        **dict.fromkeys(OF_CLOCKS, partial(timers.on_clocks_due, keeper)),
        WAIT_OVER: partial(timers.on_waits_over, keeper),
        OUTCOME: partial(recovery.on_silence_due, keeper),
        REPLAN: partial(timers.on_replan_due, keeper),
        ROUTE: partial(routing.on_routes_due, keeper),
        retention.FORGET: retention.on_forget_due,
        IMPROVEMENT_DUE: partial(themes.on_improvements_due, keeper),
        TELL_REPORTERS: partial(themes.on_tell_reporters, keeper, company),
    }
