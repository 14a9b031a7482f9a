"""From documents to the rules that the domain uses. They were checked before."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.rules import (
    Absence,
    Alerting,
    AlertKind,
    AlertRoute,
    AlertTarget,
    Escalation,
    Improvements,
    Member,
    MessageTemplate,
    Playbook,
    Playbooks,
    Rank,
    Routing,
    RoutingRule,
    Rules,
    SlaPolicy,
    Step,
    Target,
    Team,
    Tracker,
)
from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.documents import CalendarsDocument, TeamsDocument
from closeloop_service.rulebook.documents.alerts import AlertsDocument
from closeloop_service.rulebook.documents.calendars import CalendarDocument
from closeloop_service.rulebook.documents.fields import texts_of
from closeloop_service.rulebook.documents.improvements import ImprovementsDocument
from closeloop_service.rulebook.documents.playbooks import PlaybookDocument, PlaybooksDocument
from closeloop_service.rulebook.documents.policies import (
    EscalationDocument,
    PolicyDocument,
    TargetDocument,
)
from closeloop_service.rulebook.documents.teams import AbsenceDocument, MemberDocument, TeamDocument
from heardback.vocabulary import SlaClock
from heardback.zones import UTC_ZONE

_RANKS: Final = frozenset(Rank)
_DAY: Final = timedelta(days=1)
Calendars = Mapping[str, Calendar]


def compile_rules(books: Books, *, version: int) -> Rules:
    """Return the rules that the documents make together."""
    calendars = compile_calendars(books.calendars)
    return Rules(
        version=version,
        calendars=calendars,
        policies=tuple(compile_policy(policy) for policy in books.policies.policies),
        routing=_routing(books.teams, calendars),
        playbooks=_playbooks(books.playbooks),
        alerting=_alerting(books.alerts),
        improvements=_improvements(books.improvements),
    )


def compile_calendars(document: CalendarsDocument) -> dict[str, Calendar]:
    """Return the calendars.

    Raises: CalendarInvalid.
    """
    return {name: compile_calendar(calendar) for name, calendar in document.calendars.items()}


def compile_calendar(document: CalendarDocument) -> Calendar:
    """Return the calendar.

    Raises: CalendarInvalid with everything that is wrong with its hours.
    """
    return Calendar.from_dict(document.model_dump())


def compile_policy(document: PolicyDocument) -> SlaPolicy:
    """Return the policy."""
    first = _target(document.first_response)
    repeat = document.repeat
    return SlaPolicy(
        policy_id=document.id,
        when=document.when.match,
        calendar_id=document.calendar,
        targets={
            SlaClock.FIRST_RESPONSE: first,
            SlaClock.NEXT_RESPONSE: (
                first if document.next_response is None else _target(document.next_response)
            ),
            SlaClock.RESOLUTION: _target(document.resolution),
        },
        warning_share=int(document.warning_at.rstrip("%")) / 100,
        pause_at_most=document.wait_at_most,
        escalations=tuple(_escalation(level) for level in document.escalations),
        repeat_every=None if repeat is None else repeat.every,
        repeat_at_most=0 if repeat is None else repeat.at_most,
    )


def _target(document: TargetDocument) -> Target:
    return Target(business=document.within, ceiling=document.ceiling, calendar_id=document.calendar)


def _escalation(document: EscalationDocument) -> Escalation:
    ranks: list[Rank] = []
    named: dict[str, list[str]] = {"person": [], "team": [], "target": []}
    for recipient in document.tell:
        if recipient in _RANKS:
            ranks.append(Rank(recipient))
        else:
            kind, _, name = recipient.partition(":")
            named[kind].append(name)
    return Escalation(
        after=document.after,
        ranks=tuple(ranks),
        people=tuple(named["person"]),
        teams=tuple(named["team"]),
        targets=tuple(named["target"]),
    )


def _routing(document: TeamsDocument, calendars: Calendars) -> Routing:
    return Routing(
        owner_attribute=document.owner_attribute,
        value_attribute=document.value_attribute,
        teams={name: _team(name, team, calendars) for name, team in document.teams.items()},
        rules=tuple(
            RoutingRule(when=rule.when.match, team_id=rule.team) for rule in document.rules
        ),
    )


def _team(name: str, document: TeamDocument, calendars: Calendars) -> Team:
    return Team(
        team_id=name,
        title=document.title,
        calendar_id=document.calendar,
        members=tuple(_member(member, document, calendars) for member in document.members),
        strategy=document.strategy,
        lead=document.lead,
        head=document.head,
        target=document.target,
    )


def _member(document: MemberDocument, team: TeamDocument, calendars: Calendars) -> Member:
    calendar = calendars[document.calendar or team.calendar]
    return Member(
        name=document.name,
        email=document.email,
        languages=frozenset(document.languages),
        segments=frozenset(document.segments),
        capacity=document.capacity,
        calendar_id=document.calendar,
        absences=tuple(_absence(absence, calendar) for absence in document.absences),
        target=document.target,
    )


def _absence(document: AbsenceDocument, calendar: Calendar) -> Absence:
    return Absence(
        from_at=_midnight(document.first, calendar),
        to_at=_midnight(document.last, calendar, days=1),
    )


def _midnight(day: date, calendar: Calendar, *, days: int = 0) -> datetime:
    """Return when a day begins where the calendar is, or one so many days later."""
    zone = calendar.hours.zone or UTC_ZONE
    return datetime.combine(day + days * _DAY, time(), tzinfo=zone).astimezone(UTC_ZONE)


def _playbooks(document: PlaybooksDocument) -> Playbooks:
    return Playbooks(
        by_category={
            category: Playbook(
                category=category,
                opens=playbook.opens,
                steps=_steps(playbook),
                templates={
                    name: MessageTemplate(
                        template_id=name, title=template.title, texts=texts_of(template.texts)
                    )
                    for name, template in playbook.templates.items()
                },
            )
            for category, playbook in document.playbooks.by_category().items()
        },
        root_causes=document.root_causes,
        contact_channels=document.contact_channels,
        compensations=document.compensations,
    )


def _steps(document: PlaybookDocument) -> tuple[Step, ...]:
    return tuple(
        Step(
            step_id=step.id,
            title=step.title,
            advice=step.advice or "",
            done_by=None if step.done_by is None else step.done_by.value,
            template=step.template,
        )
        for step in document.steps
    )


def _alerting(document: AlertsDocument) -> Alerting:
    return Alerting(
        targets={
            name: AlertTarget(target_id=name, **_fields(target))
            for name, target in document.targets.items()
        },
        routes=tuple(
            AlertRoute(
                kinds=frozenset(route.kinds or AlertKind),
                target_id=route.target,
                teams=frozenset(route.teams),
            )
            for route in document.routes
        ),
        group_within=document.group_within,
        at_most_per_hour=document.at_most_per_hour,
    )


def _improvements(document: ImprovementsDocument) -> Improvements:
    return Improvements(
        trackers={
            name: Tracker(tracker_id=name, **_fields(tracker))
            for name, tracker in document.trackers.items()
        },
        tracker_id=document.tracker,
        owner=document.owner,
        owners=document.owners,
        told=texts_of(document.told),
        due_after=document.due_after,
    )


def _fields(document: Any) -> dict[str, Any]:
    return {name: getattr(document, name) for name in type(document).model_fields}
