"""What mail providers say later, over HTTP: believed when it is proven, taken once."""

import base64
import hmac
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heardback.envelope import Event
from heardback.testing.clock import START, ManualClock

Ask = Callable[..., Awaitable[str]]
Published = Callable[[], Awaitable[list[Event[Any]]]]
Listed = Callable[[], Awaitable[list[tuple[str, ...]]]]
Post = Callable[..., Awaitable[httpx2.Response]]

STAMP = str(int(START.timestamp()))
SIGNING_KEY = "key-of-mailgun-for-tests"
MAILGUN = {"kind": "mailgun", "name": "eu", "signing_keys": ["an-older-signing-key", SIGNING_KEY]}
POSTMARK = {
    "kind": "postmark",
    "name": "main",
    "username": "heardback",
    "password": "correct horse",
    "url_secrets": ["c2VjcmV0LWZvci10ZXN0cw"],
}
LOGIN = "Basic " + base64.b64encode(b"heardback:correct horse").decode()
PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(
    PRIVATE_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
SENDGRID = {"kind": "sendgrid", "name": "marketing", "public_keys": [PUBLIC_KEY]}
# SendGrid's own example: a key, and what it signed.
EXAMPLE_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+"
    "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
EXAMPLE_SIGNATURE = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtE"
    "ZtM="
)
EXAMPLE_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]'
    b"\r\n"
)


def mailgun_call(event: Any, *, token: str = "token-1", stamp: str = STAMP) -> dict[str, Any]:
    signature = hmac.digest(SIGNING_KEY.encode(), f"{stamp}{token}".encode(), "sha256").hex()
    signed = {"timestamp": stamp, "token": token, "signature": signature}
    body = orjson.dumps({"signature": signed, "event-data": event})
    return {"content": body, "headers": {"content-type": "application/json"}}


def sendgrid_call(events: Any, *, stamp: str = STAMP) -> dict[str, Any]:
    body = events if isinstance(events, bytes) else orjson.dumps(events) + b"\r\n"
    signature = PRIVATE_KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "content": body,
        "headers": {
            "content-type": "application/json",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        },
    }


def postmark_call(record: Any) -> dict[str, Any]:
    return {"content": orjson.dumps(record), "headers": {"authorization": LOGIN}}


def mailgun_failure(message_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "recipient": "c1@example.com",
        "recipient-domain": "example.com",
        "timestamp": START.timestamp(),
        "message": {"headers": {"message-id": f"{message_id}@example.com", "to": "Ada"}},
        "delivery-status": {
            "code": 550,
            "attempt-no": 1,
            "bounce-type": "hard",
            "message": "5.1.1 The email account that you tried to reach does not exist",
        },
        "user-variables": {},
        **fields,
    }


def sendgrid_event(message_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "email": "c1@example.com",
        "event": "bounce",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
        "reason": "550 5.1.1 The email account that you tried to reach does not exist",
        "status": "5.1.1",
        "sg_event_id": "Ym91bmNlLTEtMTk5NDIxMTIt",
        "sg_message_id": "qNwBLgPQQjW6DJvKQwSAbw.filterdrecv-547b64655b-1-6089EA4A-56.0",
        "smtp-id": f"<{message_id}@example.com>",
        "timestamp": int(START.timestamp()),
        "tls": 1,
        **fields,
    }


def postmark_bounce(message_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "ID": 692560173,
        "Type": "HardBounce",
        "TypeCode": 1,
        "Name": "Hard bounce",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "MessageStream": "outbound",
        "Description": "The server was unable to deliver your message.",
        "Details": "smtp;550 5.1.1 no such user",
        "Email": "c1@example.com",
        "BouncedAt": "2026-03-02T09:00:00Z",
        "Inactive": True,
        "CanActivate": True,
        "Metadata": {"heardback-message": message_id},
        **fields,
    }


@pytest.fixture
async def post(open_client: Any) -> Any:
    async with open_client(MAILGUN, SENDGRID, POSTMARK) as client:
        yield client.post


CASES: list[Any] = [
    pytest.param(
        "/callbacks/mailgun/eu", lambda key: mailgun_call(mailgun_failure(key)), id="mailgun"
    ),
    pytest.param(
        "/callbacks/sendgrid/marketing",
        lambda key: sendgrid_call([sendgrid_event(key)]),
        id="sendgrid",
    ),
    pytest.param(
        "/callbacks/postmark/main", lambda key: postmark_call(postmark_bounce(key)), id="postmark"
    ),
]


@pytest.mark.parametrize(("path", "call"), CASES)
async def test_address_is_suppressed_and_next_channel_tried_once_when_it_bounces(
    post: Post, asked: Ask, published: Published, listed: Listed, path: str, call: Any
) -> None:
    key = await asked(channels=["email", "sms"])
    for new in (1, 0):
        response = await post(path, **call(key))
        assert response.status_code == 200
        assert response.json() == {"events": 1, "new": new}
    assert await listed() == [("", "c1@example.com", "all", "", "bounce")]
    (bounced,) = await published()
    assert bounced.type.name == "invitation.bounced.v1"
    assert (bounced.data.channel, bounced.data.next_channel) == ("email", "sms")
    assert "5.1.1" in bounced.data.reason


COMPLAINTS: list[Any] = [
    pytest.param(
        "/callbacks/mailgun/eu",
        lambda key: mailgun_call(mailgun_failure(key, event="complained")),
        id="mailgun",
    ),
    pytest.param(
        "/callbacks/mailgun/eu",
        lambda key: mailgun_call(mailgun_failure(key, reason="suppress-complaint")),
        id="mailgun-suppressed",
    ),
    pytest.param(
        "/callbacks/sendgrid/marketing",
        lambda key: sendgrid_call([sendgrid_event(key, event="spamreport")]),
        id="sendgrid",
    ),
    pytest.param(
        "/callbacks/postmark/main",
        lambda key: postmark_call(
            postmark_bounce(key, RecordType="SpamComplaint", Type="SpamComplaint")
        ),
        id="postmark",
    ),
    pytest.param(
        "/callbacks/postmark/main",
        lambda key: postmark_call(
            {
                "RecordType": "SubscriptionChange",
                "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
                "Recipient": "c1@example.com",
                "SuppressSending": True,
                "SuppressionReason": "SpamComplaint",
                "ChangedAt": "2026-03-02T09:00:00Z",
                "Metadata": {"heardback-message": key},
            }
        ),
        id="postmark-subscription",
    ),
]


@pytest.mark.parametrize(("path", "call"), COMPLAINTS)
async def test_customer_is_off_the_list_when_they_complain(
    post: Post, asked: Ask, published: Published, listed: Listed, path: str, call: Any
) -> None:
    key = await asked()
    assert (await post(path, **call(key))).status_code == 200
    assert await listed() == [("c1", "c1@example.com", "all", "", "complaint")]
    (left,) = await published()
    assert left.type.name == "recipient.unsubscribed.v1"
    assert (left.data.customer_id, left.data.scope, left.data.reason) == ("c1", "all", "complaint")


async def test_complaint_outweighs_an_unsubscribe_when_both_are_said(
    post: Post, asked: Ask, published: Published, listed: Listed
) -> None:
    key = await asked()
    said = ("unsubscribe", "spamreport", "group_unsubscribe")
    events = [sendgrid_event(key, event=name, sg_event_id=name) for name in said]
    await post("/callbacks/sendgrid/marketing", **sendgrid_call(events))
    assert await listed() == [("c1", "c1@example.com", "all", "", "complaint")]
    assert [event.data.reason for event in await published()] == ["complaint"]


NO_EFFECT: list[Any] = [
    ("/callbacks/mailgun/eu", lambda k: mailgun_call(mailgun_failure(k, event="delivered"))),
    ("/callbacks/mailgun/eu", lambda k: mailgun_call(mailgun_failure(k, severity="temporary"))),
    ("/callbacks/mailgun/eu", lambda k: mailgun_call(mailgun_failure(k, event="opened"))),
    ("/callbacks/sendgrid/marketing", lambda k: sendgrid_call([sendgrid_event(k, event="open")])),
    (
        "/callbacks/sendgrid/marketing",
        lambda k: sendgrid_call([sendgrid_event(k, event="deferred")]),
    ),
    ("/callbacks/postmark/main", lambda k: postmark_call(postmark_bounce(k, Type="Transient"))),
    ("/callbacks/postmark/main", lambda k: postmark_call(postmark_bounce(k, RecordType="Open"))),
    (
        "/callbacks/postmark/main",
        lambda k: postmark_call({"RecordType": "SubscriptionChange", "SuppressSending": False}),
    ),
]


@pytest.mark.parametrize(("path", "call"), NO_EFFECT)
async def test_nothing_follows_when_it_passes_or_is_not_ours_to_act_on(
    post: Post, asked: Ask, published: Published, listed: Listed, path: str, call: Any
) -> None:
    key = await asked(channels=["email", "sms"])
    assert (await post(path, **call(key))).status_code == 200
    assert await listed() == []
    assert await published() == []


async def test_next_channel_is_tried_and_address_kept_when_the_mail_was_refused_not_the_address(
    post: Post, asked: Ask, published: Published, listed: Listed
) -> None:
    key = await asked(channels=["email", "sms"])
    call = sendgrid_call([sendgrid_event(key, type="blocked", status="5.7.1")])
    await post("/callbacks/sendgrid/marketing", **call)
    assert await listed() == []
    (bounced,) = await published()
    assert bounced.data.next_channel == "sms"


@pytest.mark.parametrize(("path", "call"), CASES)
async def test_address_is_suppressed_when_the_message_is_not_known(
    post: Post, listed: Listed, published: Published, path: str, call: Any
) -> None:
    assert (await post(path, **call("somebody-elses"))).json() == {"events": 1, "new": 1}
    assert await listed() == [("", "c1@example.com", "all", "", "bounce")]
    assert await published() == []


async def test_message_is_found_when_only_the_providers_reference_is_known(
    post: Post, asked: Ask, published: Published
) -> None:
    await asked(reference="qNwBLgPQQjW6DJvKQwSAbw")
    await post("/callbacks/sendgrid/marketing", **sendgrid_call([sendgrid_event("unknown")]))
    assert [event.type.family for event in await published()] == ["invitation.bounced"]


async def test_batch_is_taken_whole_when_it_speaks_of_many(
    post: Post, asked: Ask, listed: Listed, published: Published
) -> None:
    events: list[Any] = []
    for number in range(1, 31):
        key = await asked(number)
        name = "bounce" if number % 2 else "spamreport"
        fields = {"email": f"c{number}@example.com", "event": name, "sg_event_id": f"e{number}"}
        events.append(sendgrid_event(key, **fields))
    repeated_and_odd = [*events, *events, 7, None, {"event": 9}, {"event": "bounce"}, []]
    response = await post("/callbacks/sendgrid/marketing", **sendgrid_call(repeated_and_odd))
    assert response.json()["new"] == 31
    assert len(await listed()) == 30
    assert len(await published()) == 30


def untrue(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call whose proof is another one's, wherever it stands."""
    headers = {
        name: value if "Timestamp" in name else base64.b64encode(b"x" * 64).decode()
        for name, value in call["headers"].items()
    }
    return {"content": call["content"].replace(b"token-1", b"token-2"), "headers": headers}


@pytest.mark.parametrize(("path", "call"), CASES)
async def test_call_is_refused_when_its_proof_is_not_its_own(
    post: Post, asked: Ask, listed: Listed, published: Published, path: str, call: Any
) -> None:
    good = call(await asked())
    for bad in (untrue(good), {**untrue(good), "headers": {}}):
        response = await post(path, **bad)
        assert response.status_code in (401, 403)
        assert response.headers["content-type"] == "application/problem+json"
    assert await listed() == []
    assert await published() == []


async def test_sendgrid_call_is_refused_when_a_byte_of_its_body_changed(
    post: Post, listed: Listed
) -> None:
    call = sendgrid_call([sendgrid_event("x")])
    changed = {**call, "content": call["content"].replace(b"c1@", b"c2@")}
    assert (await post("/callbacks/sendgrid/marketing", **changed)).status_code == 403
    assert await listed() == []


async def test_mailgun_token_is_worth_one_event_when_it_was_overheard(
    post: Post, listed: Listed
) -> None:
    delivered = mailgun_failure("x", event="delivered")
    assert (await post("/callbacks/mailgun/eu", **mailgun_call(delivered))).status_code == 200
    forged = mailgun_failure("x", event="complained", recipient="victim@example.com")
    response = await post("/callbacks/mailgun/eu", **mailgun_call(forged))
    assert response.json() == {"events": 1, "new": 0}
    assert await listed() == []


@pytest.mark.parametrize("days", [-16, 1])
@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/callbacks/mailgun/eu", lambda s: mailgun_call(mailgun_failure("x"), stamp=s)),
        (
            "/callbacks/sendgrid/marketing",
            lambda s: sendgrid_call([sendgrid_event("x")], stamp=s),
        ),
    ],
)
async def test_call_is_refused_when_it_is_not_from_these_days(
    post: Post, days: int, path: str, call: Any
) -> None:
    stamp = str(int((START + timedelta(days=days)).timestamp()))
    assert (await post(path, **call(stamp))).status_code == 403
    assert (await post(path, **call("9" * 30))).status_code == 403


async def test_repeated_event_is_dropped_when_it_comes_days_later(
    post: Post, clock: ManualClock, listed: Listed
) -> None:
    call = postmark_call(postmark_bounce("x"))
    assert (await post("/callbacks/postmark/main", **call)).json()["new"] == 1
    clock.advance(timedelta(days=29))
    assert (await post("/callbacks/postmark/main", **call)).json()["new"] == 0


async def test_postmark_is_believed_when_the_secret_stands_in_the_url(
    post: Post, listed: Listed
) -> None:
    body = orjson.dumps(postmark_bounce("x"))
    wrong = await post("/callbacks/postmark/main/c2VjcmV0LWZvci10ZXN0cX", content=body)
    assert wrong.status_code == 401
    assert wrong.headers["www-authenticate"].startswith("Basic")
    right = await post("/callbacks/postmark/main/c2VjcmV0LWZvci10ZXN0cw", content=body)
    assert right.status_code == 200
    assert len(await listed()) == 1


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!!", "Bearer x", "Basic " + "QQ==", "Basic /w=="]
)
async def test_postmark_is_refused_when_the_login_is_not_right(
    post: Post, authorization: str
) -> None:
    response = await post(
        "/callbacks/postmark/main", content=b"{}", headers={"authorization": authorization}
    )
    assert response.status_code == 401


async def test_sendgrids_own_example_is_believed_when_it_is_heard_in_time(
    open_client: Any, clock: ManualClock, listed: Listed
) -> None:
    clock.advance(timedelta(seconds=1_600_112_510 - START.timestamp()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": EXAMPLE_SIGNATURE,
        "X-Twilio-Email-Event-Webhook-Timestamp": "1600112502",
    }
    configured = {"kind": "sendgrid", "name": "example", "public_keys": [PUBLIC_KEY, EXAMPLE_KEY]}
    async with open_client(configured) as client:
        response = await client.post(
            "/callbacks/sendgrid/example", content=EXAMPLE_BODY, headers=headers
        )
    assert response.status_code == 200
    assert await listed() == [("", "hello@world.com", "all", "", "bounce")]


@pytest.mark.parametrize(
    ("configured", "why"),
    [
        ([{**SENDGRID, "public_keys": ["bm8ga2V5"]}], "public_keys"),
        ([{**SENDGRID, "public_keys": []}], "public_keys"),
        ([MAILGUN, MAILGUN], "used twice: mailgun eu"),
        ([{"kind": "postmark", "name": "main", "username": "only"}], "needs a username"),
        ([{"kind": "ses", "name": "eu", "topics": ["my-topic"]}], "topics"),
        ([{"kind": "mandrill", "name": "eu"}], "kind"),
        ([{**MAILGUN, "name": "../up"}], "name"),
    ],
)
def test_service_refuses_to_start_when_a_provider_could_not_prove_itself(
    settings_with: Any, configured: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        settings_with(callbacks=configured)


@pytest.mark.parametrize(
    "path", ["/callbacks/mailgun/us", "/callbacks/postmark/eu", "/callbacks/mandrill/eu"]
)
async def test_nobody_is_there_when_the_provider_is_not_set_up(post: Post, path: str) -> None:
    assert (await post(path, content=b"{}")).status_code == 404


async def test_body_is_not_read_when_it_is_too_large(post: Post) -> None:
    response = await post("/callbacks/mailgun/eu", content=b"x" * (1_048_576 + 1))
    assert response.status_code == 413


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("event", "type", "email", "smtp-id", "sg_event_id", "sg_message_id"),
                    *("severity", "reason", "recipient", "message", "headers", "message-id"),
                    *("RecordType", "Type", "Metadata", "heardback-message", "Email", "ID"),
                    "SuppressSending",
                ]
            ),
            inner
            | st.sampled_from(
                [
                    *("bounce", "failed", "permanent", "Bounce", "HardBounce", "complained"),
                    *("a@b", "c1@example.com", "\x00", "x" * 9_000, "spamreport", True),
                ]
            ),
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.lists(JSON, max_size=3), raw=st.binary(max_size=60))
async def test_call_never_breaks_us_when_it_is_signed_and_says_anything(
    post: Post, body: Any, raw: bytes
) -> None:
    token = base64.b64encode(raw).decode() or "t"
    calls = [
        ("/callbacks/sendgrid/marketing", sendgrid_call([body])),
        ("/callbacks/sendgrid/marketing", sendgrid_call(raw)),
        ("/callbacks/mailgun/eu", mailgun_call(body, token=token)),
        ("/callbacks/mailgun/eu", {"content": raw}),
        ("/callbacks/postmark/main", postmark_call(body)),
        ("/callbacks/postmark/main", {"content": raw, "headers": {"authorization": LOGIN}}),
    ]
    for path, call in calls:
        assert (await post(path, **call)).status_code in (200, 403, 422)
