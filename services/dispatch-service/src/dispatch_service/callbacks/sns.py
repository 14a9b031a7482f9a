"""Amazon SNS: messages that Amazon signs with a key whose certificate it publishes.

Source: "Verifying the signatures of Amazon SNS messages"; version 1 is SHA-1, version 2 SHA-256.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dispatch_service.callbacks.call import CallbackRefused, is_timely
from dispatch_service.callbacks.fetching import Fetch

NOTIFICATION: Final = "Notification"
SUBSCRIPTION: Final = "SubscriptionConfirmation"
_SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED[SUBSCRIPTION]
_OPTIONAL: Final = "Subject"
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "1": hashes.SHA1(),  # noqa: S303  # what SNS signs with unless a topic says otherwise
    "2": hashes.SHA256(),
}
_CERTIFICATE_PATH: Final = re.compile(r"/SimpleNotificationService-[0-9a-f]{16,64}\.pem")
_MOST_KEYS: Final = 16


class SnsMessages:
    """Tells whether a message is from one of our topics."""

    def __init__(self, *, topics: Collection[str], fetch: Fetch) -> None:
        self._topics = frozenset(topics)
        self._fetch = fetch
        self._certificates: dict[str, x509.Certificate] = {}
        self._fetching = asyncio.Lock()

    async def check(self, message: Any, *, now: datetime) -> Mapping[str, str]:
        """Return the fields of a message that Amazon signed for one of our topics.

        Raises: CallbackRefused, FetchFailed.
        """
        fields = _fields(message)
        # First, because what follows asks Amazon for a certificate.
        if fields["TopicArn"] not in self._topics:
            raise CallbackRefused
        if not is_timely(_instant(fields["Timestamp"]), now=now):
            raise CallbackRefused
        url = fields.get("SigningCertURL", "")
        if not is_amazons(url, fields["TopicArn"]) or not _CERTIFICATE_PATH.fullmatch(
            urlsplit(url).path
        ):
            raise CallbackRefused
        _verify(fields, await self._certificate(url), now=now)
        return fields

    async def _certificate(self, url: str) -> x509.Certificate:
        # One at a time: a flood of unsigned calls is no flood of requests to Amazon.
        async with self._fetching:
            known = self._certificates.get(url)
            if known is None:
                known = _read_certificate(await self._fetch(url))
                if len(self._certificates) >= _MOST_KEYS:
                    self._certificates.clear()
                self._certificates[url] = known
            return known


def is_amazons(url: str, topic: str) -> bool:
    """Tell whether a URL leads to SNS in the region of a topic, and nowhere else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    region = topic.split(":")[3]
    hosts = (f"sns.{region}.amazonaws.com", f"sns.{region}.amazonaws.com.cn")
    return (
        parts.scheme == "https"
        and parts.netloc in hosts
        and port is None
        and not any(char.isspace() or ord(char) < 32 or char == "\\" for char in url)
    )


def _fields(message: Any) -> dict[str, str]:
    """Return the texts of a message that has all that is signed."""
    if not isinstance(message, dict):
        raise CallbackRefused
    fields = {name: value for name, value in message.items() if isinstance(value, str)}
    signed = _SIGNED.get(fields.get("Type", ""), ())
    if not signed or any(name not in fields and name != _OPTIONAL for name in signed):
        raise CallbackRefused
    return fields


def _verify(fields: Mapping[str, str], certificate: x509.Certificate, *, now: datetime) -> None:
    algorithm = _HASHES.get(fields.get("SignatureVersion", ""))
    key = certificate.public_key()
    if algorithm is None or not isinstance(key, rsa.RSAPublicKey):
        raise CallbackRefused
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CallbackRefused
    names = [name for name in _SIGNED[fields["Type"]] if name in fields]
    signed = "".join(f"{name}\n{fields[name]}\n" for name in names)
    try:
        signature = base64.b64decode(fields.get("Signature", ""), validate=True)
        key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)
    except (InvalidSignature, binascii.Error, ValueError):
        raise CallbackRefused from None


def _read_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise CallbackRefused from None


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
