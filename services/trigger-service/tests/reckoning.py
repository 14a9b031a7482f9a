"""What a request must keep to, reckoned from the documents alone, and not as the core does it."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from heardback.durations import parse_duration
from heardback.vocabulary import Channel, ProgramType
from trigger_service.documents import DailyHours

from .twin import Request

ZONES = frozenset(available_timezones())
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def is_within(at: time, given: DailyHours) -> bool:
    opens = time.fromisoformat(given.opens)
    closes = time.max if given.closes == "24:00" else time.fromisoformat(given.closes)
    return opens <= at < closes if opens < closes else at >= opens or at < closes


def zone_of(request: Request) -> ZoneInfo:
    name = request.customer.timezone
    return ZoneInfo(name if name in ZONES else request.governance.timezone)


def is_permitted(request: Request) -> bool:
    """Tell whether the clock on the recipient's wall shows a time at which they may be reached."""
    local = request.at.astimezone(zone_of(request))
    governance, send_hours = request.governance, request.document.send_hours
    wakes = request.channel in (Channel.EMAIL, Channel.SMS)
    if wakes and governance.quiet_hours and is_within(local.time(), governance.quiet_hours):
        return False
    legal = governance.legal_hours.get(request.channel)
    if legal and not is_within(local.time(), legal):
        return False
    if send_hours is None:
        return True
    if WEEKDAYS[local.weekday()] not in send_hours.days:
        return False
    if send_hours.opens is None or send_hours.closes is None:
        return True
    return is_within(local.time(), DailyHours(opens=send_hours.opens, closes=send_hours.closes))


def cooldown_between(request: Request, other: Request) -> timedelta:
    """Return how far a request must be from one before it, by the documents in force at it."""
    governance, document = request.governance.cooldowns, request.document
    longest = [governance.any]
    if ProgramType.RECOVERY is document.type is not other.document.type:
        longest = ["0d"]
    if document.type == other.document.type:
        longest.append(governance.model_dump()[document.type])
    if document.id == other.document.id:
        longest.append(document.cooldown or governance.program)
    return max(parse_duration(text) for text in longest)
