"""The mailbox's HTTP side: the JSON API, the SMS gateway and the page."""

from typing import Annotated, Any, Final

from fastapi import FastAPI, Query

from heardback.clock import Clock
from heardback.ids import Ids
from heardback_local.mailbox.messages import StoredMessage
from heardback_local.mailbox.pages import pages_router
from heardback_local.mailbox.replies import Replies
from heardback_local.mailbox.sms import sms_router
from heardback_local.mailbox.store import Store

_MOST: Final = 1000


def build_app(store: Store, clock: Clock, ids: Ids, replies: Replies | None = None) -> FastAPI:
    """Compose the app; without `replies` text messages can't be answered."""
    app = FastAPI(title="Heardback mailbox", docs_url=None, redoc_url=None)
    app.include_router(sms_router(store, clock, ids))
    app.include_router(pages_router(store, replies))

    @app.get("/api/messages")
    async def messages(
        after: int = 0,
        to: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
    ) -> dict[str, Any]:
        found = await store.after(after, recipient=to, limit=limit)
        return {
            "messages": [_as_json(stored) for stored in found],
            "next": found[-1].id if found else after,
        }

    @app.get("/api/count")
    async def count() -> dict[str, int]:
        counts = await store.count()
        return {"count": sum(counts.values()), **counts}

    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        return {"live": True}

    @app.get("/readyz")
    async def readyz() -> dict[str, Any]:
        await store.count()
        return {"ready": True, "checks": {"store": "ok"}}

    return app


def _as_json(stored: StoredMessage) -> dict[str, Any]:
    message = stored.message
    return {
        "id": stored.id,
        "kind": message.kind,
        "to": message.recipient,
        "from": message.sender,
        "subject": message.subject,
        "message_id": message.message_id,
        "received_at": message.received_at.isoformat(),
        "headers": message.headers,
        "text": message.text,
        "html": message.html,
    }
