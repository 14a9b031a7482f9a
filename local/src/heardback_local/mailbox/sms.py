"""The SMS side: an HTTP gateway shaped as Twilio's, for the one call that sends a message."""

from email.utils import format_datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from heardback.clock import Clock
from heardback.gsm import measure
from heardback.ids import Ids
from heardback_local.mailbox.messages import Message
from heardback_local.mailbox.store import Store

_VERSION: Final = "2010-04-01"
_LONGEST_BODY: Final = 1600
# Twilio's own codes and texts, in the order in which it complains.
_REQUIRED: Final = (
    ("To", 21604, "A 'To' phone number is required."),
    ("Body", 21602, "Message body is required."),
)


def sms_router(store: Store, clock: Clock, ids: Ids) -> APIRouter:
    """Return the gateway; whatever credentials are given, they are right."""
    router = APIRouter()

    @router.post(f"/{_VERSION}/Accounts/{{account}}/Messages.json")
    async def create_message(account: str, request: Request) -> JSONResponse:
        if not request.headers.get("authorization", "").lower().startswith("basic "):
            return _error(401, 20003, "Authenticate")
        form = {name: str(value) for name, value in (await request.form()).items()}
        for field, code, text in _REQUIRED:
            if not form.get(field):
                return _error(400, code, text)
        if not (form.get("From") or form.get("MessagingServiceSid")):
            return _error(400, 21603, "A 'From' phone number is required.")
        if len(form["Body"]) > _LONGEST_BODY:
            return _error(400, 21617, "The concatenated message body exceeds the 1600 limit.")
        number = "SM" + ids.new().replace("-", "")
        message = _message(form, number, clock)
        await store.add(lambda: [message])
        return JSONResponse(_resource(account, message), status_code=201)

    return router


def _message(form: dict[str, str], number: str, clock: Clock) -> Message:
    extra = {name: form[name] for name in ("StatusCallback",) if name in form}
    return Message(
        kind="sms",
        recipient=form["To"],
        sender=form.get("From") or form["MessagingServiceSid"],
        received_at=clock.now(),
        message_id=number,
        headers=extra,
        text=form["Body"],
    )


def _resource(account: str, message: Message) -> dict[str, Any]:
    """Return the message as Twilio describes it."""
    uri = f"/{_VERSION}/Accounts/{account}/Messages/{message.message_id}"
    date = format_datetime(message.received_at)
    return {
        "account_sid": account,
        "api_version": _VERSION,
        "body": message.text,
        "date_created": date,
        "date_sent": None,
        "date_updated": date,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": message.sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(measure(message.text).segments),
        "price": None,
        "price_unit": "USD",
        "sid": message.message_id,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.recipient,
        "uri": f"{uri}.json",
    }


def _error(status: int, code: int, text: str) -> JSONResponse:
    return JSONResponse(
        {
            "code": code,
            "message": text,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
        status_code=status,
    )
