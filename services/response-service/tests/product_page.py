"""A product page that carries the widget, and what the widget talks to, as far as it knows."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response

from heardback.surveys import Survey
from heardback.vocabulary import Category, category_of
from heardback.words import words_of

HOST_STYLE = (
    "* {color: darkred; text-transform: uppercase; direction: rtl}"
    "b, button, section {display: none}"
    "heardback-card {display: none !important; visibility: hidden !important; zoom: 3 !important}"
)
TEXTS = {"company": "Northwind", "occurred_on": "23 February 2026", "touchpoint": "purchase"}


def card_of(survey: Survey, locale: str) -> dict[str, Any]:
    """Return a card as dispatch makes it; see docs/messages.md."""
    texts, words = survey.texts(locale), words_of(locale)
    keys = ("label", "close", "send", "hint", "not_saved")
    return {
        "message_id": "m1",
        "kind": "invitation",
        "locale": texts.locale,
        "direction": texts.direction,
        "texts": {key: words.say(f"widget.{key}", company="Northwind") for key in keys},
        "scale": survey.scale.value,
        "scores": list(survey.scale.scores),
        "groups": [category_of(score, survey.scale).value for score in survey.scale.scores],
        "about": texts.about.render(TEXTS),
        "question": texts.question.render(TEXTS),
        "lowest": texts.lowest.render(TEXTS),
        "highest": texts.highest.render(TEXTS),
        "follow_ups": {g.value: texts.follow_ups[g].render(TEXTS) for g in Category},
        "thanks": {
            g.value: {"title": said.title.render(TEXTS), "text": said.text.render(TEXTS)}
            for g, said in texts.thanks.items()
        },
        "review": {"url": "https://example.com/review", "label": "Tell others about it"},
    }


@dataclass
class Backend:
    """Dispatch and the survey, as far as the widget knows them; it keeps what it was told."""

    cards: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    answer_status: int = 200
    body: str | None = None
    pause: float = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    dismissed: int = 0
    preflights: int = 0
    base: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()
        open_to_all = {"Access-Control-Allow-Origin": "*"}

        @app.get("/in-app/{token}")
        async def cards(token: str) -> Response:
            urls = {"answer_url": f"{self.base}/w/t", "dismiss_url": f"{self.base}/dismiss"}
            listed = json.dumps({"cards": [{**card, **urls} for card in self.cards]})
            return Response(self.body or listed, self.status, headers=open_to_all)

        @app.post("/w/t")
        async def answer(request: Request) -> Response:
            said = json.loads(await request.body())
            if "comment" not in said:
                await asyncio.sleep(self.pause)
            assert request.headers["content-type"].startswith("text/plain")
            assert 0 <= said.pop("t") < 60_000
            self.answers.append(said)
            return Response("{}", self.answer_status, headers=open_to_all)

        @app.post("/dismiss")
        async def dismiss() -> Response:
            self.dismissed += 1
            return Response(status_code=204, headers=open_to_all)

        @app.options("/{rest:path}")
        async def preflight(rest: str) -> Response:
            self.preflights += 1
            return Response(headers=open_to_all)

        return app


@dataclass
class Place:
    """A product page that loads the widget, and what stands behind it."""

    url: str
    backend: Backend
    widget_url: str


def product_page(place: Place, attributes: str = "") -> str:
    return (
        "<!doctype html><html lang=en><head><title>Product</title>"
        f"<style nonce=n>{HOST_STYLE}</style></head>"
        "<body><main><h1>Product</h1><label>Search <input id=search></label></main>"
        f'<script src="{place.widget_url}/widget.js" data-token="t" '
        f'data-dispatch="{place.backend.base}" {attributes}></script></body></html>'
    )
