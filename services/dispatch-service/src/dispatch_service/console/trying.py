"""A message to try out: over a real provider, marked as a test, recorded nowhere."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from dispatch_service.adapters.interface import Adapter, Parcel
from dispatch_service.addresses import usable_address, usable_phone
from dispatch_service.domain.message import Outcome
from heardback.vocabulary import Channel

Adapters = Mapping[Channel, Sequence[Adapter[Any]]]
"""The providers of each channel, in the order in which they are tried."""

TRYABLE: Final = (Channel.EMAIL, Channel.SMS)
_MOST: Final = 10
_WITHIN: Final = timedelta(minutes=1)
_SAID: Final = {
    Outcome.SENT: "{provider} took it for {address}. It is marked as a test, and counts nowhere.",
    Outcome.BOUNCED: "{provider} refuses {address} for good: {detail}",
    Outcome.DEFERRED: "{provider} does not take it now: {detail}",
    Outcome.AWAY: "{provider} can't be reached: {detail}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a test went, in words."""

    text: str
    level: str


class Trials:
    """Sends tests, few enough that nobody can be flooded from here."""

    def __init__(self, adapters: Adapters) -> None:
        self._adapters = adapters
        self._sent_at: deque[datetime] = deque(maxlen=_MOST)

    def can(self, channel: Channel) -> bool:
        """Tell whether a test can be sent in a channel."""
        return channel in TRYABLE and bool(self._adapters.get(channel))

    async def send(self, parcel: Parcel) -> Said:
        """Send `parcel` as a test, over the first provider that can be reached."""
        refused = self._refusal(parcel)
        if refused:
            return Said(text=refused, level="breach")
        self._sent_at.append(parcel.now)
        parcel = replace(parcel, is_test=True)
        said = Said(text="No provider is there.", level="breach")
        for adapter in self._adapters[parcel.message.channel]:
            line = adapter.open_line()
            try:
                reply = await line.send(adapter.compose(parcel))
            finally:
                await line.close()
            text = _SAID.get(reply.outcome, "{provider}: {detail}").format(
                provider=adapter.name, address=parcel.message.address, detail=reply.detail
            )
            said = Said(text=text, level="ok" if reply.outcome is Outcome.SENT else "breach")
            if reply.outcome is not Outcome.AWAY:
                break
        return said

    def _refusal(self, parcel: Parcel) -> str | None:
        if not self.can(parcel.message.channel):
            return "No provider is set up for this channel."
        if len(self._sent_at) == _MOST and parcel.now - self._sent_at[0] < _WITHIN:
            return f"{_MOST} tests a minute are enough. Wait a moment, then try again."
        return None


def usable(channel: Channel, address: str) -> str | None:
    """Return an address as it goes to a provider; None: it is none in this channel."""
    return usable_address(address) if channel is Channel.EMAIL else usable_phone(address)
