"""As a team would write it at first: FastStream, pydantic, the ORM, a commit for each message."""

from datetime import UTC, datetime

import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from sqlalchemy import DateTime, FetchedValue
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.trigger.peers.models import Purchase, SurveyDecided
from bench.trigger.peers.tables import BROKER, DATABASE_URL, GROUP


class Base(DeclarativeBase):
    """The declared tables."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012  # SQLAlchemy's way


class Touchpoint(Base):
    """What happened."""

    __tablename__ = "touchpoint"
    touchpoint_id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    event_id: Mapped[str]
    customer_id: Mapped[str]
    name: Mapped[str]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]


class OutboxRow(Base):
    """What is to be published."""

    __tablename__ = "outbox"
    seq: Mapped[int] = mapped_column(primary_key=True, server_default=FetchedValue())
    topic: Mapped[str]
    key: Mapped[bytes]
    value: Mapped[bytes]
    headers: Mapped[bytes]


broker = KafkaBroker(BROKER)
sessions = async_sessionmaker(
    create_async_engine(DATABASE_URL.replace("postgresql:", "postgresql+asyncpg:"))
)


@broker.subscriber("purchase", group_id=GROUP, auto_offset_reset="earliest")
async def on_purchase(purchase: Purchase, message: KafkaMessage) -> None:
    """Keep the touchpoint, unless it is known, and what is to be published."""
    source, event_id = message.headers["ce_source"], message.headers["ce_id"]
    touchpoint_id = f"{source}#{event_id}"
    async with sessions() as session, session.begin():
        if await session.get(Touchpoint, touchpoint_id) is not None:
            return
        session.add(
            Touchpoint(
                touchpoint_id=touchpoint_id,
                source=source,
                event_id=event_id,
                customer_id=purchase.customer_id,
                name="purchase",
                occurred_at=purchase.occurred_at,
                received_at=datetime.now(UTC),
            )
        )
        decided = SurveyDecided(
            customer_id=purchase.customer_id,
            touchpoint_id=touchpoint_id,
            occurred_at=purchase.occurred_at,
        )
        session.add(
            OutboxRow(
                topic="survey",
                key=purchase.customer_id.encode(),
                value=decided.model_dump_json().encode(),
                headers=b"[]",
            )
        )


if __name__ == "__main__":
    uvloop.run(FastStream(broker).run())
