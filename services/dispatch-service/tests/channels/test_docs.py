"""What docs/channels.md says: its example is the one under contract, and its settings are read."""

import json
import re
import shlex
import textwrap
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI

from dispatch_service import in_app_api, webhook_api
from dispatch_service.adapters import sms
from dispatch_service.cards import Shelf
from dispatch_service.domain import webhook
from dispatch_service.domain.message import Outcome
from dispatch_service.in_app_api import InApp
from dispatch_service.in_app_stream import Streams
from dispatch_service.in_app_tokens import CustomerTokens
from dispatch_service.settings import Settings

from .parcels import KEYS, composers
from .stages import CASES, DOCS

PAGE = (DOCS / "channels.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n([\s\S]*?)^```$", PAGE, re.MULTILINE)
    assert found
    return [str(block) for block in found]


def settings(**environment: str) -> Settings:
    known: dict[str, Any] = {
        "database_url": "postgresql://dispatch@127.0.0.1/heardback",
        "mail_from": "feedback@example.com",
        "survey_url": "https://survey.example.com",
        "preferences_url": "https://preferences.example.com",
        "link_keys": ",".join(KEYS),
    }
    return Settings(**known, **environment)


def test_heart_of_the_example_is_in_the_example() -> None:
    (heart,) = [block for block in blocks("python") if "async def send" in block]
    example = (DOCS / "examples" / "push_channel.py").read_text()
    assert textwrap.indent(heart, "    ").strip() in example
    assert "push" in {case.name for case in CASES}, "it passes the contract"


def test_settings_are_read_as_they_stand_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks("sh"):
        for word in shlex.split(block):
            name, equals, value = word.partition("=")
            if equals and name.startswith("HEARDBACK_"):
                monkeypatch.setenv(name, value)
    read = settings()
    assert [provider.name for provider in read.sms_providers] == ["main", "spare"]
    assert [str(network) for network in read.webhook_networks] == ["10.20.0.0/16"]
    assert read.widget_origin_list == {"https://shop.example.com", "https://app.example.com"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_allowed_networks", "10.0.0.1/8"),
        ("webhook_allowed_networks", "our network"),
        ("widget_origins", "shop.example.com"),
        ("widget_origins", "https://shop.example.com/path"),
    ],
)
def test_service_refuses_to_start_when_a_setting_is_wrong(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings(**{name: value})


def test_requests_of_the_page_are_served() -> None:
    shelf = Shelf(composers().cards.compose)
    tokens = CustomerTokens(KEYS)
    made = InApp(tokens=tokens, shelf=shelf, streams=Streams(shelf), base_url="https://a")
    app = FastAPI()
    app.include_router(webhook_api.router())
    app.include_router(in_app_api.router(made, origins=()))
    paths = app.openapi()["paths"]
    fields = {
        "/webhook-endpoints": webhook_api.EndpointFields,
        "/in-app/tokens": in_app_api.TokenFields,
    }
    asked = [block for block in blocks("sh") if block.startswith("curl")]
    assert len(asked) == 2
    for block in asked:
        words = shlex.split(block.replace("\\\n", " "))
        path = next(w for w in words if w.startswith("http://")).partition(":8102")[2]
        assert "post" in paths[path]
        fields[path].model_validate(json.loads(words[words.index("--json") + 1]))
    for action in ("test", "secret", "disable", "enable"):
        assert "post" in paths[f"/webhook-endpoints/{{endpoint_id}}/{action}"]


def test_receiver_takes_what_is_ours_once(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [block for block in blocks("python") if "def take" in block]
    receiver: dict[str, Any] = {}
    exec(block, receiver)
    take, seen = receiver["take"], set[str]()
    signer = receiver["Webhook"]("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, now = '{"type": "invitation.due", "data": {"customer_id": "c1"}}', datetime.now(UTC)
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign("m1", now, body),
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert [take(secret, body, headers, seen) for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out == "invitation.due c1\n"
    for signature in ("", "v1", "v1,AAAA", "v1,g0hM9", "nonsense"):
        assert take(secret, body, {**headers, "webhook-signature": signature}, seen) == 401
    assert take(secret, body + " ", headers, seen) == 401


def test_tables_say_what_the_code_does() -> None:
    for code in sms._REFUSED_FOR_GOOD:
        assert str(code) in PAGE
    assert "5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h" in PAGE
    minutes, hours = 60, 3600
    assert webhook.SCHEDULE_SECONDS[1:] == (
        5,
        5 * minutes,
        30 * minutes,
        *(hours * n for n in (2, 5, 10, 14, 20, 24)),
    )
    for outcome in set(Outcome) - {Outcome.RELEASED}:
        assert f"| `{outcome.name}` |" in PAGE


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).exists(), target
