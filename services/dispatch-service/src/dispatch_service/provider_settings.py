"""The providers of mail and text messages, as settings name them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Tls = Literal["none", "starttls", "implicit"]


class _Provider(BaseModel):
    """What every provider has. No rate: as much as its connections carry.

    `burst`: how much it takes at once; none: the rate of a second.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    rate_per_second: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)


class SmtpProvider(_Provider):
    """One that takes mail. `ca_file`: who vouches for it, where the public authorities do not."""

    host: str
    port: int = Field(default=587, ge=1, le=65_535)
    username: str | None = None
    password: SecretStr | None = None
    tls: Tls = "starttls"
    ca_file: str | None = None
    connections: int = Field(default=16, ge=1, le=500)


class SmsProvider(_Provider):
    """One that takes text messages, and speaks like Twilio.

    `sender`: a number, a name, or with `is_service` a messaging service's SID. Its name is also
    that under which it calls back. `username`: where it is not the account's SID.
    """

    base_url: str = "https://api.twilio.com"
    account_sid: str
    username: str | None = None
    password: SecretStr
    sender: str
    is_service: bool = False
    idempotency_header: str | None = None
    connections: int = Field(default=8, ge=1, le=500)
