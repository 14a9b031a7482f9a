"""What the supervisor itself has to say, in a log file like everybody else's."""

from pathlib import Path

from heardback.clock import Clock, SystemClock


class Journal:
    """Appends one line, with the time, to the supervisor's log."""

    def __init__(self, log: Path, clock: Clock | None = None) -> None:
        self.log = log
        self._clock = clock or SystemClock()

    def note(self, text: str) -> None:
        """Write `text` down."""
        with self.log.open("a") as file:
            file.write(f"{self._clock.now():%H:%M:%S} {text}\n")
