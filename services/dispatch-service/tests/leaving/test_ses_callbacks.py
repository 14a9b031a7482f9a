"""What Amazon SES says by way of Amazon SNS, over HTTP, with certificates made here."""

import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from typing import Any

import httpx2
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch_service.callbacks.fetching import FetchFailed
from heardback.envelope import Event
from heardback.testing.clock import START

Ask = Callable[..., Awaitable[str]]
Published = Callable[[], Awaitable[list[Event[Any]]]]
Listed = Callable[[], Awaitable[list[tuple[str, ...]]]]
Post = Callable[..., Awaitable[httpx2.Response]]

TOPIC = "arn:aws:sns:eu-central-1:123456789012:heardback-bounces"
HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE_URL = f"{HOST}/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem"
SES = {"kind": "ses", "name": "eu", "topics": [TOPIC]}
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SUBSCRIPTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(*, from_days: int = -30, to_days: int = 300) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key().public_key())
        .serial_number(7)
        .not_valid_before(START + timedelta(days=from_days))
        .not_valid_after(START + timedelta(days=to_days))
        .sign(private_key(), hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


class Amazon:
    """What stands under Amazon's URLs, and which of them were asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {CERTIFICATE_URL: certificate()}
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise FetchFailed(url=url)
        return self.pages[url]


def signed(message: Any, *, version: str = "2", **fields: Any) -> dict[str, Any]:
    """Return a call from SNS."""
    body = {
        "Type": "Notification",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else orjson.dumps(message).decode(),
        "Timestamp": START.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c9135db0",
        **fields,
    }
    names = NOTIFICATION if body["Type"] == "Notification" else SUBSCRIPTION
    text = "".join(f"{name}\n{body[name]}\n" for name in names if name in body)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = private_key().sign(text.encode(), padding.PKCS1v15(), algorithm)
    body["Signature"] = base64.b64encode(signature).decode()
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": body["Type"]}
    return {"content": orjson.dumps(body), "headers": headers}


def bounce(message_id: str = "unknown", **fields: Any) -> dict[str, Any]:
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": "C1@example.com",
                    "status": "5.1.1",
                    "action": "failed",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "timestamp": "2026-03-02T09:00:00.000Z",
            "feedbackId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000",
            **fields,
        },
        "mail": mail(message_id),
    }


def mail(message_id: str) -> dict[str, Any]:
    return {
        "timestamp": "2026-03-02T08:59:38.237Z",
        "source": "feedback@northwind.example.com",
        "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
        "destination": ["c1@example.com"],
        "headersTruncated": False,
        "headers": [
            {"name": "From", "value": "Northwind <feedback@northwind.example.com>"},
            {"name": "Message-ID", "value": f"<{message_id}@northwind.example.com>"},
            {"name": "Heardback-Message", "value": message_id},
        ],
        "commonHeaders": {"messageId": f"<{message_id}@northwind.example.com>"},
    }


def complaint(message_id: str, feedback: str | None = "abuse") -> dict[str, Any]:
    return {
        "eventType": "Complaint",
        "complaint": {
            "complainedRecipients": [{"emailAddress": "c1@example.com"}],
            "complaintFeedbackType": feedback,
            "userAgent": "AnyCompany Feedback Loop (V0.01)",
        },
        "mail": mail(message_id),
    }


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
async def post(open_client: Any, amazon: Amazon) -> Any:
    async with open_client(SES, fetch=amazon.fetch) as client:

        async def call(**call: Any) -> httpx2.Response:
            response: httpx2.Response = await client.post("/callbacks/ses/eu", **call)
            return response

        yield call


@pytest.mark.parametrize("version", ["1", "2"])
async def test_address_is_suppressed_and_next_channel_tried_when_it_bounces(
    post: Post, asked: Ask, published: Published, listed: Listed, amazon: Amazon, version: str
) -> None:
    key = await asked(channels=["email", "sms"])
    for new in (1, 0):
        response = await post(**signed(bounce(key), version=version, Subject="Amazon SES"))
        assert response.json() == {"events": 1, "new": new}
    assert await listed() == [("", "c1@example.com", "all", "", "bounce")]
    (bounced,) = await published()
    assert (bounced.data.next_channel, bounced.data.reason) == (
        "sms",
        "smtp; 550 5.1.1 user unknown",
    )
    assert amazon.asked == [CERTIFICATE_URL]  # once: it is kept


async def test_message_is_found_by_sess_own_id_when_the_headers_are_left_out(
    post: Post, asked: Ask, published: Published
) -> None:
    await asked(reference="00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000")
    said = bounce()
    for name in ("headers", "commonHeaders"):
        del said["mail"][name]
    await post(**signed(said))
    assert [event.type.family for event in await published()] == ["invitation.bounced"]


@pytest.mark.parametrize("kind", ["Transient", "Undetermined"])
async def test_nothing_follows_when_the_bounce_may_pass(
    post: Post, asked: Ask, published: Published, listed: Listed, kind: str
) -> None:
    await post(**signed(bounce(await asked(), bounceType=kind)))
    assert await listed() == []
    assert await published() == []


async def test_customer_is_off_the_list_when_they_complain(
    post: Post, asked: Ask, published: Published, listed: Listed
) -> None:
    key = await asked()
    await post(**signed(complaint(key, "not-spam"), MessageId="m0"))
    assert await listed() == []
    await post(**signed(complaint(key), MessageId="m1"))
    assert await listed() == [("c1", "c1@example.com", "all", "", "complaint")]
    assert [event.data.reason for event in await published()] == ["complaint"]


async def test_subscription_is_confirmed_when_it_is_to_our_topic(
    post: Post, amazon: Amazon
) -> None:
    url = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    amazon.pages[url] = b"<ConfirmSubscriptionResponse/>"
    fields = {"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": url}
    assert (await post(**signed("You have chosen to subscribe", **fields))).status_code == 200
    assert amazon.asked == [CERTIFICATE_URL, url]


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-central-1.amazonaws.com.evil.example.com/?Action=ConfirmSubscription",
        "http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://169.254.169.254/latest/meta-data",
        "https://x@sns.eu-central-1.amazonaws.com/",
        "https://sns.us-east-1.amazonaws.com/",
    ],
)
async def test_nothing_is_fetched_when_a_confirmation_leads_elsewhere(
    post: Post, amazon: Amazon, url: str
) -> None:
    fields = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": url}
    assert (await post(**signed("", **fields))).status_code == 403
    assert amazon.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem",
        f"{HOST}:444/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem",
        f"{HOST}/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem/../x",
        f"{HOST}\\@example.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem",
        "https://[::1/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem",
        CERTIFICATE_URL.replace("eu-central-1", "us-east-1"),
        CERTIFICATE_URL.replace("https", "http"),
    ],
)
async def test_nothing_is_fetched_when_the_certificate_is_not_amazons(
    post: Post, amazon: Amazon, url: str
) -> None:
    assert (await post(**signed(bounce(), SigningCertURL=url))).status_code == 403
    assert amazon.asked == []


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": orjson.dumps(bounce(bounceSubType="NoEmail")).decode()},
        {"MessageId": "another"},
        {"Subject": "added"},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"Signature": "AAAA"},
        {"Signature": "not base64!"},
        {"Signature": None},
        {"Timestamp": 5},
        {"Type": "UnsubscribeConfirmation"},
        {"Type": ["Notification"]},
    ],
)
async def test_call_is_refused_when_it_was_tampered_with(
    post: Post, listed: Listed, changed: dict[str, Any]
) -> None:
    body = orjson.loads(signed(bounce())["content"])
    response = await post(content=orjson.dumps({**body, **changed}))
    assert response.status_code == 403
    assert await listed() == []


@pytest.mark.parametrize(
    ("fields", "pem"),
    [
        ({"TopicArn": TOPIC.replace("123456789012", "210987654321")}, None),
        ({"Timestamp": "2026-02-01T09:00:00.000Z"}, None),
        ({"Timestamp": "not a time"}, None),
        ({}, b"no certificate"),
        ({}, certificate(to_days=-1)),
        ({}, certificate(from_days=1)),
    ],
    ids=["topic", "old", "no-time", "no-certificate", "expired", "not-yet"],
)
async def test_call_is_refused_when_amazon_signed_it_for_something_else(
    post: Post, listed: Listed, amazon: Amazon, fields: dict[str, Any], pem: bytes | None
) -> None:
    amazon.pages[CERTIFICATE_URL] = pem or certificate()
    assert (await post(**signed(bounce(), **fields))).status_code == 403
    assert await listed() == []
    assert (amazon.asked == []) is (pem is None)


async def test_amazon_is_told_to_try_again_when_its_certificate_cant_be_fetched(
    post: Post, amazon: Amazon, listed: Listed
) -> None:
    del amazon.pages[CERTIFICATE_URL]
    response = await post(**signed(bounce()))
    assert response.status_code == 503
    amazon.pages[CERTIFICATE_URL] = certificate()
    assert (await post(**signed(bounce()))).status_code == 200
    assert len(await listed()) == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    message=st.recursive(
        st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("notificationType", "eventType", "bounce", "bounceType", "mail"),
                        *("bouncedRecipients", "emailAddress", "headers", "name", "value"),
                        *("complaint", "complainedRecipients", "destination", "commonHeaders"),
                    ]
                ),
                inner | st.sampled_from(["Bounce", "Complaint", "Permanent", "Delivery", "\x00"]),
                max_size=5,
            )
        ),
        max_leaves=12,
    ),
    raw=st.binary(max_size=40),
)
async def test_call_never_breaks_us_when_it_says_anything(
    post: Post, message: Any, raw: bytes
) -> None:
    assert (await post(**signed(message))).status_code == 200
    assert (await post(content=raw)).status_code == 403
    assert (await post(content=orjson.dumps(message))).status_code == 403
