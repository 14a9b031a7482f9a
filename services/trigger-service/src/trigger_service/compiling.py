"""From documents to the rules in force: what fields mean together, and what is wrong with them.

Compiling depends on nothing but texts, so it is remembered by them: a new version is a new text.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from heardback.durations import parse_duration
from heardback.hours import ALWAYS, Hours, permits_anything
from heardback.vocabulary import Channel
from trigger_service.cel import compile_expression
from trigger_service.documents import WEEKDAYS, GovernanceDocument, ProgramDocument
from trigger_service.domain.cohort import EVERYBODY, Period
from trigger_service.domain.duration import parse_window
from trigger_service.domain.expression import InvalidExpression, Predicate
from trigger_service.domain.fields import Fields
from trigger_service.domain.program import (
    Cadence,
    Cooldowns,
    Governance,
    Program,
    ProgramState,
    Reminders,
    Segment,
)
from trigger_service.faults import Fault, InvalidDocument

_SHORTEST_DAYS: Final = {
    Period.MONTH: 28,
    Period.QUARTER: 90,
    Period.HALF_YEAR: 181,
    Period.YEAR: 365,
}
_RESERVED: Final = frozenset({"schema", "validate"})
_INTERRUPTING: Final = frozenset({Channel.EMAIL, Channel.SMS})
"""The channels that quiet hours are about; a widget or a webhook wakes nobody."""


def compile_governance(document: GovernanceDocument) -> Governance:
    """Return what holds for all programs.

    Raises: InvalidDocument with every fault.
    """
    faults: list[Fault] = []
    fields = Fields()
    try:
        fields = Fields(customer=document.fields.customer, event=document.fields.event)
    except ValueError as error:
        faults.append(Fault(path=("fields",), message=str(error)))
    segments = []
    for index, segment in enumerate(document.segments):
        when = _expression(segment.when, fields, ("segments", index, "when"), faults)
        if when is not None:
            segments.append(Segment(name=segment.name, when=when))
    zone = _zone(document.timezone, faults)
    if faults:
        raise InvalidDocument(faults)
    return Governance(
        zone=zone, daily_budget=document.daily_budget, fields=fields, segments=tuple(segments)
    )


def compile_program(
    document: ProgramDocument,
    governance: GovernanceDocument,
    *,
    version: int = 1,
    state: ProgramState = ProgramState.ACTIVE,
) -> Program:
    """Return the program, with everything of the governance that holds for it.

    Raises: InvalidDocument with every fault.
    """
    when = _checked(document, governance)
    return Program(
        program_id=document.id,
        name=document.name,
        version=version,
        state=state,
        touchpoint=document.touchpoint or str(document.cadence),
        cadence=document.cadence,
        type=document.type,
        survey_id=document.survey,
        locale=document.locale,
        variants=tuple((document.variants or {}).items()),
        channels=document.channels,
        learn_channels=document.learn_channels,
        fallback_after=_duration(document.fallback_after),
        reminders=_reminders(document),
        when=when,
        after_uses=document.after_uses,
        sample=document.sample.sample(document.cadence) if document.sample else EVERYBODY,
        delay=parse_window(document.delay),
        expires_after=parse_duration(document.expires_after),
        # Of every channel: an invitation that waits may be for one that this version has not.
        hours={channel: _hours(document, governance, channel) for channel in Channel},
        cooldowns=_cooldowns(document, governance),
        on_throttle=document.on_throttle,
        quotas=document.quotas,
    )


@lru_cache(maxsize=4096)
def program_of(text: str, governance: str, version: int, state: ProgramState) -> Program:
    """Return the program that a kept document says; it was valid when it was kept."""
    return compile_program(
        ProgramDocument.model_validate_json(text),
        GovernanceDocument.model_validate_json(governance),
        version=version,
        state=state,
    )


@lru_cache(maxsize=64)
def governance_of(text: str) -> Governance:
    """Return the governance that a kept document says."""
    return compile_governance(GovernanceDocument.model_validate_json(text))


def _checked(document: ProgramDocument, governance: GovernanceDocument) -> Predicate | None:
    """See that the document is valid as a whole; return whom it asks."""
    faults = list(_faults(document, governance))
    fields = compile_governance(governance).fields
    when = None
    if document.when is not None:
        when = _expression(document.when, fields, ("when",), faults)
    if faults:
        raise InvalidDocument(faults)
    return when


def _faults(document: ProgramDocument, governance: GovernanceDocument) -> Iterator[Fault]:
    """What the fields do not mean together."""
    if (document.touchpoint is None) == (document.cadence is None):
        message = "write either what has to happen (touchpoint) or how often to ask (cadence)"
        yield Fault(path=("touchpoint",), message=message)
    if document.cadence is not None:
        yield from _cadence_faults(document, document.cadence)
    if document.id in _RESERVED:
        yield Fault(
            path=("id",), message=f"{document.id!r} is a path of the API; name it otherwise"
        )
    yield from _channel_faults(document)
    yield from _reminder_faults(document)
    if parse_duration(document.expires_after) == timedelta(0):
        yield Fault(path=("expires_after",), message="0 is never; write how late is too late")
    if document.sample and document.sample.sample(None).thousandths == 0:
        yield Fault(path=("sample", "share"), message="0% is nobody; pause the program instead")
    if document.locale is not None and document.locale not in governance.locales:
        known = ", ".join(governance.locales)
        message = f"there are no texts in {document.locale!r}; there are in {known}"
        yield Fault(path=("locale",), message=message)
    for channel in document.channels:
        if not permits_anything(_hours(document, governance, channel)):
            message = f"nothing is left of them for {channel} by the quiet and legal hours"
            path = "send_hours" if document.send_hours else "channels"
            yield Fault(path=(path,), message=message)


def _cadence_faults(document: ProgramDocument, cadence: Cadence) -> Iterator[Fault]:
    if document.after_uses is not None:
        yield Fault(path=("after_uses",), message="a cadence counts no uses; leave this out")
    days = _SHORTEST_DAYS[cadence.period]
    if parse_window(document.delay).longest > timedelta(days=days):
        message = f"ends after the period; a {cadence} one has {days}d at least, so end by then"
        yield Fault(path=("delay",), message=message)


def _channel_faults(document: ProgramDocument) -> Iterator[Fault]:
    if len(set(document.channels)) < len(document.channels):
        yield Fault(path=("channels",), message="name each channel once")
    if len(document.channels) == 1 and document.learn_channels:
        message = "one channel leaves nothing to learn; name another one in channels"
        yield Fault(path=("learn_channels",), message=message)
    if document.fallback_after is None:
        return
    if len(document.channels) == 1:
        message = "there is no next channel; name another one in channels"
        yield Fault(path=("fallback_after",), message=message)
    yield from _waiting_faults("fallback_after", document.fallback_after, 1, document)


def _reminder_faults(document: ProgramDocument) -> Iterator[Fault]:
    if document.reminders is not None:
        after, count = document.reminders.after, document.reminders.count
        yield from _waiting_faults("reminders", after, count, document)


def _waiting_faults(
    field: str, after: str, times: int, document: ProgramDocument
) -> Iterator[Fault]:
    """What is wrong with waiting for `after`, so many times in a row."""
    waited = parse_duration(after) * times
    if waited == timedelta(0):
        yield Fault(path=(field,), message="0 is at once; write how long to wait, such as 3d")
    elif waited >= parse_duration(document.expires_after):
        message = f"{after} is too long{' ' + str(times) + ' times' if times > 1 else ''}"
        why = f"the invitation has expired by then (expires_after: {document.expires_after})"
        yield Fault(path=(field,), message=f"{message}: {why}")


def _duration(text: str | None) -> timedelta | None:
    return None if text is None else parse_duration(text)


def _reminders(document: ProgramDocument) -> Reminders | None:
    if document.reminders is None:
        return None
    return Reminders(count=document.reminders.count, after=parse_duration(document.reminders.after))


def _cooldowns(document: ProgramDocument, governance: GovernanceDocument) -> Cooldowns:
    cooldowns = governance.cooldowns
    return Cooldowns(
        any=parse_duration(cooldowns.any),
        type=parse_duration(cooldowns.of_type(document.type)),
        program=parse_duration(document.cooldown or cooldowns.program),
    )


def _hours(document: ProgramDocument, governance: GovernanceDocument, channel: Channel) -> Hours:
    spans, weekdays = [], ALWAYS.weekdays
    if document.send_hours is not None:
        weekdays = frozenset(WEEKDAYS.index(day) for day in document.send_hours.days)
        if document.send_hours.span is not None:
            spans.append(document.send_hours.span)
    if governance.quiet_hours is not None and channel in _INTERRUPTING:
        spans.append(governance.quiet_hours.span.inverse())
    if channel in governance.legal_hours:
        spans.append(governance.legal_hours[channel].span)
    return Hours(spans=tuple(spans), weekdays=weekdays)


def _expression(
    source: str, fields: Fields, path: tuple[str | int, ...], faults: list[Fault]
) -> Predicate | None:
    try:
        return compile_expression(source, fields)
    except InvalidExpression as error:
        faults.append(Fault(path=path, message=str(error)))
        return None


def _zone(name: str, faults: list[Fault]) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        message = f"{name!r} is no time zone; write one such as Europe/Berlin"
        faults.append(Fault(path=("timezone",), message=message))
        return ZoneInfo("UTC")
