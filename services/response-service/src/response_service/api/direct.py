"""Answers that trusted systems send, over HTTP: an API key, and an `Idempotency-Key`.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

from typing import Annotated, Any, Final, Self

import orjson
from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from heardback.bodies import BoundedRoute, WrittenInstant
from heardback.contracts.payloads import Id, Label, Recipient, Text
from heardback.db import Transaction
from heardback.errors import Permanent
from heardback.http import ApiKeyOf, DatabaseOf, problem_of
from response_service.commands import direct
from response_service.commands.direct import Contact, DirectAnswer, InvitationUnknown
from response_service.domain.answer import LONGEST_COMMENT
from response_service.store import submissions
from response_service.store.submissions import Answered, RequestKey
from response_service.store.surveys import KnownSurveys

_CREATED: Final = 201
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New for each answer, and kept for each retry.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
_WHOSE: Final[JsonDict] = {
    "oneOf": [
        {
            "required": ["invitation_id"],
            "properties": {
                "invitation_id": {"type": "string"},
                "customer_id": {"type": "null"},
                "program_id": {"type": "null"},
                "touchpoint": {"type": "null"},
            },
        },
        {
            "required": ["customer_id", "program_id", "touchpoint"],
            "properties": {
                "invitation_id": {"type": "null"},
                "customer_id": {"type": "string"},
                "program_id": {"type": "string"},
                "touchpoint": {"type": "string"},
            },
        },
    ]
}
"""What `_says_whose` checks, in the words of a schema."""


class IdempotencyKeyMissing(Permanent):
    """Send an Idempotency-Key, 1 to 200 characters, new for each answer and kept for each retry."""


class AnswerBody(BaseModel):
    """An answer: to an invitation, or to a survey that a customer took elsewhere.

    Either `invitation_id` or `customer_id`, `program_id` and `touchpoint` are needed.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=_WHOSE)

    invitation_id: Id | None = None
    customer_id: Id | None = None
    program_id: Id | None = None
    touchpoint: Annotated[Label, Field(min_length=1)] | None = None
    survey_id: Id = "nps"
    segment: Label | None = None
    recipient: Recipient = Recipient()
    occurred_at: WrittenInstant | None = None
    score: Annotated[int, Field(ge=0, le=10, strict=True)]
    comment: Annotated[Text, Field(max_length=LONGEST_COMMENT)] | None = None
    drivers: dict[Label, Annotated[int, Field(ge=1, le=5, strict=True)]] = Field(
        default_factory=dict, max_length=10
    )

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        contact = (self.customer_id, self.program_id, self.touchpoint)
        if self.invitation_id is None and None in contact:
            msg = "name the invitation_id, or customer_id, program_id and touchpoint"
            raise ValueError(msg)
        if self.invitation_id is not None and any(contact):
            msg = "the invitation says whose and what it is: leave out what else is named"
            raise ValueError(msg)
        return self


class AnswerView(BaseModel):
    """An answer that was taken. `change`: recorded, revised, confirmed or none."""

    response_id: str
    invitation_id: str
    revision: int
    change: str
    category: str


def router(surveys: KnownSurveys) -> APIRouter:
    """Return the route of direct answers."""
    routes = APIRouter(tags=["responses"], route_class=BoundedRoute)

    @routes.post(
        "/responses",
        status_code=_CREATED,
        response_model=AnswerView,
        operation_id="submit_direct_answer",
        openapi_extra={"parameters": [_KEY]},
    )
    async def submit(
        body: AnswerBody,
        caller: ApiKeyOf,
        database: DatabaseOf,
        idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> JSONResponse:
        """Record an answer.

        The same request again, within a day, gets the same response and changes nothing; the same
        key with another request is refused (422), and while the first is under way, 409.
        """
        if not idempotency_key or len(idempotency_key) > 200:
            raise IdempotencyKeyMissing
        key = RequestKey(api_key=caller, idempotency_key=idempotency_key)
        async with database.transaction() as tx:
            answered = await _answer_once(tx, key, body, surveys)
        media = "application/json" if answered.status == _CREATED else "application/problem+json"
        return JSONResponse(dict(answered.body), answered.status, media_type=media)

    return routes


async def _answer_once(
    tx: Transaction, key: RequestKey, body: AnswerBody, surveys: KnownSurveys
) -> Answered:
    digest = direct.digest_of(body.model_dump(mode="json"))
    before = await direct.begin(tx, key, digest)
    if before is not None:
        return before
    status, said = await _answer(tx, body, surveys)
    answered = Answered(digest=digest, status=status, body=said)
    await submissions.save(tx.connection, key, answered, now=tx.now)
    return answered


async def _answer(
    tx: Transaction, body: AnswerBody, surveys: KnownSurveys
) -> tuple[int, dict[str, Any]]:
    """Return how the request is answered; a refusal is kept like a success.

    Raises: InvitationUnknown, which is not kept: it may be on its way.
    """
    try:
        async with tx.connection.begin_nested():
            return _CREATED, await direct.take(tx, _sent(body), surveys)
    except InvitationUnknown:
        raise
    except Permanent as error:
        response = problem_of(error)
        return response.status_code, orjson.loads(response.body)


def _sent(body: AnswerBody) -> DirectAnswer:
    about: str | Contact
    if body.invitation_id is not None:
        about = body.invitation_id
    else:
        about = Contact(
            customer_id=body.customer_id or "",
            program_id=body.program_id or "",
            touchpoint=body.touchpoint or "",
            survey_id=body.survey_id,
            segment=body.segment,
            recipient=body.recipient.model_dump(),
            occurred_at=body.occurred_at,
        )
    return DirectAnswer(about=about, score=body.score, comment=body.comment, drivers=body.drivers)
