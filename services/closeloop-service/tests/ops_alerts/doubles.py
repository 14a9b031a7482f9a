"""Slack, Teams, PagerDuty and a webhook's receiver as they behave, and refuse, over HTTP."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from standardwebhooks import Webhook, WebhookVerificationError

ROUTING_KEY = "R0123456789ABCDEF0123456789ABCDE"
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK_PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
TEAMS_PATH = "/workflows/0123/triggers/manual/paths/invoke"
_SLACK_MOST = {"section": 3000, "header": 150}
_SEVERITIES = ("critical", "error", "warning", "info")
_CARD_MOST_BYTES = 28 * 1024


@dataclass
class Double:
    """What a provider took. `says`: answers that come first, whatever is sent."""

    taken: list[Any] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    says: list[Response] = field(default_factory=list)
    always: Response | None = None
    calls: int = 0

    async def hear(self, request: Request) -> Response:
        self.calls += 1
        body = await request.body()
        if self.says:
            return self.says.pop(0)
        if self.always is not None:
            return self.always
        answer = self.answer(request, body)
        if answer.status_code >= 300:
            self.refused.append(bytes(answer.body).decode())
        return answer

    def answer(self, request: Request, body: bytes) -> Response:
        raise NotImplementedError


def too_many(seconds: int) -> Response:
    return Response("rate_limited", 429, headers={"Retry-After": str(seconds)})


def _json(request: Request, body: bytes) -> Any:
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


class SlackDouble(Double):
    """An incoming webhook: plain words, and Block Kit's limits."""

    def answer(self, request: Request, body: bytes) -> Response:
        sent = _json(request, body)
        if not isinstance(sent, dict):
            return PlainTextResponse("invalid_payload", 400)
        if not sent.get("text") and not sent.get("blocks"):
            return PlainTextResponse("no_text", 400)
        blocks = sent.get("blocks", [])
        if len(blocks) > 50 or not all(self._fits(block) for block in blocks):
            return PlainTextResponse("invalid_blocks", 400)
        self.taken.append(sent)
        return PlainTextResponse("ok")

    def _fits(self, block: dict[str, Any]) -> bool:
        kind = block.get("type")
        if kind == "context":
            elements = block["elements"]
            return 1 <= len(elements) <= 10 and all(
                element["type"] in ("mrkdwn", "plain_text") for element in elements
            )
        if kind not in _SLACK_MOST:
            return False
        text = block["text"]
        wanted = "plain_text" if kind == "header" else "mrkdwn"
        known = {"type", "text", "emoji" if wanted == "plain_text" else "verbatim"}
        if text["type"] != wanted or set(text) - known:
            return False
        return 1 <= len(text["text"]) <= _SLACK_MOST[kind]


class TeamsDouble(Double):
    """The webhook of a workflow that posts an Adaptive Card."""

    def answer(self, request: Request, body: bytes) -> Response:
        if len(body) > _CARD_MOST_BYTES:
            return self._error(413, "RequestEntityTooLarge")
        sent = _json(request, body)
        if not isinstance(sent, dict) or sent.get("type") != "message":
            return self._error(400, "InvalidRequestContent")
        attachments = sent.get("attachments") or [{}]
        card = attachments[0].get("content", {})
        is_card = attachments[0].get("contentType") == "application/vnd.microsoft.card.adaptive"
        if not is_card or card.get("type") != "AdaptiveCard" or card.get("version") > "1.5":
            return self._error(400, "InvalidCard")
        if not all(self._fits(element) for element in card["body"]):
            return self._error(400, "InvalidElement")
        if not all(a["type"] == "Action.OpenUrl" and a["url"] for a in card["actions"]):
            return self._error(400, "InvalidAction")
        self.taken.append(card)
        return Response(status_code=202)

    def _fits(self, element: dict[str, Any]) -> bool:
        runs = element.get("inlines", [])
        return element["type"] == "RichTextBlock" and all(
            run["type"] == "TextRun" and isinstance(run["text"], str) and run["text"]
            for run in runs
        )

    def _error(self, status: int, code: str) -> Response:
        return JSONResponse({"error": {"code": code, "message": code}}, status)


class PagerDutyDouble(Double):
    """Events API v2. `alerts`: by key, what became of each; the same key twice is one alert."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, list[str]] = defaultdict(list)

    @property
    def open(self) -> set[str]:
        return {key for key, states in self.alerts.items() if states[-1] != "resolve"}

    def answer(self, request: Request, body: bytes) -> Response:
        sent = _json(request, body)
        errors = ["JSON is invalid"] if not isinstance(sent, dict) else self._errors(sent)
        if errors:
            problem = {"status": "invalid event", "message": "Event object is invalid"}
            return JSONResponse({**problem, "errors": errors}, 400)
        key, action = sent["dedup_key"], sent["event_action"]
        states = self.alerts[key]
        # What is acknowledged or resolved without being open is dropped, and still accepted.
        if action == "trigger" or (states and states[-1] != "resolve"):
            states.append(action)
        self.taken.append(sent)
        said = {"status": "success", "message": "Event processed", "dedup_key": key}
        return JSONResponse(said, 202)

    def _errors(self, sent: dict[str, Any]) -> list[str]:
        errors = []
        if len(sent.get("routing_key", "")) != 32:
            errors.append("'routing_key' is missing or blank")
        if sent.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is invalid")
        if not 1 <= len(sent.get("dedup_key", "")) <= 255:
            errors.append("'dedup_key' is invalid")
        if sent.get("event_action") == "trigger":
            payload = sent.get("payload", {})
            if not 1 <= len(payload.get("summary", "")) <= 1024:
                errors.append("'payload.summary' is missing or too long")
            if not payload.get("source"):
                errors.append("'payload.source' is missing or blank")
            if payload.get("severity") not in _SEVERITIES:
                errors.append("'payload.severity' is invalid (must be one of …)")
        return errors


class HookDouble(Double):
    """A receiver of Standard Webhooks, which knows what it has taken by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []

    def answer(self, request: Request, body: bytes) -> Response:
        try:
            headers = {k: v for k, v in request.headers.items() if k.startswith("webhook-")}
            self._verify(body, headers)
        except (WebhookVerificationError, ValueError, KeyError):
            return Response(status_code=401)
        self.ids.append(headers["webhook-id"])
        if self.ids.count(headers["webhook-id"]) == 1:
            self.taken.append(json.loads(body))
        return Response(status_code=204)

    def _verify(self, body: bytes, headers: dict[str, str]) -> None:
        # As the library does; but the time is the test's, and the library's clock another one.
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        expected = Webhook(SIGNING_SECRET).sign(headers["webhook-id"], at, body.decode())
        if expected != headers["webhook-signature"]:
            raise WebhookVerificationError


class Providers:
    """All of them at one address."""

    def __init__(self) -> None:
        self.slack, self.teams = SlackDouble(), TeamsDouble()
        self.pager, self.hook = PagerDutyDouble(), HookDouble()
        self.url = ""
        self.app = FastAPI()
        self.app.post(SLACK_PATH)(self.slack.hear)
        self.app.post(TEAMS_PATH)(self.teams.hear)
        self.app.post("/v2/enqueue")(self.pager.hear)
        self.app.post("/hook")(self.hook.hear)
        self.app.post("/services/{rest:path}")(self._no_service)

    async def _no_service(self, rest: str) -> Response:
        return PlainTextResponse("no_service", 404)

    @property
    def secrets(self) -> dict[str, str]:
        """What the rulebook's names stand for."""
        return {
            "slack_url": f"{self.url}{SLACK_PATH}",
            "teams_url": f"{self.url}{TEAMS_PATH}",
            "pager_key": ROUTING_KEY,
            "hook_secret": SIGNING_SECRET,
        }
