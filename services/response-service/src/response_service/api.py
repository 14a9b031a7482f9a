"""The survey page over HTTP: a GET shows it and records nothing, a POST takes the answer."""

from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from heardback.customer_pages import CustomerPages
from heardback.db import is_transient
from heardback.errors import Invalid
from heardback.http import DatabaseOf
from heardback.security import LinkExpired, LinkSigner, LinkTampered
from response_service import handlers, metrics, queries
from response_service.domain.answer import (
    Answer,
    CommentTooLong,
    ScoreMissing,
    clean_text,
    read_comment,
    read_score,
)
from response_service.handlers import InvitationNotHereYet
from response_service.pages import Draft, SurveyPages
from response_service.settings import Settings

SURVEY_LINK: Final = "survey"
_MOST_BYTES: Final = 131_072
"""The longest comment, percent-encoded, with room to spare."""

_NOT_SAVED: Final = (
    "We could not save your answer just now. It is still here: please send it again in a moment."
)


class BodyTooLarge(Invalid):
    """The request is larger than any answer."""


def router(settings: Settings) -> APIRouter:
    """Return the routes of the survey."""
    pages = SurveyPages(company=settings.company)
    links = LinkSigner(settings.link_key_list, purpose=SURVEY_LINK)
    routes = APIRouter(tags=["survey"], route_class=pages.customer_pages.route_class())

    @routes.head("/s/{token}", include_in_schema=False)
    @routes.get("/s/{token}", response_class=Response, operation_id="show_survey")
    async def show(
        token: str, database: DatabaseOf, score: Annotated[str | None, Query()] = None
    ) -> Response:
        """Show the survey, with the score of the link chosen and nothing recorded."""
        invitation_id = _read_link(links, token, database)
        async with database.read() as connection:
            asked = await queries.asked(connection, invitation_id)
        if asked is None:
            metrics.LINKS.add(1, {"outcome": "unknown"})
            raise InvitationNotHereYet(invitation_id=invitation_id)
        metrics.LINKS.add(1, {"outcome": "ok"})
        return pages.survey(asked, _draft_of(asked, score))

    @routes.post("/s/{token}", response_class=Response, operation_id="submit_answer")
    async def submit(token: str, request: Request, database: DatabaseOf) -> Response:
        """Take the answer; sending it again changes nothing."""
        invitation_id = _read_link(links, token, database)
        try:
            form = await _read_form(request)
        except BodyTooLarge:
            return _too_large(pages.customer_pages)
        return await _take(form, pages, database, invitation_id=invitation_id, token=token)

    @routes.api_route("/s", methods=["GET", "HEAD"], include_in_schema=False)
    @routes.api_route("/s/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def nowhere(rest: str = "") -> Response:
        return pages.customer_pages.not_found()

    return routes


async def _take(
    form: dict[str, str],
    pages: SurveyPages,
    database: DatabaseOf,
    *,
    invitation_id: str,
    token: str,
) -> Response:
    """Take the answer in a form; whatever goes wrong, the words stay on the page."""
    try:
        answer = _answer_in(form)
    except (ScoreMissing, CommentTooLong) as fault:
        asked = await _look_up(database, invitation_id)
        return pages.survey(asked, _draft_in(form, _explain(fault)), status=422)
    try:
        async with database.transaction() as tx:
            taken = await handlers.submit(tx, invitation_id, answer)
    except Exception as error:
        if not is_transient(error):
            raise
        return pages.survey(None, _draft_in(form, _NOT_SAVED), status=503)
    _count(answer, taken)
    return pages.thanks(answer, taken.survey_id, token)


def _read_link(links: LinkSigner, token: str, database: DatabaseOf) -> str:
    try:
        return links.read(token, now=database.clock.now())
    except LinkTampered:
        metrics.LINKS.add(1, {"outcome": "tampered"})
        raise
    except LinkExpired:
        metrics.LINKS.add(1, {"outcome": "expired"})
        raise


async def _look_up(database: DatabaseOf, invitation_id: str) -> queries.Asked | None:
    """Return what the page is about; None also when that can't be known just now."""
    try:
        async with database.read() as connection:
            return await queries.asked(connection, invitation_id)
    except Exception as error:
        if not is_transient(error):
            raise
        return None


async def _read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form; what is no form has none.

    Raises: BodyTooLarge, before more than that is read.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise BodyTooLarge
        fields = parse_qsl(body.decode(errors="replace"), max_num_fields=20)
    except (ClientDisconnect, ValueError):
        return {}
    return {name: clean_text(value) for name, value in fields}


def _answer_in(form: dict[str, str]) -> Answer:
    comment = read_comment(form.get("comment", ""))
    return Answer(score=read_score(form.get("score")), comment=comment)


def _draft_in(form: dict[str, str], fault: str) -> Draft:
    """Return the form as it was sent, so that nothing typed is lost."""
    comment = form.get("comment", "")
    return Draft(score=_score_or_none(form.get("score")), comment=comment, fault=fault)


def _draft_of(asked: queries.Asked, score: str | None) -> Draft:
    """Return what stands in the form at first: the score of the link, else what we hold."""
    chosen = _score_or_none(score)
    if asked.held is None:
        return Draft(score=chosen)
    held = asked.held.answer
    return Draft(score=held.score if chosen is None else chosen, comment=held.comment or "")


def _score_or_none(text: str | None) -> int | None:
    try:
        return read_score(text)
    except ScoreMissing:
        return None


def _explain(fault: ScoreMissing | CommentTooLong) -> str:
    if isinstance(fault, CommentTooLong):
        return f"Your comment is {fault.excess:,} characters too long. Please shorten it."
    return fault.message


def _too_large(pages: CustomerPages) -> Response:
    return pages.message(
        "That is more than we can take",
        "Nothing was saved. Please go back and shorten your comment.",
        status=413,
    )


def _count(answer: Answer, taken: handlers.Taken) -> None:
    change = taken.decision.change.value
    metrics.SUBMITS.add(1, {"category": answer.category.value, "change": change})
    if taken.decision.alert:
        metrics.ALERTS.add(1)
