"""Windows of durations as people write them: `7d..14d`."""

from dataclasses import dataclass
from datetime import timedelta

from heardback.durations import parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `shortest` to `longest` after something happened; equal: exactly then."""

    shortest: timedelta
    longest: timedelta


def parse_window(text: object) -> Window:
    """Return the window that `text` says.

    Shapes: `7d..14d`, or one duration for a window of no width.
    Raises: ValueError that says what to write instead.
    """
    first, dots, last = text.partition("..") if isinstance(text, str) else (text, "", "")
    shortest = parse_duration(first)
    window = Window(shortest=shortest, longest=parse_duration(last) if dots else shortest)
    if window.longest < window.shortest:
        msg = f"{text!r} ends before it begins; write {last}..{first}"
        raise ValueError(msg)
    return window
