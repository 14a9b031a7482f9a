"""What each kind of target needs: how a message is written for it, and what its answers mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from closeloop_service.domain.grouping import MessageText, one_line
from closeloop_service.domain.rules import AlertTarget
from closeloop_service.store.alert_messages import What
from heardback.calls.guard import AddressForbidden
from heardback.calls.http import Answer, Silence

JSON: Final = {"Content-Type": "application/json"}
_LATER: Final = frozenset({408, 425, 429})
_LONGEST_DETAIL: Final = 200
_HIDDEN: Final = "…"
_TELLING: Final = 8
"""What is shorter tells nothing, and stands in many words."""
_NEVER: Final = (AddressForbidden.__name__, "UnsupportedProtocol")


class TargetUnusable(ValueError):
    """The target can't be used as it is set up; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message on its way: what it says, and where its links lead.

    `board_url`: without a slash at its end. `acknowledge_url`: none where nothing is to be seen to.
    """

    message_id: str
    what: What
    content: MessageText
    made_at: datetime
    now: datetime
    board_url: str
    acknowledge_url: str | None = None
    incident: str | None = None

    def url(self, path: str) -> str:
        """Return where a path of the board is."""
        return f"{self.board_url}{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The request that carries a message."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes


class Outcome(StrEnum):
    """How sending ended."""

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a target's answer means. `in_doubt`: it may have taken the message all the same."""

    outcome: Outcome
    detail: str
    retry_after_seconds: float | None = None
    in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One kind of target.

    `compose` is pure; it raises TargetUnusable. `knows_repeats`: the same message twice is one.
    """

    compose: Callable[[Letter, AlertTarget, str], Call]
    knows_repeats: bool


def verdict_of(heard: Answer | Silence, now: datetime) -> Verdict:
    """Return what an answer means: they all speak HTTP alike, and differ in what they send."""
    if isinstance(heard, Silence):
        never = heard.detail.startswith(_NEVER)
        outcome = Outcome.REFUSED if never else Outcome.LATER
        return Verdict(outcome=outcome, detail=heard.detail, in_doubt=heard.in_doubt)
    said = one_line(heard.body.decode("utf-8", "replace"))[:_LONGEST_DETAIL]
    detail = f"HTTP {heard.status}: {said}" if said else f"HTTP {heard.status}"
    if 200 <= heard.status < 300:
        return Verdict(outcome=Outcome.TAKEN, detail=detail)
    if heard.status in _LATER or heard.status >= 500:
        wait = heard.retry_after_seconds(now)
        return Verdict(outcome=Outcome.LATER, detail=detail, retry_after_seconds=wait)
    return Verdict(outcome=Outcome.REFUSED, detail=detail)


def without(heard: Answer | Silence, secret: str) -> Answer | Silence:
    """Return an answer without the secret: some repeat the address they were called at.

    What they say is logged, kept, and told to other targets.
    """
    for part in sorted(_parts(secret), key=len, reverse=True):
        if isinstance(heard, Silence):
            heard = replace(heard, detail=heard.detail.replace(part, _HIDDEN))
        else:
            heard = replace(heard, body=heard.body.replace(part.encode(), _HIDDEN.encode()))
    return heard


def _parts(secret: str) -> set[str]:
    """Return what of a secret gives it away: for an address its path and what its query says."""
    try:
        parts = urlsplit(secret.strip())
    except ValueError:
        return {secret}
    said = [value for _, value in parse_qsl(parts.query)]
    return {part for part in (secret, parts.path, *said) if len(part) >= _TELLING}


def web_address(text: str, *, of: str) -> str:
    """Return an address that can be called.

    Raises: TargetUnusable.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or not text.isascii() or not text.isprintable() or " " in text:
        msg = f"{of} is no address; write the whole of it, from https:// on"
        raise TargetUnusable(msg)
    return text


def cut(text: str, longest: int) -> str:
    """Return `text`, cut with an ellipsis where it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
