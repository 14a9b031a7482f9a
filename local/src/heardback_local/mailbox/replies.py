"""Answering a text message as its recipient: told to Heardback as Twilio tells it.

Source: Twilio's "Validating requests": HMAC-SHA1 of the URL and of the form's fields in order.
"""

import base64
import hmac
from typing import Final

import httpx2

from heardback.ids import Ids
from heardback_local.mailbox.messages import Message

_ANSWER_SECONDS: Final = 10.0


class Replies:
    """Sends replies to the one place that takes them."""

    def __init__(self, url: str, *, auth_token: str, ids: Ids) -> None:
        self._url = url
        self._auth_token = auth_token.encode()
        self._ids = ids

    async def send(self, message: Message, text: str) -> str | None:
        """Answer `message` with `text`; return why that failed, if it did."""
        form = {
            "MessageSid": "SM" + self._ids.new().replace("-", ""),
            "From": message.recipient,
            "To": message.sender,
            "Body": text,
            "NumMedia": "0",
        }
        headers = {"X-Twilio-Signature": self._signature(form)}
        try:
            async with httpx2.AsyncClient(timeout=_ANSWER_SECONDS) as client:
                answer = await client.post(self._url, data=form, headers=headers)
        except httpx2.TransportError as error:
            return f"Heardback could not be reached: {type(error).__name__}."
        return None if answer.is_success else f"Heardback answered {answer.status_code}."

    def _signature(self, form: dict[str, str]) -> str:
        signed = self._url + "".join(name + value for name, value in sorted(form.items()))
        return base64.b64encode(hmac.digest(self._auth_token, signed.encode(), "sha1")).decode()
