"""Everything that can be wrong with a rulebook is told, where, and with what to write instead."""

import re

import pytest

from closeloop_service.rulebook.drafts import Checked, check_text
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import LONGEST, read_data, read_text
from closeloop_service.rulebook.ready_made import ready_made_books

from . import books

POLICY = """\
policies:
  - id: default
    calendar: office
    first_response: 4h
    resolution: 48h
"""
TEAM = """\
teams:
  care:
    title: Care
    calendar: office
    members:
      - name: Ana Ruiz
rules:
  - team: care
"""
CALENDAR = """\
calendars:
  always: {tz: UTC, week: {mon: [["00:00", "24:00"]]}}
  office:
    tz: Europe/Berlin
    week:
      mon: [["09:00", "17:00"]]
"""
TRACKER = """\
trackers:
  product: {kind: jira, base_url: "https://example.com", project: CX, secret: jira_token}
tracker: product
told: {en: {subject: Done, text: It is done.}}
"""
START = {
    Kind.CALENDARS: CALENDAR,
    Kind.SLA_POLICIES: POLICY,
    Kind.TEAMS: TEAM,
    Kind.PLAYBOOKS: books.text_of(Kind.PLAYBOOKS),
    Kind.ALERTS: books.ALERTS,
    Kind.IMPROVEMENTS: TRACKER,
}
_SHORT = "calendar: office, first_response: 1h, resolution: 2h"
SECRETS = ("care_slack", "pager_key", "jira_token")
LENIENT = read_data(
    Kind.SLA_POLICIES,
    read_text(POLICY.replace("48h", "1h")),
    ready_made_books(),
    SECRETS,
).books


def check(kind: Kind, text: str) -> Checked:
    return check_text(kind, text, ready_made_books(), SECRETS)


def faults(kind: Kind, old: str, new: str) -> list[str]:
    """Return what is wrong once `old` is written as `new`: 'line field: message'."""
    start = START[kind]
    assert old in start, "the test is about something that is not there"
    found = check(kind, start.replace(old, new, 1)).faults
    return [f"{fault.line} {fault.field}: {fault.message}" for fault in found]


@pytest.mark.parametrize("kind", Kind)
def test_start_is_valid_when_nothing_is_changed(kind: Kind) -> None:
    assert check(kind, START[kind]).faults == ()


CASES = [
    # every kind
    (Kind.TEAMS, "teams:", "team:", "1 team: there is no such field"),
    (Kind.TEAMS, "title: Care", "title: true", "3 teams.care.title: this reads as True"),
    (Kind.TEAMS, "title: Care", 'title: ""', "3 teams.care.title: write something here"),
    (Kind.TEAMS, "  care:", "  Care Team:", "2 teams.Care Team: write a-z, 0-9 and dashes"),
    (Kind.TEAMS, TEAM, "[care]", "1 : write one 'field: value' on each line"),
    (Kind.TEAMS, TEAM, "", "1 : write one 'field: value' on each line"),
    (Kind.TEAMS, TEAM, "x" * (LONGEST + 1), "1 : this is longer than 200,000 characters"),
    (Kind.TEAMS, "title: Care", "title: [", "look at the colons, quotes and brackets"),
    (Kind.TEAMS, "title: Care", "title: &a Care\n    lead: *a", "4 : write it out here, without *"),
    (Kind.TEAMS, "title: Care", "title: C\n    title: D", "4 : 'title' stands here a second time"),
    # calendars
    (
        Kind.CALENDARS,
        "Europe/Berlin",
        "Europe/Berln",
        "4 calendars.office.tz: 'Europe/Berln' is no",
    ),
    (Kind.CALENDARS, "    tz: Europe/Berlin\n", "", "3 calendars.office.tz: is missing"),
    (Kind.CALENDARS, 'mon: [["09:00", "17:00"]]', "monday: []", "week.monday: is no day"),
    (Kind.CALENDARS, '[["09:00", "17:00"]]', "[]", "5 calendars.office.week: it never opens"),
    (Kind.CALENDARS, '"17:00"', '"08:00"', "mon.0: ends before it begins"),
    (Kind.CALENDARS, '"17:00"', "17:00", "mon.0.1: 1020 is no time of day"),
    (
        Kind.CALENDARS,
        '["09:00", "17:00"]',
        '["09:00", "13:00"], ["12:30", "17:00"]',
        "6 calendars.office.week.mon.1: overlaps 09:00–13:00",
    ),
    (Kind.CALENDARS, "tz: Europe", "country: XX\n    tz: Europe", "country: 'XX' is not known"),
    (
        Kind.CALENDARS,
        "tz: Europe",
        "holidays: [2026-02-30]\n    tz: Europe",
        "a value that cannot be read",
    ),
    (
        Kind.CALENDARS,
        "tz: Europe",
        'breaks: {2026-12-31: [["13:00", "12:00"]]}\n    tz: Europe',
        "4 calendars.office.breaks.2026-12-31.0: ends before it begins",
    ),
    (Kind.CALENDARS, "  always: ", "  other: ", "always is missing, and SLA policies needs it"),
    (Kind.CALENDARS, '"17:00"', '"09:00"', "mon.0: ends before it begins, or then"),
    # SLA policies
    (Kind.SLA_POLICIES, POLICY, "policies: []", "1 policies: name at least 1"),
    (Kind.SLA_POLICIES, "office", "offce", "3 policies.0.calendar: there is no calendar offce"),
    (Kind.SLA_POLICIES, "4h", "4 hours", "4 policies.0.first_response.within: '4 hours' is not a"),
    (Kind.SLA_POLICIES, "4h", "0h", "4 policies.0.first_response.within: write more than 0"),
    (Kind.SLA_POLICIES, "4h", "9999w", "first_response.within: '9999w' is too long"),
    (Kind.SLA_POLICIES, "4h", "{within: 4h, ceiling: 2h}", "4 policies.0.first_response.ceiling"),
    (Kind.SLA_POLICIES, "4h", "{within: 4h, calendar: x}", "there is no calendar x; there are"),
    (Kind.SLA_POLICIES, "4h", "{ceiling: 2h}", "4 policies.0.first_response.within: is missing"),
    (Kind.SLA_POLICIES, "48h", "48h\n    warning_at: 100%", "from 1% to 99%"),
    (Kind.SLA_POLICIES, "48h", "48h\n    warning_at: 0%", "from 1% to 99%"),
    (Kind.SLA_POLICIES, "48h", "48h\n    warning_at: 0.75", "warning_at: this reads as 0.75"),
    (Kind.SLA_POLICIES, "48h", "48h\n    wait_at_most: long", "6 policies.0.wait_at_most: 'long'"),
    (Kind.SLA_POLICIES, "48h", "48h\n    when: {segments: [a]}", "6 policies.0.when: the last"),
    (
        Kind.SLA_POLICIES,
        "  - id",
        f"  - {{id: any, {_SHORT}}}\n  - id",
        "2 policies.0: fits every task, so those below it never count",
    ),
    (
        Kind.SLA_POLICIES,
        "  - id",
        f"  - {{id: default, when: {{min_score: 3, max_score: 1}}, {_SHORT}}}\n  - id",
        "2 policies.0.when.max_score: is less than min_score",
    ),
    (
        Kind.SLA_POLICIES,
        "  - id",
        f"  - {{id: default, when: {{max_score: 1}}, {_SHORT}}}\n  - id",
        "3 policies.1.id: default is there already",
    ),
    (
        Kind.SLA_POLICIES,
        "48h",
        "48h\n    escalations: [{after: 1h, tell: [boss]}]",
        "escalations.0.tell.0: write owner, lead, head, person:Name, team:id or target:id",
    ),
    (
        Kind.SLA_POLICIES,
        "48h",
        "48h\n    escalations: [{after: 1h, tell: [lead]}, {after: 1h, tell: [head]}]",
        "6 policies.0.escalations.1.after: come later than the level before it",
    ),
    (
        Kind.SLA_POLICIES,
        "48h",
        "48h\n    escalations: [{after: 1h, tell: [team:x, target:y]}]",
        "tell.1: there is no target y; there are none yet; write it in Alerts first",
    ),
    (
        Kind.SLA_POLICIES,
        "48h",
        "48h\n    escalations: [{after: 1h, tell: []}]",
        "escalations.0.tell: name at least 1",
    ),
    (Kind.SLA_POLICIES, "48h", "48h\n    repeat: {every: 0h}", "repeat.every: write more than 0"),
    (Kind.SLA_POLICIES, "48h", "48h\n    repeat: {every: 1h}", "repeat: there is no level to"),
    (
        Kind.SLA_POLICIES,
        "48h",
        "48h\n    when: {languages: [no]}",
        "when.languages.0: this reads as False; write it in quotes",
    ),
    (
        Kind.SLA_POLICIES,
        "  - id",
        f"  - {{id: a, when: {{min_value: {10**30}}}, {_SHORT}}}\n  - id",
        "2 policies.0.when.min_value: write 1000000000000.0 at most",
    ),
    # teams
    (Kind.TEAMS, "office", "night", "4 teams.care.calendar: there is no calendar night"),
    (Kind.TEAMS, "- team: care", "- team: cares", "8 rules.0.team: there is no team cares"),
    (Kind.TEAMS, "- team: care", "- team: care\n  - team: care", "8 rules.0: fits every task"),
    (
        Kind.TEAMS,
        "Ana Ruiz",
        "Ana Ruiz\n      - name: Ana Ruiz",
        "7 teams.care.members.1.name: Ana",
    ),
    (Kind.TEAMS, "Ana Ruiz", "Ana Ruiz\n        capacity: -1", "capacity: write 0 or more"),
    (Kind.TEAMS, "Ana Ruiz", "Ana Ruiz\n        capacity: few", "capacity: write a whole number"),
    (
        Kind.TEAMS,
        "Ana Ruiz",
        "Ana Ruiz\n        email: ana",
        "7 teams.care.members.0.email: write a",
    ),
    (
        Kind.TEAMS,
        "Ana Ruiz",
        "Ana Ruiz\n        target: x",
        "members.0.target: there is no target x",
    ),
    (Kind.TEAMS, "Ana Ruiz", "Ana Ruiz\n        calendar: x", "members.0.calendar: there is no"),
    (
        Kind.TEAMS,
        "Ana Ruiz",
        "Ana Ruiz\n        absences: [{from: 2026-05-02, to: 2026-05-01}]",
        "7 teams.care.members.0.absences.0.to: is before `from`",
    ),
    (Kind.TEAMS, "title: Care", "title: Care\n    strategy: random", "strategy: write 'least_load"),
    (Kind.TEAMS, "teams:", "owner_attribute: Account Owner\nteams:", "owner_attribute: write a-z"),
    # playbooks
    (Kind.PLAYBOOKS, "opens: always", "opens: never", "playbooks.detractor.opens: write always"),
    (Kind.PLAYBOOKS, "done_by: contact", "done_by: hug", "steps.0.done_by: write 'assign'"),
    (Kind.PLAYBOOKS, "- id: listen", "- id: acknowledge", "steps.1.id: acknowledge is there"),
    (Kind.PLAYBOOKS, "template: thank-and-ask", "template: thanks", "no template thanks in this"),
    (Kind.PLAYBOOKS, "- late delivery", "- other", "root_causes.7: other is there"),
    (
        Kind.PLAYBOOKS,
        "I may call.\n\n              {{ owner }}",
        "{{ ownr }}",
        "en.text: there is nothing called ownr",
    ),
    (
        Kind.PLAYBOOKS,
        "Hello,{% endif %}",
        "Hello,",
        "en.text: this begins something and does not end it",
    ),
    (Kind.PLAYBOOKS, "\n  passive:", "\n  neutral:", "playbooks.passive: is missing"),
    (Kind.PLAYBOOKS, "          de:", "          German:", "texts.German: write a language such"),
    (Kind.PLAYBOOKS, "          de:", "          de-at:", "texts.de-at: write a language such"),
    # alerts
    (Kind.ALERTS, "kind: slack", "kind: pigeon", "2 targets.care-slack.kind: write 'slack'"),
    (
        Kind.ALERTS,
        "secret: care_slack",
        "secret: nothing",
        "care-slack.secret: there is no secret n",
    ),
    (Kind.ALERTS, ", secret: care_slack", "", "2 targets.care-slack.secret: is missing"),
    (
        Kind.ALERTS,
        "secret: care_slack",
        'secret: "https://hooks.example.com/x"',
        "never the secret itself",
    ),
    (Kind.ALERTS, "kind: slack", "kind: webhook", "targets.care-slack.url: is missing"),
    (Kind.ALERTS, "kind: slack", 'kind: slack, url: "https://a.b"', "url: leave it out"),
    (Kind.ALERTS, "target: pager", "target: pgr", "6 routes.1.target: there is no target pgr"),
    (Kind.ALERTS, "teams: [care]", "teams: [x]", "6 routes.1.teams.0: there is no team x"),
    (Kind.ALERTS, "kinds: [breached", "kinds: [late", "6 routes.1.kinds.0: write 'opened'"),
    (Kind.ALERTS, "routes:", "group_within: 2h\nroutes:", "group_within: write 1h at most"),
    (Kind.ALERTS, "routes:", "at_most_per_hour: 0\nroutes:", "at_most_per_hour: write 1 or more"),
    # improvements
    (Kind.IMPROVEMENTS, "tracker: product", "tracker: x", "3 tracker: there is no tracker x"),
    (Kind.IMPROVEMENTS, "project: CX", "project: cx", "product.project: write the project's key"),
    (Kind.IMPROVEMENTS, ", project: CX", "", "2 trackers.product.project: is missing; write the"),
    (Kind.IMPROVEMENTS, ', base_url: "https://example.com"', "", "product.base_url: is missing"),
    (Kind.IMPROVEMENTS, "https://example.com", "example.com", "base_url: write an address that"),
    (Kind.IMPROVEMENTS, "kind: jira", "kind: webhook", "product.project: leave it out"),
    (Kind.IMPROVEMENTS, "kind: jira", "kind: github", "product.project: write owner/repository"),
    (
        Kind.IMPROVEMENTS,
        "secret: j",
        "options: {color: red}, secret: j",
        "jira has no option color",
    ),
    (Kind.IMPROVEMENTS, "jira_token", "jira", "product.secret: there is no secret jira; set it in"),
    (Kind.IMPROVEMENTS, "tracker: product", "due_after: 0d", "due_after: write more than 0"),
    (
        Kind.IMPROVEMENTS,
        "It is done.",
        "'{{ theme }}'",
        "told.en.text: there is nothing called the",
    ),
    (Kind.IMPROVEMENTS, "told:", "told: {}\nold:", "told: name at least 1"),
]


@pytest.mark.parametrize(("kind", "old", "new", "told"), CASES)
def test_fault_is_told_with_its_line_when_it_is_made(
    kind: Kind, old: str, new: str, told: str
) -> None:
    found = faults(kind, old, new)
    assert any(told in fault for fault in found), found


def test_every_fault_is_told_when_there_are_several() -> None:
    text = POLICY.replace("4h", "soon").replace("48h", "late").replace("office", "Office Hours")
    lines = [fault.line for fault in check(Kind.SLA_POLICIES, text).faults]
    assert lines == [3, 4, 5]


HARDLY_OPEN = """\
calendars:
  always: {tz: UTC, week: {mon: [["00:00", "24:00"]], sun: [["00:00", "24:00"]]}}
  office: {tz: UTC, week: {mon: [["09:00", "09:01"]]}}
"""


def test_clock_is_refused_when_its_calendar_hardly_opens() -> None:
    beside = read_data(Kind.SLA_POLICIES, read_text(POLICY), ready_made_books(), SECRETS).books
    (fault,) = check_text(Kind.CALENDARS, HARDLY_OPEN, beside, SECRETS).faults
    told = "too little for policies.0.resolution of the SLA policies; give it more hours"
    assert (fault.line, fault.field, fault.message) == (3, "calendars.office", told)


def test_time_is_refused_when_the_calendar_is_never_open_for_so_long() -> None:
    hardly = read_data(Kind.CALENDARS, read_text(HARDLY_OPEN), LENIENT, SECRETS).books
    (fault,) = check_text(Kind.SLA_POLICIES, POLICY, hardly, SECRETS).faults
    assert (fault.line, fault.field) == (5, "policies.0.resolution")
    assert fault.message == ("calendar office is not open for so long in fifty years; write less")


def test_faults_say_no_word_of_the_library_when_they_are_told() -> None:
    said = "\n".join(fault for kind, old, new, _ in CASES for fault in faults(kind, old, new))
    assert not re.search(r"Input should|Value error|pydantic|String should", said), said


ADVICE = [
    (
        Kind.TEAMS,
        "title: Care",
        "title: Care\n    lead: Maya Lnd",
        "4 teams.care.lead: Maya Lnd is",
    ),
    (Kind.TEAMS, "    members:\n      - name: Ana Ruiz\n", "", "2 teams.care: nobody is in it yet"),
    (
        Kind.TEAMS,
        "rules:\n  - team: care\n",
        "",
        "rules: no rule: tasks without an account's owner",
    ),
    (
        Kind.TEAMS,
        "- team: care",
        "- {when: {segments: [a]}, team: care}",
        "8 rules.0: what none of these fits stays unrouted",
    ),
    (
        Kind.SLA_POLICIES,
        "48h",
        "48h\n    escalations: [{after: 1h, tell: ['person:Maya Lnd']}]",
        "Maya Lnd is in no team",
    ),
    (Kind.ALERTS, "  - {target: care-slack}\n", "", "2 targets.care-slack: nothing is told there"),
    (Kind.IMPROVEMENTS, "tracker: product\n", "", "1 trackers: no ticket is made yet"),
    (Kind.IMPROVEMENTS, "tracker: product\n", "", "trackers.product: without webhook_secret"),
]


@pytest.mark.parametrize(("kind", "old", "new", "told"), ADVICE)
def test_second_look_is_asked_for_when_something_is_allowed_and_odd(
    kind: Kind, old: str, new: str, told: str
) -> None:
    checked = check(kind, START[kind].replace(old, new, 1))
    assert checked.read is not None
    found = [f"{fault.line} {fault.field}: {fault.message}" for fault in checked.advice]
    assert any(told in fault for fault in found), found
