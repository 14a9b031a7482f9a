"""The SMTP line against a real server: TLS, logins, and what refusals mean."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dispatch_service.adapters.interface import Reply
from dispatch_service.adapters.smtp import Mail, SmtpLine, SmtpRoute
from dispatch_service.domain.message import Outcome
from heardback.embedded.processes import free_port

MAIL = Mail(
    sender="feedback@example.com",
    recipient="ada@example.com",
    content=b"Subject: How was it?\r\n\r\nTell us.\r\n",
)
SENT, BOUNCED, DEFERRED, AWAY = Outcome.SENT, Outcome.BOUNCED, Outcome.DEFERRED, Outcome.AWAY


@dataclass(frozen=True)
class Certificate:
    """A self-made certificate for 127.0.0.1, and the file that vouches for it."""

    server: ssl.SSLContext
    ca_file: str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, secret)
    return Certificate(server=context, ca_file=str(cert))


@dataclass
class Server:
    """A mail server that answers as it is told, and notes how it was spoken to."""

    port: int
    sender_reply: str = "250 ok"
    recipient_reply: str = "250 ok"
    data_reply: str = "250 taken"
    mails: list[bytes] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.over_tls.append(server.transport.get_extra_info("sslcontext") is not None)
        if self.sender_reply.startswith("250"):
            envelope.mail_from = address
        return self.sender_reply

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_reply

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data_reply.startswith("250"):
            self.mails.append(envelope.original_content or b"")
        return self.data_reply

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        return AuthResult(success=data.password == b"right", handled=False)


Listen = Callable[..., Any]


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Server]:
    import asyncio

    implicit = options.pop("implicit", None)
    found = Server(port=free_port())
    transports: list[Any] = []

    def connect() -> SMTP:
        protocol = SMTP(found, hostname="provider.example.com", **options)
        if "authenticator" in options:
            protocol._authenticator = found.authenticate
        made = protocol.connection_made

        def connection_made(transport: Any) -> None:
            transports.append(transport)
            made(transport)

        protocol.connection_made = connection_made
        return protocol

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connect, "127.0.0.1", found.port, ssl=implicit)
    try:
        yield found
    finally:
        server.close()
        for transport in transports:
            # Python before 3.11.4 fails on one that TLS has closed already.
            with suppress(AttributeError):
                transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)


async def handed_in(port: int, mail: Mail = MAIL, **fields: Any) -> Reply:
    known = {"host": "127.0.0.1", "port": port, "tls": "none", "timeout_seconds": 5}
    line = SmtpLine(SmtpRoute(**{**known, **fields}))
    try:
        return await line.send(mail)
    finally:
        await line.close()


async def test_mail_is_handed_in_over_starttls_when_the_certificate_is_vouched_for(
    certificate: Certificate,
) -> None:
    async with listening(tls_context=certificate.server, require_starttls=True) as server:
        reply = await handed_in(server.port, tls="starttls", ca_file=certificate.ca_file)
    assert reply.outcome is SENT, reply.detail
    assert server.over_tls == [True]
    assert len(server.mails) == 1


async def test_lines_arrive_as_they_are_when_they_begin_with_dots() -> None:
    content = b".first\r\n\r\n.\r\n..\r\n.MAIL FROM:<eve@example.com>\r\na.\r\n"
    async with listening() as server:
        reply = await handed_in(server.port, replace(MAIL, content=content))
    assert reply.outcome is SENT, reply.detail
    assert server.mails == [content]


async def test_address_is_no_part_of_a_command_when_it_is_none() -> None:
    async with listening() as server:
        with pytest.raises(ValueError, match="not permitted"):
            await handed_in(server.port, replace(MAIL, recipient="a b@example.com"))
    assert server.mails == []


async def test_mail_is_handed_in_when_an_address_has_to_be_quoted() -> None:
    async with listening() as server:
        reply = await handed_in(server.port, replace(MAIL, recipient='"a b"@example.com'))
    assert reply.outcome is SENT, reply.detail


async def test_mail_is_handed_in_over_implicit_tls(certificate: Certificate) -> None:
    async with listening(implicit=certificate.server) as server:
        reply = await handed_in(server.port, tls="implicit", ca_file=certificate.ca_file)
    assert reply.outcome is SENT, reply.detail
    assert server.over_tls == [True]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_nothing_is_handed_in_when_nobody_vouches_for_the_certificate(
    certificate: Certificate, tls: str
) -> None:
    options = (
        {"implicit": certificate.server}
        if tls == "implicit"
        else {"tls_context": certificate.server}
    )
    async with listening(**options) as server:
        reply = await handed_in(server.port, tls=tls)
    assert (reply.outcome, reply.in_doubt, server.mails) == (AWAY, False, [])


async def test_nothing_is_handed_in_when_the_server_has_no_starttls() -> None:
    async with listening() as server:
        reply = await handed_in(server.port, tls="starttls")
    assert (reply.outcome, server.mails) == (AWAY, [])


@pytest.mark.parametrize(("password", "outcome"), [("right", SENT), ("wrong", AWAY)])
async def test_login_is_made_over_tls_when_there_is_a_username(
    certificate: Certificate, password: str, outcome: Outcome
) -> None:
    async with listening(
        tls_context=certificate.server, authenticator=object(), auth_required=True
    ) as server:
        reply = await handed_in(
            server.port,
            tls="starttls",
            ca_file=certificate.ca_file,
            username="northwind",
            password=password,
        )
    assert reply.outcome is outcome, reply.detail
    assert set(server.logins) == {b"northwind"}


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("550 no such user", BOUNCED),
        ("550 5.1.1 no such user", BOUNCED),
        ("551 not here", BOUNCED),
        ("553 not allowed", BOUNCED),
        ("550 5.4.1 no such domain", BOUNCED),
        ("554 5.1.2 no such domain", BOUNCED),
        ("550 5.2.1 disabled", BOUNCED),
        ("550 5.1.10 takes no mail", BOUNCED),
        ("550-5.1.1 no such user\r\n550 5.1.1 see our help", BOUNCED),
        # Refusals of us: they say nothing about the recipient.
        ("550 5.1.8 bad sender's system", DEFERRED),
        ("553 5.1.8 no such domain of the sender", DEFERRED),
        ("550 5.1.7 bad sender's mailbox", DEFERRED),
        ("550 5.1.0 whatever", DEFERRED),
        ("550 5.1.4 ambiguous", DEFERRED),
        ("550 your IP 5.1.23.4 is blacklisted", DEFERRED),
        ("550 5.1.1.4 is blocked", DEFERRED),
        ("550 relaying denied", DEFERRED),
        ("553 sender refused", DEFERRED),
        ("552 5.2.2 full", DEFERRED),
        ("550 5.2.2 full", DEFERRED),
        ("552 too big", DEFERRED),
        ("554 no", DEFERRED),
        ("550 5.7.1 policy", DEFERRED),
        ("550 5.7.26 not authenticated", DEFERRED),
        ("553 5.6.7 no such encoding", DEFERRED),
        ("503 5.5.1 out of order", DEFERRED),
        ("450 4.2.1 later", DEFERRED),
        ("451 greylisted", DEFERRED),
        ("452 4.5.3 too many recipients", DEFERRED),
        ("421 4.3.2 going down", AWAY),
    ],
)
async def test_refused_recipient_is(said: str, outcome: Outcome) -> None:
    async with listening() as server:
        server.recipient_reply = said
        reply = await handed_in(server.port)
    assert (reply.outcome, reply.in_doubt) == (outcome, False)
    assert reply.detail == said.replace("550-", "550 ").replace("\r\n550 ", "\n")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("550 5.1.1 no such user", BOUNCED),
        ("554 5.2.1 disabled", BOUNCED),
        ("550 no", DEFERRED),
        ("550 5.1.8 bad sender's system", DEFERRED),
        ("554 your IP 5.1.23.4 is blacklisted", DEFERRED),
        ("552 too big", DEFERRED),
        ("554 5.7.1 looks like spam", DEFERRED),
        ("554 5.6.0 malformed", DEFERRED),
        ("451 later", DEFERRED),
        ("421 going down", AWAY),
    ],
)
async def test_refused_content_is(said: str, outcome: Outcome) -> None:
    async with listening() as server:
        server.data_reply = said
        reply = await handed_in(server.port)
    assert (reply.outcome, reply.in_doubt) == (outcome, False)


@pytest.mark.parametrize("said", ["550 5.7.1 not you", "553 bad sender", "451 later"])
async def test_provider_is_away_when_it_refuses_the_sender(said: str) -> None:
    async with listening() as server:
        server.sender_reply = said
        reply = await handed_in(server.port)
    assert (reply.outcome, reply.in_doubt) == (AWAY, False)


async def test_content_stays_here_when_it_is_not_to_be_handed_over_any_more() -> None:
    async def too_late() -> bool:
        return False

    async with listening() as server:
        line = SmtpLine(SmtpRoute(host="127.0.0.1", port=server.port, tls="none"))
        reply = await line.send_after(MAIL, too_late)
        assert (reply.outcome, server.mails) == (Outcome.RELEASED, [])
        assert (await line.send(MAIL)).outcome is SENT, "the line is good for the next one"
        await line.close()


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ("550 5.1.1 <Ada@Example.com>: no such user", "550 5.1.1 <…>: no such user"),
        ("450 ada@example.com, and root@mx.example.net", "450 …, and …"),
        ("550 mailto:ada+x@example.com unknown", "550 mailto:… unknown"),
    ],
)
async def test_detail_does_not_say_whose_address_it_is(said: str, detail: str) -> None:
    async with listening() as server:
        server.recipient_reply = said
        assert (await handed_in(server.port)).detail == detail
        server.recipient_reply, server.sender_reply = "250 ok", said
        reply = await handed_in(server.port)
    assert (reply.outcome, reply.detail) == (AWAY, detail)
