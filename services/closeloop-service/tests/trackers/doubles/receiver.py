"""A system of the customer's own that takes Standard Webhooks."""

from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from standardwebhooks.webhooks import Webhook

from .base import Double, is_json

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class ReceiverDouble(Double):
    """Takes each message once, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}
        self.app.post("/tickets")(self.take)

    async def refuse(self, request: Request) -> Response | None:
        headers, body = request.headers, (await request.body()).decode()
        try:
            sent_at = _instant(headers["webhook-timestamp"])
            expected = Webhook(SECRET).sign(headers["webhook-id"], sent_at, body)
        except (KeyError, ValueError):
            return JSONResponse({"message": "no signature"}, 401)
        if expected not in headers["webhook-signature"].split(" ") or not is_json(request):
            return JSONResponse({"message": "wrong signature"}, 401)
        return None

    async def take(self, request: Request) -> Response:
        said = orjson.loads(await request.body())
        self.messages.setdefault(request.headers["webhook-id"], said)
        return JSONResponse({"ticket": "T-1", "url": "https://tickets.example/T-1"})


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)
