"""The settings of dispatch-service; the only file that reads the environment."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from heardback.settings import ServiceSettings


class Settings(ServiceSettings):
    """Those that every service has, the mail provider, and where the links lead."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=25, ge=1, le=65_535)
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_tls: Literal["none", "starttls", "implicit"] = "starttls"
    smtp_connections: int = Field(default=16, ge=1, le=500, description="Mails sent at once.")
    smtp_timeout_seconds: float = Field(
        default=20, gt=0, description="For one mail, connecting included."
    )
    send_lease_seconds: float = Field(
        default=60, gt=0, description="After it, a mail that was left half sent is sent again."
    )
    mail_from: str = Field(description="`feedback@example.com` or `Name <feedback@example.com>`.")
    survey_url: str = Field(description="Where customers reach response-service.")
    preferences_url: str = Field(description="Where customers reach dispatch-service.")
    link_keys: str = Field(description="Comma-separated, the newest first.")
    company: str = Field(default="Northwind", description="In whose name we ask.")

    @property
    def link_key_list(self) -> list[str]:
        """The keys that sign and verify links, the newest first."""
        return [key.strip() for key in self.link_keys.split(",") if key.strip()]

    @model_validator(mode="after")
    def _lease_outlives_a_mail(self) -> Self:
        if self.send_lease_seconds < 2 * self.smtp_timeout_seconds:
            msg = "send_lease_seconds must be at least twice smtp_timeout_seconds"
            raise ValueError(msg)
        return self
