"""Commands that may be sent twice and are done once: the header `Idempotency-Key`.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Final

import orjson
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from closeloop_service.store import idempotency
from closeloop_service.store.idempotency import Answered
from heardback.console.pages import refuse_cross_site
from heardback.db import Database, Transaction
from heardback.errors import Conflict, Invalid, Permanent
from heardback.http import DatabaseOf, problem_of

_OK: Final = 200
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description=(
            "New for each command, and kept for each retry. Within 24 hours the same command gets "
            "the same answer, a refusal too, and is done once; another command is refused (422), "
            "and one whose first try is under way has to wait (409)."
        ),
    ),
]


class KeyReused(Invalid):
    """This Idempotency-Key came with another command before; take a new key for a new command."""


class CommandUnderWay(Conflict):
    """A command with this Idempotency-Key is under way; ask again in a moment."""


class Once:
    """Does one request's command, once for its key."""

    def __init__(self, *, database: Database, key: str | None, fingerprint: str) -> None:
        self._database = database
        self._key = key
        self._fingerprint = fingerprint

    async def __call__(
        self, command: Callable[[Transaction], Awaitable[BaseModel]], *, status: int = _OK
    ) -> Response:
        """Do `command` and answer with what it returns, or as it was answered before.

        Raises: KeyReused, CommandUnderWay, and without a key whatever `command` raises.
        """
        if self._key is None:
            async with self._database.transaction() as tx:
                return Response((await command(tx)).model_dump_json(), status, media_type=_JSON)
        try:
            return await self._do(self._key, command, status)
        except (KeyReused, CommandUnderWay):
            raise
        except Permanent as error:
            # Nothing of the command is left. The refusal is kept like a success.
            return await self._refuse(self._key, problem_of(error))

    async def _do(
        self, key: str, command: Callable[[Transaction], Awaitable[BaseModel]], status: int
    ) -> Response:
        async with self._database.transaction() as tx:
            before = await self._begin(tx, key)
            if before is not None:
                return before
            body = (await command(tx)).model_dump_json().encode()
            return await self._keep(tx, key, status, body)

    async def _refuse(self, key: str, refusal: Response) -> Response:
        async with self._database.transaction() as tx:
            before = await self._begin(tx, key)
            return before or await self._keep(tx, key, refusal.status_code, bytes(refusal.body))

    async def _begin(self, tx: Transaction, key: str) -> Response | None:
        if not await idempotency.try_lock(tx.connection, key):
            raise CommandUnderWay
        before = await idempotency.load(tx.connection, key, now=tx.now)
        if before is not None and before.fingerprint != self._fingerprint:
            raise KeyReused
        return None if before is None else _response(before, {"Idempotent-Replayed": "true"})

    async def _keep(self, tx: Transaction, key: str, status: int, body: bytes) -> Response:
        answered = Answered(fingerprint=self._fingerprint, status=status, body=body)
        await idempotency.save(tx.connection, key, answered, now=tx.now)
        return _response(answered, {})


async def _once(request: Request, database: DatabaseOf, idempotency_key: _Key = None) -> Once:
    fingerprint = "" if idempotency_key is None else await _fingerprint(request)
    return Once(database=database, key=idempotency_key, fingerprint=fingerprint)


OnceOf = Annotated[Once, Depends(_once)]
"""In a route, does its command once for the request's `Idempotency-Key`, if it has one."""

COMMAND: Final = [Depends(refuse_cross_site)]
"""What every route of a command depends on besides: another site's page gives no commands."""


async def _fingerprint(request: Request) -> str:
    body = await request.body()
    # However it was written: who sends it again may put it into another order. What is no JSON, or
    # too deep to be written again, is refused by the route.
    with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body
    return hashlib.sha256(said).hexdigest()


def _response(answered: Answered, headers: dict[str, str]) -> Response:
    media_type = _JSON if answered.status < 400 else _PROBLEM
    return Response(answered.body, answered.status, headers=headers, media_type=media_type)
