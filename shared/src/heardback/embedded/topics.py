"""Creating the topics of a broker."""

from collections.abc import Iterable
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from heardback.contracts.topics import Topic
from heardback.embedded.processes import StartFailed, wait_until

_TIMEOUT_SECONDS: Final = 60


async def ensure_topics(bootstrap_servers: str, topics: Iterable[Topic]) -> None:
    """Create the topics that are missing, and wait until the broker shows all their partitions.

    Raises: StartFailed (the broker does not answer, or refuses a topic).
    """
    wanted = tuple(topics)
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        if not await wait_until(lambda: _starts(client), _TIMEOUT_SECONDS):
            raise StartFailed(name="topics", why=f"no broker answers at {bootstrap_servers}")
        existing = set(await client.list_topics())
        await _create(client, [topic for topic in wanted if topic.name not in existing])
        if not await wait_until(lambda: _all_visible(client, wanted), _TIMEOUT_SECONDS):
            raise StartFailed(name="topics", why="the broker does not show the new topics")
    finally:
        await client.close()


async def _starts(client: AIOKafkaAdminClient) -> bool:
    try:
        await client.start()
    except KafkaError:
        return False
    return True


async def _create(client: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    if not topics:
        return
    response = await client.create_topics([_new_topic(topic) for topic in topics])
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise StartFailed(name="topics", why=f"{name}: {error.description}")


def _new_topic(topic: Topic) -> NewTopic:
    seconds = topic.retention_seconds
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=1,
        topic_configs={
            "retention.ms": "-1" if seconds is None else str(seconds * 1000),
            "max.message.bytes": str(topic.max_message_bytes),
        },
    )


async def _all_visible(client: AIOKafkaAdminClient, topics: tuple[Topic, ...]) -> bool:
    described = await client.describe_topics([topic.name for topic in topics])
    led = {
        found["topic"]: sum(partition["leader"] >= 0 for partition in found["partitions"])
        for found in described
        if not found["error_code"]
    }
    return all(led.get(topic.name, 0) >= topic.partitions for topic in topics)
