"""From the fields of a form of the board to a command."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote

from fastapi import Request, Response

from closeloop_service.domain import commands
from closeloop_service.domain.commands import Command
from closeloop_service.domain.task import Move
from closeloop_service.domain.writing import Written
from closeloop_service.handlers.messages import Draft
from heardback.errors import Invalid, NotFound
from heardback.vocabulary import Outcome

Fields = Mapping[str, str]

_YEAR_SECONDS: Final = 31_536_000
_LONGEST_LINE: Final = 200
_LONGEST_TEXT: Final = 10_000
_LONG: Final = frozenset({"note", "text", "reason"})
_DIGITS_BEFORE_POINT: Final = 9
_DIGITS_AFTER_POINT: Final = 2


class NameMissing(Invalid):
    """Write your name at the top first; the task is yours then."""


class FieldMissing(Invalid):
    """Something is missing; fill it in and send it again."""

    field: str


class FieldUnreadable(Invalid):
    """Something can't be read as it is; correct it and send it again."""

    field: str


class MoveUnknown(NotFound):
    """There is no such button; reload the page."""


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, without what surrounds them and with plain line ends."""
    form = await request.form()
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return {name: value.replace("\r\n", "\n").strip() for name, value in fields.items()}


def check(fields: Fields) -> None:
    """Refuse what no field of the board takes.

    Raises: FieldUnreadable.
    """
    for name, text in fields.items():
        is_long = name in _LONG
        letters = text.replace("\n", "").replace("\t", "") if is_long else text
        if any(letter < " " or letter == "\x7f" for letter in letters):
            raise FieldUnreadable(field=name)
        if len(text) > (_LONGEST_TEXT if is_long else _LONGEST_LINE):
            raise FieldUnreadable(field=name)


def whoever_sits_here(request: Request) -> str:
    """Return the name that this browser keeps; empty: nobody said one."""
    name = unquote(request.cookies.get("owner", ""))
    return "".join(letter for letter in name if letter.isprintable()).strip()[:_LONGEST_LINE]


def remember(answer: Response, name: str) -> Response:
    """Have the browser keep who sits there, so that a button suffices from now on."""
    answer.set_cookie("owner", quote(name), max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    return answer


def version_of(fields: Fields) -> int | None:
    """Return the version on which the form is based, where it insists on it."""
    text = fields.get("version", "")
    return int(text) if text.isascii() and text.isdigit() else None


def command_of(move: str, fields: Fields, *, actor: str, now: datetime) -> Command:
    """Return what the form tells the task.

    Raises: MoveUnknown, NameMissing, FieldMissing, FieldUnreadable.
    """
    if not actor:
        raise NameMissing
    if move == Move.WAIT:
        return commands.Wait(actor=actor, note=fields.get("note", ""), until=_until(fields, now))
    make = _COMMANDS.get(move)
    if make is None:
        raise MoveUnknown
    return make(fields, actor)


def draft_of(fields: Fields, actor: str) -> Draft:
    """Return the message that the form holds.

    Raises: NameMissing, FieldMissing.
    """
    if not actor:
        raise NameMissing
    return Draft(
        actor=actor,
        written=Written(subject=fields.get("subject") or None, text=_needed(fields, "text")),
        template_id=fields.get("template_id") or None,
    )


def _needed(fields: Fields, name: str) -> str:
    if not fields.get(name):
        raise FieldMissing(field=name)
    return fields[name]


def _until(fields: Fields, now: datetime) -> datetime | None:
    days = fields.get("days", "")
    if not days:
        return None
    if not (days.isascii() and days.isdigit()) or len(days) > len("999"):
        raise FieldUnreadable(field="days")
    return now + timedelta(days=int(days))


def _amount(fields: Fields) -> float:
    text = _needed(fields, "amount").replace(",", ".")
    whole, _, cents = text.partition(".")
    digits = whole + cents
    fits = len(whole) <= _DIGITS_BEFORE_POINT and len(cents) <= _DIGITS_AFTER_POINT
    if not (whole and fits and digits.isascii() and digits.isdecimal()):
        raise FieldUnreadable(field="amount")
    return float(text)


def _currency(fields: Fields) -> str:
    code = _needed(fields, "currency").upper()
    if len(code) != len("EUR") or not (code.isascii() and code.isalpha()):
        raise FieldUnreadable(field="currency")
    return code


def _outcome(fields: Fields) -> Outcome:
    try:
        return Outcome(_needed(fields, "outcome"))
    except ValueError:
        raise FieldUnreadable(field="outcome") from None


_COMMANDS: Final[Mapping[str, Callable[[Fields, str], Command]]] = {
    "claim": lambda _, actor: commands.Assign(actor=actor, owner=actor),
    Move.ASSIGN: lambda fields, actor: commands.Assign(
        actor=actor, owner=_needed(fields, "owner"), team=fields.get("team") or None
    ),
    Move.RELEASE: lambda fields, actor: commands.Release(actor=actor, note=fields.get("note", "")),
    Move.ACKNOWLEDGE: lambda _, actor: commands.Acknowledge(actor=actor),
    Move.CONTACT: lambda fields, actor: commands.Contact(
        actor=actor, channel=_needed(fields, "channel"), note=fields.get("note", "")
    ),
    Move.REPLY: lambda fields, actor: commands.Reply(
        actor=actor, channel=_needed(fields, "channel"), text=_needed(fields, "text")
    ),
    Move.RESUME: lambda fields, actor: commands.Resume(actor=actor, note=fields.get("note", "")),
    Move.RESOLVE: lambda fields, actor: commands.Resolve(
        actor=actor, root_cause=_needed(fields, "root_cause"), note=fields.get("note", "")
    ),
    Move.VERIFY: lambda fields, actor: commands.Verify(actor=actor, outcome=_outcome(fields)),
    Move.REOPEN: lambda fields, actor: commands.Reopen(
        actor=actor, reason=_needed(fields, "reason")
    ),
    Move.CANCEL: lambda fields, actor: commands.Cancel(
        actor=actor, reason=_needed(fields, "reason")
    ),
    Move.ESCALATE: lambda fields, actor: commands.Escalate(
        actor=actor, reason=_needed(fields, "reason")
    ),
    Move.NOTE: lambda fields, actor: commands.Note(actor=actor, note=_needed(fields, "note")),
    Move.COMPENSATE: lambda fields, actor: commands.Compensate(
        actor=actor,
        kind=_needed(fields, "kind"),
        amount=_amount(fields),
        currency=_currency(fields),
        note=fields.get("note", ""),
    ),
    Move.STEP: lambda fields, actor: commands.Step(
        actor=actor, step_id=_needed(fields, "step"), done=bool(fields.get("done"))
    ),
}
