"""Two bare FastAPI routes: one inserts a row and commits, the other renders a page with Jinja2.

Neither reads a link, judges, keeps a history, publishes or knows a language.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment
from pydantic import BaseModel, Field

CREATE = """
SET ROLE peer; SET search_path = peer;
CREATE TABLE answer (
    answer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, invitation_id text NOT NULL,
    score smallint NOT NULL, comment text, answered_at timestamptz NOT NULL DEFAULT now()
);
RESET ROLE
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ question }}</title>
<style>{{ style }}</style></head>
<body><main><h1>{{ question }}</h1><p>{{ about }}</p>
<form method="post"><fieldset>
{% for score in scores %}
<label><input type="radio" name="score" value="{{ score }}"
{% if score == chosen %}checked{% endif %}><b>{{ score }}</b></label>
{% endfor %}
</fieldset>
{% for kind, text in follow_ups %}<label class="{{ kind }}">{{ text }}</label>{% endfor %}
<textarea name="comment">{{ comment }}</textarea><button>Send my answer</button></form></main>
</body></html>
"""
_WORDS = {
    "question": "How likely are you to recommend us to a friend or colleague?",
    "about": "About your purchase on 2 March 2026",
    "style": "main{max-width:640px;margin:0 auto}" * 90,  # as long as ours
    "follow_ups": [("d", "What happened?"), ("p", "What should we improve?"), ("x", "Why?")],
    "comment": "",
}


class Answer(BaseModel):
    """What a customer says."""

    invitation_id: str
    score: int = Field(ge=0, le=10)
    comment: str | None = None


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["HEARDBACK_DATABASE_URL"],
        min_size=8,
        max_size=8,
        server_settings={"search_path": "peer"},
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan)
_template = Environment(autoescape=True, loader=DictLoader({"page": _PAGE})).get_template("page")


@app.post("/answers")
async def take(answer: Answer, request: Request) -> dict[str, int]:
    """Insert the answer and commit."""
    answer_id: int = await request.app.state.pool.fetchval(
        "INSERT INTO answer (invitation_id, score, comment) VALUES ($1, $2, $3)"
        " RETURNING answer_id",
        answer.invitation_id,
        answer.score,
        answer.comment,
    )
    return {"answer_id": answer_id}


@app.get("/page", response_class=HTMLResponse)
async def show(score: int | None = None) -> HTMLResponse:
    """Render the page."""
    return HTMLResponse(_template.render(_WORDS, scores=range(11), chosen=score))


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(os.environ["HEARDBACK_HTTP_PORT"]), log_level="warning",
        access_log=False,
    )  # fmt: skip
