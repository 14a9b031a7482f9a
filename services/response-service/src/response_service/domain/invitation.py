"""The invitation that a customer answers, as response-service knows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from heardback.vocabulary import Channel


class Invitation(Struct, frozen=True, kw_only=True):
    """Who was asked, about what, and until when. `recipient`: see `payloads.Recipient`.

    `survey_version` is pinned when the invitation is made; None: nobody knew a version then.
    `channel` is the one by which it was sent last.
    """

    invitation_id: str
    customer_id: str
    program_id: str
    touchpoint: str
    survey_id: str
    survey_version: int | None = None
    variant: str | None = None
    segment: str | None
    channel: Channel
    recipient: Mapping[str, Any]
    occurred_at: datetime
    expires_at: datetime
    traceparent: str | None
    opened_at: datetime | None = None
