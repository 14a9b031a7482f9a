"""The survey page over HTTP: a GET shows it and records no answer, a POST takes one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from heardback.customer_pages import preferred_locale
from heardback.db import is_transient
from heardback.errors import Invalid, Retryable, TooManyRequests
from heardback.surveys import DEFAULT, Survey, ready_made
from heardback.vocabulary import Channel, Scale
from response_service.api.door import MOST_FIELDS, Door, database_of, query_of, read_form
from response_service.api.page_route import page_route
from response_service.commands.looking import Look, Seen
from response_service.commands.submitting import Submission, Taken
from response_service.domain.answer import (
    CommentTooLong,
    ScoreMissing,
    clean_text,
    read_drivers,
    read_score,
)
from response_service.domain.client import Client
from response_service.pages import Draft, Fault, SurveyPages

_DRIVER: Final = "driver_"
_LONGEST_TIME: Final = 100
_LINK: Final = {
    "name": "link",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "maxLength": 200},
}
_SCORE: Final = {
    "name": "score",
    "in": "query",
    "description": "The score that is chosen when the page opens.",
    "schema": {"type": "string"},
}
_PAGE: Final = {"content": {"text/html": {"schema": {"type": "string"}}}}
_FORM: Final = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["score"],
                "maxProperties": MOST_FIELDS,
                "properties": {
                    "score": {
                        "type": "string",
                        "enum": [str(score) for score in range(11)],
                        "description": "On the scale of the survey.",
                    },
                    "comment": {"type": "string", "maxLength": 10_000},
                    "t": {"type": "string", "description": "When the page was made, signed."},
                    "asks": {"type": "string", "description": "What the page asks, signed."},
                    "website": {"type": "string", "description": "For programs; leave it empty."},
                },
                "additionalProperties": {
                    "type": "string",
                    "description": "`driver_<id>`: a rating from 1 to 5.",
                },
            }
        }
    },
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": meaning, **_PAGE}
    for status, meaning in {
        200: "The page.",
        404: "The link is none of ours.",
        410: "The time of the link is over.",
        413: "The body is larger than any answer.",
        422: "The answer was not taken; the page says why, with everything still in it.",
        429: "Too many requests; `Retry-After` says when to come again.",
        503: "A part is away, or the invitation has not arrived; come again.",
    }.items()
}


def router(door: Door) -> APIRouter:
    """Return the routes of the survey, by signed and by short links."""
    pages = SurveyPages(company=door.settings.company)
    routes = APIRouter(tags=["survey"], route_class=page_route(pages.customer_pages))
    survey = SurveyRoutes(door, pages)
    extra = {"parameters": [_LINK, _SCORE]}
    for path, name in (("/s/{link}", "by_token"), ("/c/{link}", "by_code")):
        routes.add_api_route(path, survey.show, methods=["HEAD"], include_in_schema=False)
        routes.add_api_route(
            path,
            survey.show,
            methods=["GET"],
            operation_id=f"show_survey_{name}",
            summary="Show the survey, with the score of the link chosen and no answer recorded.",
            response_class=Response,
            responses=_ANSWERS,
            openapi_extra=extra,
        )
        routes.add_api_route(
            path,
            survey.submit,
            methods=["POST"],
            operation_id=f"submit_answer_{name}",
            summary="Take the answer; sending it again changes nothing.",
            response_class=Response,
            responses=_ANSWERS,
            openapi_extra={**extra, "requestBody": _FORM},
        )
    for start in ("/s", "/c"):
        for path, methods in ((start, ["GET", "HEAD"]), (f"{start}/{{rest:path}}", _ALL)):
            routes.add_api_route(path, survey.nowhere, methods=methods, include_in_schema=False)
    return routes


_ALL: Final = ["GET", "HEAD", "POST"]


class SurveyRoutes:
    """The handlers of the survey's routes."""

    def __init__(self, door: Door, pages: SurveyPages) -> None:
        self._door = door
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """Show the survey."""
        client = self._door.client(request)
        leaves_trace = request.method == "GET" and not client.fetches_ahead
        chosen = query_of(request).get("score")
        now = database_of(request).clock.now()
        link = request.path_params["link"]
        self._door.admit(request, client, now)
        seen = await self._see(request, link, chosen, client if leaves_trace else None)
        made = self._door.sign_time(now, seen.asked.invitation.invitation_id)
        draft = _draft_of(seen, chosen, made, self._door.sign_asks(seen.asked, seen.survey))
        return self._pages.survey(seen.asked, draft, seen.survey)

    async def submit(self, request: Request) -> Response:
        """Take the answer in a form; whatever goes wrong, the words stay on the page."""
        form = await read_form(request)
        try:
            return await self._take(request, form)
        except TooManyRequests as error:
            page = self._not_saved(request, form, status=429)
            page.headers["Retry-After"] = str(error.retry_after_seconds)
            return page
        except Exception as error:
            if not is_transient(error):
                raise
            return self._not_saved(request, form, status=503)

    async def _take(self, request: Request, form: Mapping[str, str]) -> Response:
        """Take an answer. Raises: TooManyRequests, Retryable, …; nothing is saved."""
        now = database_of(request).clock.now()
        client = self._door.client(request)
        self._door.admit(request, client, now)
        invitation_id = await self._invitation_of(request, now)
        self._door.admit_to(request, invitation_id, now)
        submission = self._submission(form, client, invitation_id, request, now=now)
        outcome = await self._door.submit(request, submission)
        if isinstance(outcome, Retryable):
            raise outcome
        is_ours = submission.seconds is not None
        made = form["t"] if is_ours else self._door.sign_time(now, invitation_id)
        asked, survey = outcome.asked, outcome.survey
        asks = self._door.sign_asks(asked, survey)
        if isinstance(outcome, Taken):
            return self._pages.thanks(outcome.answer, survey, asked, made=made, asks=asks)
        draft = _draft_in(form, survey, _fault(outcome.fault), made, asks)
        return self._pages.survey(asked, draft, survey, status=422)

    async def _invitation_of(self, request: Request, now: datetime) -> str:
        link = request.path_params["link"]
        if not _is_short(request):
            return self._door.read_link(link, now)
        seen = await self._door.look_by_code(request, Look(code=link), now)
        return seen.asked.invitation.invitation_id

    def _not_saved(self, request: Request, form: Mapping[str, str], *, status: int) -> Response:
        """Return the form with all that was in it, made of what it says itself."""
        known = self._door.read_asks(form.get("asks", ""))
        asks, survey = known or (None, ready_made()[DEFAULT])
        told = form["asks"] if known else ""
        made = form.get("t", "")[:_LONGEST_TIME]
        return self._pages.survey(
            None,
            _draft_in(form, survey, Fault("page.not_saved"), made, told),
            survey,
            status=status,
            locale=asks.locale if asks else preferred_locale(request),
            variant=asks.variant if asks else None,
        )

    async def nowhere(self, request: Request) -> Response:
        """Answer a link that is none."""
        return self._pages.customer_pages.not_found(preferred_locale(request))

    async def _see(
        self, request: Request, link: str, chosen: str | None, client: Client | None
    ) -> Seen:
        now = database_of(request).clock.now()
        score = _score_or_none(chosen, Scale.NPS)
        if _is_short(request):
            look = Look(code=link, score=score, client=client)
            seen = await self._door.look_by_code(request, look, now)
            self._door.admit_to(request, seen.asked.invitation.invitation_id, now)
            return seen
        invitation_id = self._door.read_link(link, now)
        self._door.admit_to(request, invitation_id, now)
        look = Look(invitation_id=invitation_id, score=score, client=client)
        return await self._door.look(request, look)

    def _submission(
        self,
        form: Mapping[str, str],
        client: Client,
        invitation_id: str,
        request: Request,
        *,
        now: datetime,
    ) -> Submission:
        return Submission(
            invitation_id=invitation_id,
            score=form.get("score"),
            comment=form.get("comment", ""),
            ratings=_ratings(form),
            client=client,
            seconds=self._door.seconds_since(form.get("t", ""), now, invitation_id),
            trap_filled=bool(form.get("website")),
            answered=self._door.answered_by(client, invitation_id, now),
            # Short links stand in text messages alone; that one was sent may not be known yet.
            channel=Channel.SMS if _is_short(request) else None,
        )


def _is_short(request: Request) -> bool:
    return bool(request.scope["path"].startswith("/c/"))


def _ratings(form: Mapping[str, str]) -> dict[str, object]:
    return {
        name.removeprefix(_DRIVER): value
        for name, value in form.items()
        if name.startswith(_DRIVER)
    }


def _draft_in(form: Mapping[str, str], survey: Survey, fault: Fault, made: str, asks: str) -> Draft:
    """Return the form as it was sent, so that nothing typed is lost."""
    return Draft(
        score=_score_or_none(form.get("score"), survey.scale),
        comment=clean_text(form.get("comment", "")),
        drivers=read_drivers(_ratings(form), survey.drivers),
        fault=fault,
        made=made,
        asks=asks,
    )


def _draft_of(seen: Seen, chosen: str | None, made: str, asks: str) -> Draft:
    """Return what stands in the form at first: the score of the link, else what we hold."""
    score = _score_or_none(chosen, seen.survey.scale)
    held = seen.asked.held
    if held is None:
        return Draft(score=score, made=made, asks=asks)
    answer = held.answer
    return Draft(
        score=answer.score if score is None else score,
        comment=answer.comment or "",
        drivers=answer.drivers,
        made=made,
        asks=asks,
    )


def _score_or_none(text: str | None, scale: Scale) -> int | None:
    try:
        return read_score(text, scale)
    except ScoreMissing:
        return None


def _fault(fault: Invalid) -> Fault:
    if isinstance(fault, CommentTooLong):
        return Fault("page.comment_too_long", {"excess": fault.excess})
    return Fault("page.score_missing")
