"""What a local stack consists of: its servers, its processes, and how each is configured."""

from collections.abc import Iterator, Mapping, Sequence

from heardback.embedded.apache_kafka import ApacheKafka
from heardback.embedded.broker import Broker, EmbeddedBroker
from heardback.embedded.databases import SchemaOwner, role_url, with_database
from heardback.embedded.postgres import EmbeddedPostgres
from heardback.embedded.processes import HOST, free_port
from heardback_local.config import StackConfig
from heardback_local.provision import DATABASE
from heardback_local.services import Service, sms_reply_url
from heardback_local.slots import Slot
from heardback_local.state import ProcessRecord, State


class Parts:
    """Built from the configuration; nothing is started here.

    `postgres` and `broker` are None where an outside server is used. `services` holds a slot for
    each replica of each service.
    """

    def __init__(self, config: StackConfig, state: State, definitions: Sequence[Service]) -> None:
        self.definitions = definitions
        self.postgres = _postgres(config, state)
        self.broker = _broker(config, state)
        self.mailbox = _mailbox(config, state)
        self._config = config
        self._state = state
        self.services = [
            self._service(definition, replica)
            for definition in definitions
            for replica in range(config.replicas)
        ]

    @property
    def kafka_bootstrap(self) -> str:
        """Where Kafka clients connect."""
        return self._config.kafka_bootstrap or f"{HOST}:{self._config.ports.kafka}"

    @property
    def broker_identity(self) -> str:
        """What tells one place of topics from another."""
        return self._config.kafka_bootstrap or self._config.kafka

    @property
    def server_url(self) -> str:
        """The superuser's URL of a database that exists before the stack's own does."""
        if self.postgres is not None:
            return self.postgres.superuser_url()
        assert self._config.database_url is not None
        return self._config.database_url

    @property
    def superuser_url(self) -> str:
        """The superuser's URL of the stack's database."""
        return with_database(self.server_url, DATABASE)

    @property
    def schemas(self) -> list[str]:
        return [definition.name for definition in self.definitions]

    @property
    def processes(self) -> list[Slot]:
        """All Python processes, in the order of their start."""
        return [self.mailbox, *self.services]

    def owner(self, schema: str) -> SchemaOwner:
        """Return the role of a service."""
        return SchemaOwner(name=schema, password=self._state.secret(f"database-{schema}"))

    def slot(self, name: str, replica: int = 0) -> Slot:
        """Return the place of one process."""
        wanted = _slot_name(name, replica)
        return next(slot for slot in self.processes if slot.name == wanted)

    def env(self, service: Service, port: int) -> Mapping[str, str]:
        """Return the environment of a service beyond the user's own."""
        # Nothing is known of a broker that was there before, so it is treated as Apache Kafka.
        broker = ApacheKafka if self.broker is None else self.broker
        return {
            "HEARDBACK_DATABASE_URL": role_url(self.server_url, DATABASE, self.owner(service.name)),
            "HEARDBACK_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap,
            "HEARDBACK_KAFKA_IDEMPOTENCE": str(broker.idempotent).lower(),
            "HEARDBACK_KAFKA_SESSION_TIMEOUT_SECONDS": str(broker.session_seconds),
            "HEARDBACK_HTTP_HOST": HOST,
            "HEARDBACK_HTTP_PORT": str(port),
            "HEARDBACK_LOG_FORMAT": "console",
            **service.env(self._config, self._state),
            **self._config.extra_env,
        }

    def own_ports(self) -> Iterator[tuple[str, int]]:
        """Return the ports that the stack itself will listen on, by the names of the options."""
        outside = {
            name
            for name, server in (("postgres", self.postgres), ("kafka", self.broker))
            if server is None
        }
        ports = self._config.ports.by_name()
        return ((name, port) for name, port in ports.items() if name not in outside)

    def records(self) -> list[ProcessRecord]:
        """Describe everything for `heardback status`."""
        servers = [
            ProcessRecord(name=name, pid=server.pid, port=server.port, log=str(server.log))
            for name, server in (("postgres", self.postgres), ("kafka", self.broker))
            if server is not None
        ]
        return [*servers, *(slot.record() for slot in self.processes)]

    def _service(self, service: Service, replica: int) -> Slot:
        port = self._config.ports.by_name().get(service.name)
        return Slot(
            _slot_name(service.name, replica),
            service.module,
            state=self._state,
            choose_port=lambda: port if port and replica == 0 else free_port(),
            env=lambda port: self.env(service, port),
        )


def _slot_name(service: str, replica: int) -> str:
    return service if replica == 0 else f"{service}-{replica}"


def _postgres(config: StackConfig, state: State) -> EmbeddedPostgres | None:
    if config.database_url is not None:
        return None
    return EmbeddedPostgres(state.postgres, config.ports.postgres, state.log("postgres"))


def _broker(config: StackConfig, state: State) -> Broker | None:
    if config.kafka_bootstrap is not None:
        return None
    if config.kafka == "apache":
        return ApacheKafka(state.kafka, config.ports.kafka, state.log("kafka"))
    return EmbeddedBroker(config.ports.kafka, state.log("kafka"))


def _mailbox(config: StackConfig, state: State) -> Slot:
    return Slot(
        "mailbox",
        "heardback_local.mailbox",
        state=state,
        choose_port=lambda: config.ports.mailbox,
        env=lambda port: {
            "HEARDBACK_MAILBOX_FILE": str(state.mailbox_file),
            "HEARDBACK_HTTP_HOST": HOST,
            "HEARDBACK_HTTP_PORT": str(port),
            "HEARDBACK_SMTP_PORT": str(config.ports.smtp),
            "HEARDBACK_SMS_REPLY_URL": sms_reply_url(config),
            "HEARDBACK_SMS_AUTH_TOKEN": state.secret("sms-token"),
        },
    )
