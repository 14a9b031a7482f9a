"""The mailbox's settings."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class MailboxSettings(BaseSettings):
    """Read from the environment, prefix `HEARDBACK_`."""

    model_config = SettingsConfigDict(env_prefix="HEARDBACK_", frozen=True, extra="ignore")

    mailbox_file: Path
    http_host: str = "127.0.0.1"
    http_port: int
    smtp_port: int
    sms_reply_url: str | None = None
    sms_auth_token: str = ""
