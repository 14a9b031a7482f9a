"""`heardback smoke`: one turn of the whole loop, on ports and in a folder of its own."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx2
import typer
from rich.console import Console

from heardback.contracts.payloads import Profile, PurchaseCompleted
from heardback.contracts.registry import PURCHASE_COMPLETED
from heardback.embedded.processes import StartFailed, wait_until
from heardback.envelope import Event
from heardback.errors import HeardbackError, Permanent
from heardback_local.config import StackConfig
from heardback_local.demo_programs import PROGRAMS_FOLDER
from heardback_local.interruption import until_signalled
from heardback_local.ports import Ports
from heardback_local.publisher import Publisher
from heardback_local.readiness import NotReady
from heardback_local.reset import reset
from heardback_local.services import SERVICES
from heardback_local.stack import Stack
from heardback_local.state import State
from heardback_local.survey_page import score_links
from heardback_local.visitor import OpenPage, Visitor

_WAIT_SECONDS: Final = 30.0
_LOG_LINES: Final = 15
_CUSTOMER: Final = "smoke-customer"
_EMAIL: Final = "smoke@example.com"
_SCORE: Final = 2
_COMMENT: Final = "The parcel came nine days late."
_CONSUMED: Final = re.compile(
    r"^messaging_client_consumed_messages_total\{.*\} ([0-9.e+]+)$", re.MULTILINE
)


class NotSeen(Permanent):
    """It did not happen in time."""

    wanted: str


class SmokeFailed(Permanent):
    """A step of the smoke test failed."""

    step: str
    why: str
    logs: Mapping[str, str]


def smoke() -> None:
    """Start a stack of its own, send one purchase through the whole loop, stop, clean up."""
    console = Console(highlight=False)
    began = monotonic()
    try:
        interrupted = asyncio.run(_run(console))
    except SmokeFailed as failure:
        for name, words in failure.logs.items():
            text = f"--- {name}\n{words}"
            console.print(text, style="dim", markup=False, soft_wrap=True)
        verdict = f"smoke: FAILED at {failure.step}: {failure.why}"
        console.print(verdict, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if interrupted:
        console.print("smoke: interrupted")
        raise typer.Exit(130)
    console.print(f"smoke: ok, {monotonic() - began:.0f} s")


async def _run(console: Console) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="heardback-smoke-"))
    config = StackConfig(state=folder / "state", ports=Ports.free(), programs=PROGRAMS_FOLDER)
    try:
        return await until_signalled(Smoke(config, console).run())
    finally:
        reset(State(config.state))
        shutil.rmtree(folder, ignore_errors=True)


class Smoke:
    """The steps, each told with its seconds."""

    def __init__(self, config: StackConfig, console: Console) -> None:
        self._stack = Stack(config)
        self._console = console
        self._mail: Mapping[str, Any] = {}
        self._page: OpenPage | None = None

    async def run(self) -> None:
        """Take every step.

        Raises: SmokeFailed, when everything has been stopped.
        """
        stack, everyone = self._stack, [service.name for service in SERVICES]
        await self._step("start the stack", stack.__aenter__, everyone)
        try:
            async with httpx2.AsyncClient(timeout=10) as client:
                self._client = client
                self._visitor = Visitor(client, patience_seconds=_WAIT_SECONDS)
                await self._step("publish a purchase", self._publish, ["kafka"])
                await self._step("mail in the mailbox", self._await_mail, ["trigger", "dispatch"])
                await self._step("open its link", self._open, ["response"])
                await self._step("answer 2 with a comment", self._answer, ["response"])
                await self._step("owner task, two clocks", self._see_task, ["closeloop"])
                await self._step("NPS of −100", self._see_nps, ["insights"])
                await self._step("metrics of each service", self._see_metrics, everyone)
        finally:
            await stack.__aexit__(None, None, None)

    async def _step(
        self, name: str, action: Callable[[], Awaitable[object]], logs: list[str]
    ) -> None:
        began = monotonic()
        try:
            await action()
        except (HeardbackError, httpx2.HTTPError, OSError) as error:
            why, culprits = _blame(error)
            words = self._last_words(culprits or logs)
            raise SmokeFailed(step=name, why=why, logs=words) from error
        self._console.print(f"  {name:<26} {monotonic() - began:5.1f} s")

    async def _publish(self) -> None:
        now = datetime.now(UTC)
        purchase = PurchaseCompleted(
            customer_id=_CUSTOMER,
            occurred_at=now,
            customer=Profile(email=_EMAIL, name="Sam Smoke"),
            order_id="smoke-order",
            amount=42.0,
            currency="EUR",
        )
        async with Publisher(self._stack.kafka_bootstrap) as publisher:
            await publisher.publish(
                Event(
                    id="smoke-1", source="/smoke", type=PURCHASE_COMPLETED, data=purchase, time=now
                )
            )
            await publisher.flush()

    async def _await_mail(self) -> None:
        async def arrived() -> bool:
            found = await self._get("mailbox", "/api/messages", to=_EMAIL)
            self._mail = next(iter(found["messages"]), {})
            return bool(self._mail)

        await _until(arrived, f"a mail to {_EMAIL}")

    async def _open(self) -> None:
        link = score_links(text=self._mail["text"], html=self._mail["html"]).get(_SCORE)
        if link is None:
            raise NotSeen(wanted=f"a link for the score {_SCORE} in the mail")
        self._page = await self._visitor.open(link)

    async def _answer(self) -> None:
        assert self._page is not None
        await self._visitor.submit(self._page, score=_SCORE, comment=_COMMENT)

    async def _see_task(self) -> None:
        async def there() -> bool:
            tasks = (await self._get("closeloop", "/tasks", customer_id=_CUSTOMER))["tasks"]
            return any(
                task["score"] == _SCORE
                and task["comment"] == _COMMENT
                and task["opened_at"] < task["first_response_due_at"] < task["resolution_due_at"]
                for task in tasks
            )

        await _until(there, "an owner task with a first-response and a resolution clock")

    async def _see_nps(self) -> None:
        async def there() -> bool:
            score = await self._get("insights", "/nps")
            return bool(score["responses"] == 1 and score["nps"] == -100)

        await _until(there, "one response and an NPS of −100")

    async def _see_metrics(self) -> None:
        for service in SERVICES:

            async def there(name: str = service.name) -> bool:
                answer = await self._client.get(f"{self._stack.url(name)}/metrics")
                counts = _CONSUMED.findall(answer.raise_for_status().text)
                return sum(map(float, counts)) > 0

            await _until(there, f"consumed messages in the metrics of {service.name}")

    async def _get(self, part: str, path: str, **query: str) -> Mapping[str, Any]:
        answer = await self._client.get(self._stack.url(part) + path, params=query)
        body: Mapping[str, Any] = answer.raise_for_status().json()
        return body

    def _last_words(self, names: list[str]) -> dict[str, str]:
        """Return the end of the logs that may tell why."""
        logs = {name: self._stack.state.log(name) for name in [*names, "supervisor"]}
        return {
            name: "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
            for name, log in logs.items()
            if log.exists()
        }


async def _until(condition: Callable[[], Awaitable[bool]], wanted: str) -> None:
    """Wait until it is so.

    Raises: NotSeen.
    """
    if not await wait_until(condition, _WAIT_SECONDS):
        raise NotSeen(wanted=wanted)


def _blame(error: Exception) -> tuple[str, list[str]]:
    """Return in one line what went wrong, and whose logs say more if that is known."""
    match error:
        case StartFailed():
            return f"{error.name} did not start; see its log above", [error.name.split()[0]]
        case NotReady():
            return "; ".join(f"{name}: {why}" for name, why in error.why.items()), [*error.why]
        case _:
            return f"{type(error).__name__}: {error}", []
