"""Which providers may call back, and how each of them proves who it is."""

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Secret = Annotated[SecretStr, Field(min_length=8)]
Secrets = Annotated[tuple[Secret, ...], Field(min_length=1)]


class _Provider(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ProviderName


class SesCallbacks(_Provider):
    """Amazon SES by way of Amazon SNS: signed by Amazon, and taken from these topics alone."""

    kind: Literal["ses"]
    topics: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:sns:[^:]+:\d+:.+$")], ...],
        Field(min_length=1),
    ]


def read_verification_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return the key that SendGrid shows as `text`.

    Raises: ValueError when it is none.
    """
    key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        msg = "not a verification key as SendGrid shows it"
        raise ValueError(msg)
    return key


def _verification_key(text: str) -> str:
    read_verification_key(text)
    return text


class SendGridCallbacks(_Provider):
    """SendGrid's signed event webhook. `public_keys`: its verification keys, as it shows them."""

    kind: Literal["sendgrid"]
    public_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_verification_key)], ...], Field(min_length=1)
    ]


class MailgunCallbacks(_Provider):
    """Mailgun's webhooks. `signing_keys`: HTTP webhook signing keys."""

    kind: Literal["mailgun"]
    signing_keys: Secrets


class PostmarkCallbacks(_Provider):
    """Postmark's webhooks, which sign nothing: a password (HTTP Basic), or secrets in the URL."""

    kind: Literal["postmark"]
    username: str | None = None
    password: Secret | None = None
    url_secrets: tuple[Secret, ...] = ()

    @model_validator(mode="after")
    def _proves_who_it_is(self) -> Self:
        if not self.url_secrets and not (self.username and self.password):
            msg = "postmark needs a username with a password, or url_secrets"
            raise ValueError(msg)
        return self


class TwilioCallbacks(_Provider):
    """Twilio, or what speaks like it. `auth_tokens`: one, or two while one replaces the other.

    `answers_keywords`: off where Twilio itself answers STOP, START and HELP.
    """

    kind: Literal["twilio"]
    auth_tokens: Secrets
    answers_keywords: bool = True


CallbackProvider = Annotated[
    SesCallbacks | SendGridCallbacks | MailgunCallbacks | PostmarkCallbacks | TwilioCallbacks,
    Field(discriminator="kind"),
]


def _each_once(providers: Sequence[CallbackProvider]) -> Sequence[CallbackProvider]:
    names = Counter((provider.kind, provider.name) for provider in providers)
    twice = sorted(f"{kind} {name}" for (kind, name), count in names.items() if count > 1)
    if twice:
        msg = f"each provider needs a name of its own; used twice: {', '.join(twice)}"
        raise ValueError(msg)
    return providers


CallbackProviders = Annotated[tuple[CallbackProvider, ...], AfterValidator(_each_once)]
