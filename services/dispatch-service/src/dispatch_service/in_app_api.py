"""The channel `in_app`: tokens for the customer's own backend, cards for their browser.

Cards are pulled, or streamed as server-sent events; either way the browser holds a token, and
scripts of the origins in the settings may read the answers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from dispatch_service import cards
from dispatch_service.cards import Card, Shelf
from dispatch_service.cors import open_to
from dispatch_service.in_app_stream import Say, Streams
from dispatch_service.in_app_tokens import LIFE, CustomerTokens
from heardback.http import DatabaseOf, api_key

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_STREAM: Final[dict[str, Any]] = {
    "response_class": StreamingResponse,
    "responses": {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
}

CustomerId = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Token = Annotated[str, Path(max_length=2_000, description="As `POST /in-app/tokens` made it.")]
MessageId = Annotated[str, Path(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class TokenFields(BaseModel):
    """Whom the token is for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: CustomerId


class TokenView(BaseModel):
    """A token for a customer's browser."""

    token: str
    expires_at: datetime


class CardList(BaseModel):
    """What waits to be shown, in the order in which it was sent. Shapes: see docs/messages.md."""

    cards: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InApp:
    """What the routes are made of. `base_url`: where browsers reach this service."""

    tokens: CustomerTokens
    shelf: Shelf
    streams: Streams
    base_url: str

    def say_to(self, token: str) -> Say:
        """Return what makes of cards what the holder of a token is told."""
        at = f"{self.base_url.rstrip('/')}/in-app/{token}"

        def say(found: Sequence[Card]) -> dict[str, Any]:
            return {
                "cards": [
                    {**card, "dismiss_url": f"{at}/{card['message_id']}/dismiss"} for card in found
                ]
            }

        return say


def router(in_app: InApp, *, origins: Collection[str]) -> APIRouter:
    """Return the routes. `origins`: whose scripts may read the answers."""
    routes = APIRouter(prefix="/in-app", tags=["in-app"], route_class=open_to(origins))
    _add_tokens(routes, in_app)
    _add_cards(routes, in_app)
    return routes


def _add_tokens(routes: APIRouter, in_app: InApp) -> None:
    guarded: dict[str, Any] = {"dependencies": [Depends(api_key)], "status_code": 201}

    @routes.post("/tokens", operation_id="make_in_app_token", **guarded)
    async def make(fields: TokenFields, database: DatabaseOf) -> TokenView:
        """Make a token, good for 24 hours, for a customer whom the caller knows to be signed in."""
        now = database.clock.now()
        return TokenView(
            token=in_app.tokens.make(fields.customer_id, now=now), expires_at=now + LIFE
        )


def _add_cards(routes: APIRouter, in_app: InApp) -> None:
    @routes.get("/{token}", operation_id="get_cards")
    async def pull(token: Token, response: Response, database: DatabaseOf) -> CardList:
        """Return the cards that wait for the token's holder."""
        holder = in_app.tokens.open(token, now=database.clock.now())
        found = await in_app.shelf.of(database, [holder.customer_id])
        response.headers.update(_HEADERS)
        return CardList(**in_app.say_to(token)(found.get(holder.customer_id, ())))

    @routes.get("/{token}/events", operation_id="stream_cards", **_STREAM)
    async def stream(token: Token, request: Request, database: DatabaseOf) -> StreamingResponse:
        """Send all cards (`event: cards`) now, and again each time that they change."""
        holder = in_app.tokens.open(token, now=database.clock.now())
        in_app.streams.check_room(holder.customer_id)
        frames = in_app.streams.listen(
            holder, in_app.say_to(token), database=database, stop=request.app.state.stop
        )
        return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)

    @routes.post("/{token}/{message_id}/dismiss", status_code=204, operation_id="dismiss_card")
    async def dismiss(token: Token, message_id: MessageId, database: DatabaseOf) -> Response:
        """Put a card away. Its invitation is not reminded of any more."""
        holder = in_app.tokens.open(token, now=database.clock.now())
        async with database.transaction() as tx:
            await cards.dismiss(tx, holder.customer_id, message_id)
        return Response(status_code=204)
