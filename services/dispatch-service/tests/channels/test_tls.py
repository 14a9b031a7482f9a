"""Whoever answers a webhook is who its address names: the guard leaves TLS as strict as it was."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heardback.calls.guard import GuardedBackend, networks_in
from heardback.calls.http import Answer, Caller, Silence

from .servers import serving

NAME = "shop.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `NAME`, which vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def call(certificate: Path, host: str, *, trusting: bool) -> Answer | Silence:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)

    async def look_up(name: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    backend = GuardedBackend(networks_in("127.0.0.1"), look_up=look_up)
    trusted = ssl.create_default_context(cafile=str(certificate)) if trusting else None
    caller = Caller(timeout_seconds=5, backend=backend, tls=trusted)
    async with serving(tls=server_side) as server:
        answer = await caller.post(f"https://{host}:{server.port}/", headers={}, content=b"{}")
        await caller.close()
        assert bool(server.calls) == isinstance(answer, Answer)
    return answer


async def test_endpoint_is_told_when_it_is_who_it_says(certificate: Path) -> None:
    answer = await call(certificate, NAME, trusting=True)
    assert isinstance(answer, Answer)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("host", "trusting"), [("other.example.com", True), ("127.0.0.1", True), (NAME, False)]
)
async def test_endpoint_is_told_nothing_when_it_may_be_somebody_else(
    certificate: Path, host: str, trusting: bool
) -> None:
    answer = await call(certificate, host, trusting=trusting)
    assert isinstance(answer, Silence)
    assert not answer.in_doubt
    assert "certificate" in answer.detail.lower()
