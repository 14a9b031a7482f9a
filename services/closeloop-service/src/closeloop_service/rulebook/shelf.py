"""The rulebooks in force: those that somebody saved, the ready-made ones for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.rulebook.books import MODELS, Books
from closeloop_service.rulebook.documents import Document
from closeloop_service.rulebook.faults import RulebookFaults, RulesUnreadable, UnknownVersion, parse
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import as_json, read_text
from closeloop_service.rulebook.ready_made import ready_made
from closeloop_service.store import rulebooks
from closeloop_service.store.rulebooks import KeptRulebook

MOST_VERSIONS: Final = 200
_LAST_VERSION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The newest version of each kind."""

    kept: Mapping[Kind, KeptRulebook]

    @property
    def version(self) -> int:
        """The version of the rules that they make together."""
        return max(kept.version for kept in self.kept.values())

    def books(self) -> Books:
        """Return the documents.

        Raises: RulesUnreadable, when a newer release has saved them; wait to be replaced.
        """
        try:
            documents = {kind: _document(kind, kept.body) for kind, kept in self.kept.items()}
        except RulebookFaults:
            raise RulesUnreadable(version=self.version) from None
        return Books.of(documents)


async def load_shelf(connection: AsyncConnection) -> Shelf:
    """Return the rulebooks in force."""
    saved = await rulebooks.load_newest(connection)
    return Shelf(kept={kind: saved.get(kind) or _ready_made(kind) for kind in Kind})


async def load_versions(
    connection: AsyncConnection, kind: Kind, *, limit: int = MOST_VERSIONS
) -> Sequence[KeptRulebook]:
    """Return the versions of a kind, the newest first; the last is the ready-made one."""
    saved = await rulebooks.load_versions(connection, kind, limit=limit)
    return saved if len(saved) == limit else [*saved, _ready_made(kind)]


async def load_version(connection: AsyncConnection, kind: Kind, version: int) -> KeptRulebook:
    """Return one version of a kind; 0 is the ready-made one.

    Raises: UnknownVersion.
    """
    if version == 0:
        return _ready_made(kind)
    is_one = 0 < version <= _LAST_VERSION
    found = await rulebooks.find_version(connection, kind, version) if is_one else None
    if found is None:
        raise UnknownVersion(rulebook=kind.value, version=version)
    return found


@lru_cache(maxsize=64)
def _document(kind: Kind, body: str) -> Document:
    """Return what a text says: not from jsonb, which forgets the order of fields, as can matter."""
    return parse(MODELS[kind], read_text(body))


@cache
def _ready_made(kind: Kind) -> KeptRulebook:
    body = ready_made()[kind]
    return KeptRulebook(version=0, kind=kind.value, body=body, document=as_json(read_text(body)))
