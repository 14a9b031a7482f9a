"""The settings that every service has. A service adds its own in its `settings.py`."""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from heardback.security import ApiKeys


class ServiceSettings(BaseSettings):
    """Read from the environment, prefix `HEARDBACK_`; frozen from then on."""

    model_config = SettingsConfigDict(env_prefix="HEARDBACK_", frozen=True, extra="ignore")

    database_url: str = Field(description="postgresql://role:password@host:port/database")
    database_pool_size: int = Field(default=8, ge=2)
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    kafka_idempotence: bool = Field(
        default=True, description="Off only for a broker without an idempotent producer."
    )
    kafka_session_timeout_seconds: float = Field(default=10, gt=0)
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65_535)
    api_keys: str = Field(
        default="",
        description="Of trusted systems: `name:hash` as `heardback api-key` prints it, by commas.",
    )
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    batch_size: int = Field(default=500, ge=1, le=10_000)
    dead_letter_limit: int = Field(default=1_000, ge=1, description="Messages per window.")
    dead_letter_window_seconds: float = Field(default=60, gt=0)
    outbox_retention_seconds: int = Field(
        default=86_400, ge=0, description="How long published events can still be republished."
    )
    board_url: str = Field(default="", description="Of the owners' board, for the navigation.")
    improvements_url: str = Field(default="", description="Of the improvements, likewise.")
    rules_url: str = Field(default="", description="Of the closed loop's rules, likewise.")
    dashboard_url: str = Field(default="", description="Of the dashboard, likewise.")
    programs_url: str = Field(default="", description="Of the programs, likewise.")
    surveys_url: str = Field(default="", description="Of the surveys, likewise.")
    messages_url: str = Field(default="", description="Of the messages, likewise.")
    quarantine_url: str = Field(default="", description="Of the suspect answers, likewise.")
    otlp_endpoint: str | None = Field(default=None, description="Where spans go; none: nowhere.")

    @field_validator("api_keys")
    @classmethod
    def _api_keys_fit(cls, text: str) -> str:
        ApiKeys.parse(text)
        return text
