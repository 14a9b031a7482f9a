"""The mailbox's page: a list, and one message. No script; mail is shown in a sandbox."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from heardback_local.mailbox.messages import StoredMessage
from heardback_local.mailbox.replies import Replies
from heardback_local.mailbox.store import Store

_PAGE_ROWS: Final = 100
# The sandboxed frame inherits this policy: a mail may have styles and inline images, no more.
_SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_TEMPLATES: Final = Environment(
    loader=PackageLoader("heardback_local.mailbox"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


def pages_router(store: Store, replies: Replies | None) -> APIRouter:
    """Return the pages for people."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/")
    async def index(
        to: str = "", before: Annotated[int | None, Query(ge=1)] = None
    ) -> HTMLResponse:
        found = await store.latest(recipient=to.strip() or None, before=before, limit=_PAGE_ROWS)
        return _page(
            "list.html",
            messages=found,
            counts=await store.count(),
            to=to.strip(),
            before=before,
            older=found[-1].id if len(found) == _PAGE_ROWS else None,
        )

    @router.get("/messages/{number}")
    async def message(number: int) -> HTMLResponse:
        stored = await _find(number)
        return _page("message.html", stored=stored, can_reply=_can_be_answered(stored, replies))

    @router.post("/messages/{number}/reply")
    async def reply(number: int, text: Annotated[str, Form(max_length=1600)] = "") -> HTMLResponse:
        stored = await _find(number)
        if replies is None or not _can_be_answered(stored, replies):
            raise HTTPException(409, "This message can't be answered here.")
        fault = await replies.send(stored.message, text) if text.strip() else "Write something."
        return _page("message.html", stored=stored, can_reply=True, said=text, fault=fault)

    async def _find(number: int) -> StoredMessage:
        stored = await store.get(number)
        if stored is None:
            raise HTTPException(404, "There is no message with this number.")
        return stored

    return router


def _can_be_answered(stored: StoredMessage, replies: Replies | None) -> bool:
    return replies is not None and stored.message.kind == "sms"


def _page(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), headers=_SECURITY)
