"""The rulebooks, every version of each; and commands that were done under an idempotency key."""

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from closeloop_service.tables.base import Instant, Required, metadata

# `version` counts over all kinds: the newest of each kind is in force, and the newest of all is
# the version of the rules.
RULEBOOK: Final = Table(
    "rulebook",
    metadata,
    Column("version", BigInteger, Identity(always=True), primary_key=True),
    Required("kind", Text),
    Required("body", Text),
    Required("document", JSONB),
    Required("saved_by", Text),
    Required("note", Text),
    Required("saved_at", Instant),
)
Index("rulebook_kind", RULEBOOK.c.kind, RULEBOOK.c.version)

IDEMPOTENCY: Final = Table(
    "idempotency",
    metadata,
    Column("key", Text, primary_key=True),
    Required("fingerprint", Text),
    Required("status", Integer),
    Required("body", LargeBinary),
    Required("expires_at", Instant),
)
Index("idempotency_expires_at", IDEMPOTENCY.c.expires_at)
