"""Saving a rulebook: checked beside the others, kept as a version, put in force at once."""

from collections.abc import Collection
from dataclasses import dataclass

from closeloop_service.domain.planning import REPLAN, REPLAN_KEY
from closeloop_service.domain.routing import ROUTE, UNROUTED
from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.faults import RulebookChanged
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import Read, as_json, read_data, read_text
from closeloop_service.rulebook.shelf import load_shelf
from closeloop_service.store import rulebooks
from closeloop_service.store.rulebooks import KeptRulebook
from heardback.db import Transaction
from heardback.timers import Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text to be saved. `based_on`: the version that it was written upon; None: whichever."""

    kind: Kind
    body: str
    saved_by: str
    note: str = ""
    based_on: int | None = None


async def save(tx: Transaction, draft: Draft, secrets: Collection[str]) -> KeptRulebook:
    """Put the next version in force when this commits; the same text again changes nothing.

    Open tasks are planned anew and queues tried again where the change may concern them.
    Raises: RulebookFaults; RulebookChanged when somebody saved meanwhile.
    """
    await rulebooks.lock(tx)
    shelf = await load_shelf(tx.connection)
    kept, body = shelf.kept[draft.kind], tidy(draft.body)
    if body == kept.body:
        return kept
    if draft.based_on is not None and draft.based_on != kept.version:
        raise RulebookChanged(rulebook=draft.kind.value, version=kept.version)
    before = shelf.books()
    read = read_data(draft.kind, read_text(body), before, secrets)
    # Rules that can't be made would stop every handler: what we failed to refuse fails here.
    compile_rules(read.books, version=shelf.version)
    saved = await rulebooks.add(
        tx,
        kind=draft.kind,
        body=body,
        document=as_json(read.data),
        saved_by=draft.saved_by,
        note=draft.note,
    )
    if read.books != before:
        _put_in_force(tx, read, saved.version)
    return saved


def tidy(body: str) -> str:
    """Return a text as it is kept: lines end as they do here, and so does the last one."""
    lines = (line.rstrip() for line in body.replace("\r\n", "\n").split("\n"))
    return "\n".join(lines).strip("\n") + "\n"


def _put_in_force(tx: Transaction, read: Read, version: int) -> None:
    if read.kind in (Kind.SLA_POLICIES, Kind.CALENDARS):
        payload = {"version": version}
        tx.set_timer(Timer(kind=REPLAN, key=REPLAN_KEY, due_at=tx.now, payload=payload))
    if read.kind in (Kind.TEAMS, Kind.CALENDARS):
        # This one tries every task that has no owner, in a team's queue or in none.
        tx.set_timer(Timer(kind=ROUTE, key=UNROUTED, due_at=tx.now))
