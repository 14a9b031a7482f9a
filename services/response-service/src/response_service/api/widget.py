"""The widget's answers: JSON over HTTP, from the pages of the product."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from heardback.bodies import read_body
from heardback.db import is_transient
from heardback.errors import HeardbackError, Invalid
from heardback.http import problem, problem_of
from heardback.security import LinkExpired, LinkTampered
from heardback.vocabulary import Channel
from response_service.api.door import MOST_BYTES, Door, database_of
from response_service.commands.submitting import Refused, Submission, Taken

_SCHEMA: Final = {
    "type": "object",
    "required": ["score"],
    "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
        "comment": {"type": "string", "maxLength": 10_000},
        "drivers": {
            "type": "object",
            "description": "A rating from 1 to 5 by driver; what is none of these is left out.",
        },
        "t": {"description": "Milliseconds from question to answer; what is none is left out."},
    },
}
_SAVED: Final = {
    "type": "object",
    "required": ["saved", "score", "category"],
    "properties": {
        "saved": {"type": "boolean"},
        "score": {"type": "integer"},
        "category": {"type": "string"},
    },
}
_ABOUT: Final[dict[str, Any]] = {
    "parameters": [{"name": "link", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": {
        "required": True,
        "content": {"text/plain": {"schema": _SCHEMA}, "application/json": {"schema": _SCHEMA}},
    },
}


class AnswerUnreadable(Invalid):
    """The body is no JSON object with a score from the scale."""


def router(door: Door) -> APIRouter:
    """Return the route of the widget's answers."""
    routes = APIRouter(tags=["widget"])
    origins = door.settings.widget_origin_list

    @routes.post(
        "/w/{link}",
        response_class=JSONResponse,
        operation_id="submit_widget_answer",
        openapi_extra=_ABOUT,
        responses={200: {"content": {"application/json": {"schema": _SAVED}}}},
    )
    async def submit(request: Request) -> Response:
        """Take an answer; what it does not name stays as it is."""
        try:
            response = await _submit(door, request)
        except LinkTampered:
            response = problem(404, "link-unknown", "This link is none of ours.")
        except LinkExpired:
            response = problem(410, "link-expired", "The time of this link is over.")
        except HeardbackError as error:
            response = problem_of(error)
        except Exception as error:
            # Here, and not further out: what the page may not read, its script takes for no answer.
            if not is_transient(error):
                raise
            response = problem(503, "unavailable", "The answer could not be saved. Try again.")
        return _allow(request, response, origins)

    return routes


async def _submit(door: Door, request: Request) -> JSONResponse:
    now = database_of(request).clock.now()
    client = door.client(request)
    door.admit(request, client, now)
    invitation_id = door.read_link(request.path_params["link"], now)
    door.admit_to(request, invitation_id, now)
    said = _read(await read_body(request, most_bytes=MOST_BYTES))
    submission = Submission(
        invitation_id=invitation_id,
        score=_score(said.get("score")),
        comment=said.get("comment"),
        ratings=said.get("drivers"),
        client=client,
        seconds=_seconds(said.get("t")),
        trap_filled=bool(said.get("website")),
        answered=door.answered_by(client, invitation_id, now),
        channel=Channel.IN_APP,
    )
    outcome = await door.submit(request, submission)
    if isinstance(outcome, Taken):
        answer = outcome.answer
        said_back = {"saved": True, "score": answer.score, "category": answer.category}
        return JSONResponse(said_back, headers={"Cache-Control": "no-store"})
    raise outcome.fault if isinstance(outcome, Refused) else outcome


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AnswerUnreadable from None
    if not isinstance(said, dict):
        raise AnswerUnreadable
    if not isinstance(said.get("comment"), str | None):
        raise AnswerUnreadable
    if not isinstance(said.get("drivers"), dict | None):
        raise AnswerUnreadable
    return said


def _score(score: object) -> str | None:
    """Return a score as forms say it; JSON's `true` is none, and its `9.0` is 9."""
    if isinstance(score, float) and score.is_integer():
        score = int(score)
    return str(score) if type(score) in (int, str) else None


def _seconds(milliseconds: object) -> float | None:
    """Return how long the widget says that it took; more than none says so."""
    if type(milliseconds) not in (int, float):
        return None
    return float(str(milliseconds)) / 1000


def _allow(request: Request, response: Response, origins: Collection[str]) -> Response:
    """Let the page read the response, if it is one that may carry the widget."""
    origin = request.headers.get("origin")
    if origin and ("*" in origins or origin in origins):
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
        response.headers["Vary"] = "Origin"
    return response
