"""Texts to save, and texts with faults."""

import re
from html import unescape

from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.ready_made import ready_made

POLICIES = """\
# Our largest customers first.
policies:
  - id: enterprise
    when: {segments: [enterprise], min_value: 10000}
    calendar: office
    first_response: 1h
    resolution: {within: 16h, ceiling: 7d}
    escalations:
      - {after: 0m, tell: [owner]}
      - {after: 1h, tell: [lead, "person:Maya Lind", "team:care"]}
    repeat: {every: 2h, at_most: 2}
  - id: default
    calendar: office
    first_response: {within: 4h, ceiling: 24h}
    next_response: 8h
    resolution: {within: 48h, calendar: always}
    warning_at: 50%
    wait_at_most: unlimited
"""

TEAMS = """\
teams:
  care:
    title: Customer care
    calendar: office
    lead: Maya Lind
    members:
      - {name: Maya Lind, capacity: 0}
      - {name: Ana Ruiz, languages: [es, en], absences: [{from: 2026-12-24, to: 2026-12-26}]}
      - {name: Ben Ito, capacity: 5}
  key-accounts:
    title: Key accounts
    calendar: office
    strategy: round_robin
    members: [{name: Zoe Wu, email: zoe@example.com, segments: [enterprise]}]
rules:
  - {when: {segments: [enterprise]}, team: key-accounts}
  - {team: care}
"""

ALERTS = """\
targets:
  care-slack: {kind: slack, secret: care_slack}
  pager: {kind: pagerduty, secret: pager_key}
routes:
  - {target: care-slack}
  - {target: pager, kinds: [breached, escalated], teams: [care]}
"""


def text_of(kind: Kind) -> str:
    return ready_made()[kind]


def words_of(page: str) -> str:
    """Return what a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def typed(page: str) -> str:
    """Return what stands in the editor's text area."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return unescape(found[1])
