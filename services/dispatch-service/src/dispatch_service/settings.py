"""The settings of dispatch-service; the only file that reads the environment."""

from collections import Counter
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from dispatch_service.callback_settings import CallbackProviders
from dispatch_service.cors import origins_in
from dispatch_service.provider_settings import SmsProvider, SmtpProvider, Tls
from heardback.calls.guard import Network, networks_in
from heardback.settings import ServiceSettings


class Settings(ServiceSettings):
    """Those that every service has, the providers, and where the links lead."""

    messages_url: str = "/console/messages"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=25, ge=1, le=65_535)
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_tls: Tls = "starttls"
    smtp_connections: int = Field(default=16, ge=1, le=500, description="Mails sent at once.")
    smtp_providers: tuple[SmtpProvider, ...] = Field(
        default=(),
        description="In JSON, in the order in which they are tried; instead of the settings above.",
    )
    sms_providers: tuple[SmsProvider, ...] = Field(
        default=(), description="In JSON, in the order in which they are tried."
    )
    smtp_timeout_seconds: float = Field(
        default=20, gt=0, description="For one mail until its content leaves, connecting included."
    )
    send_lease_seconds: float = Field(
        default=120,
        gt=0,
        description="After it, a message that was left half sent is sent again; half of it is for "
        "the provider to answer in.",
    )
    uncertain_sends: int = Field(
        default=64,
        ge=1,
        description="So many messages may be on the wire, or sent and not recorded yet: as many "
        "can arrive twice after a crash. 1: a commit for each message.",
    )
    mail_from: str = Field(description="`feedback@example.com` or `Name <feedback@example.com>`.")
    mail_reply_to: str | None = Field(
        default=None, description="Where answers to a mail go; none: back to MAIL_FROM."
    )
    survey_url: str = Field(description="Where customers reach response-service.")
    preferences_url: str = Field(description="Where customers reach dispatch-service.")
    link_keys: str = Field(description="Comma-separated, the newest first.")
    callbacks_url: str | None = Field(
        default=None,
        description="Where providers reach this service, as they are told; none: PREFERENCES_URL.",
    )
    callbacks: CallbackProviders = Field(
        default=(), description="In JSON: which providers call back, and how they prove it."
    )
    webhook_allowed_networks: str = Field(
        default="",
        description="Comma-separated: networks of our own in which webhook endpoints may be.",
    )
    widget_origins: str = Field(
        default="",
        description="Comma-separated: the origins of pages that show in-app cards; *: of all.",
    )
    company: str = Field(default="Northwind", description="In whose name we ask.")

    @property
    def link_key_list(self) -> list[str]:
        """The keys that sign and verify links, the newest first."""
        return [key.strip() for key in self.link_keys.split(",") if key.strip()]

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """The networks of our own in which webhook endpoints may be."""
        return networks_in(self.webhook_allowed_networks)

    @property
    def widget_origin_list(self) -> frozenset[str]:
        """The origins of pages that show in-app cards."""
        return origins_in(self.widget_origins)

    @property
    def mail_providers(self) -> tuple[SmtpProvider, ...]:
        """The providers of mail, in the order in which they are tried."""
        if self.smtp_providers:
            return self.smtp_providers
        plain = SmtpProvider(
            name="smtp",
            host=self.smtp_host,
            port=self.smtp_port,
            username=self.smtp_username,
            password=self.smtp_password,
            tls=self.smtp_tls,
            connections=self.smtp_connections,
        )
        return (plain,)

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _networks_fit(cls, text: str) -> str:
        networks_in(text)
        return text

    @field_validator("widget_origins")
    @classmethod
    def _origins_fit(cls, text: str) -> str:
        origins_in(text)
        return text

    @model_validator(mode="after")
    def _lease_outlives_a_mail(self) -> Self:
        if self.send_lease_seconds < 2 * self.smtp_timeout_seconds:
            msg = "send_lease_seconds must be at least twice smtp_timeout_seconds"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _providers_have_names_of_their_own(self) -> Self:
        names = Counter(provider.name for provider in (*self.mail_providers, *self.sms_providers))
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            msg = f"each provider needs a name of its own; used twice: {', '.join(twice)}"
            raise ValueError(msg)
        return self
