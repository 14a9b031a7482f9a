"""A provider for each adapter, on a port, that behaves as it is told: what the contract runs on."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dispatch_service.adapters.in_app import InAppAdapter
from dispatch_service.adapters.interface import Adapter, Line
from dispatch_service.adapters.sms import SmsAdapter, SmsRoute
from dispatch_service.adapters.webhook import WebhookAdapter, WebhookLine, open_caller
from dispatch_service.domain.message import Outcome
from dispatch_service.domain.webhook import Endpoint, Secret
from heardback.calls.guard import networks_in
from heardback.calls.http import Caller
from heardback.embedded.processes import free_port
from heardback.testing.clock import START

from .parcels import composers
from .servers import OK, Server, answer, serving
from .staging import TIMEOUT_SECONDS, Behaviour, Stage, mail_stage, smtp

DOCS = Path(__file__).parents[4] / "docs"


Open = Callable[[], AbstractAsyncContextManager[Stage]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An adapter under contract.

    `away`: what it says of a provider that can't be reached. `last`: the number of the attempt that
    a refusal for good takes. `make`: the adapter for a provider at a port; None: there is none.
    """

    name: str
    open: Open
    away: Outcome = Outcome.AWAY
    last: int = 1
    make: Callable[[int], Adapter[Any]] | None = None
    opening: bytes = b""


# Those over HTTP.


def _over_http(
    make: Callable[[int], Adapter[Any]],
    *,
    id_in: Callable[[Server], list[str]],
    taken: bytes = OK,
    refused: bytes,
    not_now: bytes,
) -> Open:
    says: dict[Behaviour, bytes | None] = {
        Behaviour.TAKES: taken,
        Behaviour.REFUSES: refused,
        Behaviour.NOT_NOW: not_now,
        Behaviour.SILENT: None,
        Behaviour.HANGS_UP: None,
    }

    @asynccontextmanager
    async def open_stage() -> AsyncIterator[Stage]:
        async with serving() as server:

            def tell(does: Behaviour) -> None:
                server.says = says[does]
                server.hangs_up = does is Behaviour.HANGS_UP

            tell(Behaviour.TAKES)
            yield Stage(adapter=make(server.port), tell=tell, received=lambda: id_in(server))

    return open_stage


def _sms(port: int) -> Adapter[Any]:
    route = SmsRoute(
        name="twilio",
        base_url=f"http://127.0.0.1:{port}",
        account_sid="AC42",
        username="AC42",
        password="secret",
        sender="+15005550006",
        callback_url="https://preferences.example.com/callbacks/twilio/twilio/statuses",
        timeout_seconds=TIMEOUT_SECONDS,
        connections=2,
    )
    return SmsAdapter(route, compose=composers().sms.compose)


class _OneEndpoint:
    def __init__(self, port: int) -> None:
        self._endpoint = Endpoint(
            endpoint_id="e1",
            url=f"http://127.0.0.1:{port}/hook",
            secrets=(Secret(value="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),),
            created_at=START,
        )

    async def of_program(self, program_id: str) -> Endpoint:
        return self._endpoint

    async def worked(self, endpoint: Endpoint) -> None: ...

    async def failed(self, endpoint: Endpoint) -> None: ...

    async def gone(self, endpoint: Endpoint) -> None: ...


class _HastyWebhooks(WebhookAdapter):
    def open_line(self) -> WebhookLine:
        caller: Caller = open_caller(networks_in("127.0.0.1"), timeout_seconds=TIMEOUT_SECONDS)
        return WebhookLine(self._endpoints, caller)


def _webhook(port: int) -> Adapter[Any]:
    return _HastyWebhooks(_OneEndpoint(port), compose=composers().webhook.compose)


def _push(port: int) -> Adapter[Any]:
    adapter: Adapter[Any] = example("push_channel").PushAdapter(
        "push",
        url=f"http://127.0.0.1:{port}/v1/push",
        key="secret",
        compose=composers().sms.compose,
        timeout_seconds=TIMEOUT_SECONDS,
    )
    return adapter


def example(name: str) -> ModuleType:
    """Return an example of the docs as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def _in_app() -> AsyncIterator[Stage]:
    received: list[str] = []

    class Noted(InAppAdapter):
        def open_line(self) -> Line[Any]:
            line = super().open_line()
            sending = line.send

            async def send(load: Any) -> Any:
                received.append(load.message_id)
                return await sending(load)

            line.send = send  # type: ignore[method-assign]  # nobody else sees what it is sent
            return line

    adapter = Noted(compose=composers().cards.compose)
    yield Stage(adapter=adapter, tell=lambda _: None, received=lambda: received)


CASES = (
    Case(name="smtp", open=mail_stage, make=smtp, opening=b"220 provider.example.com\r\n"),
    Case(
        name="sms",
        make=_sms,
        open=_over_http(
            _sms,
            id_in=lambda server: [
                call.form["StatusCallback"].rpartition("?message=")[2] for call in server.calls
            ],
            taken=answer(201, '{"sid": "SM1", "status": "queued"}'),
            refused=answer(400, '{"code": 21614, "message": "not a mobile number"}'),
            not_now=answer(429, '{"code": 20429, "message": "slower"}', retry_after="7"),
        ),
    ),
    Case(
        name="webhook",
        make=_webhook,
        away=Outcome.DEFERRED,  # one endpoint of many
        last=10,
        open=_over_http(
            _webhook,
            id_in=lambda server: [call.headers["webhook-id"] for call in server.calls],
            refused=answer(500),
            not_now=answer(503, retry_after="7"),
        ),
    ),
    Case(name="in_app", open=_in_app),
    Case(
        name="push",
        make=_push,
        open=_over_http(
            _push,
            id_in=lambda server: [call.headers["idempotency-key"] for call in server.calls],
            refused=answer(410),
            not_now=answer(429),
        ),
    ),
)
LEADING_OUT = tuple(case for case in CASES if case.make is not None)


@asynccontextmanager
async def babbling(case: Case, babble: bytes) -> AsyncIterator[Adapter[Any]]:
    """Open a provider that says one thing to whatever it hears, and hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(case.opening)
            await reader.read(1)
            writer.write(babble)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    assert case.make is not None
    try:
        yield case.make(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


def nobody(case: Case) -> Adapter[Any]:
    """Return the adapter for a provider that is not there."""
    assert case.make is not None
    return case.make(free_port())
