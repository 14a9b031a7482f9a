"""The settings of response-service; the only file that reads the environment."""

from pydantic import Field, field_validator

from heardback.settings import ServiceSettings
from response_service.domain.rate import RateLimit


class Settings(ServiceSettings):
    """Those that every service has, the keys of the links, and in whose name we ask."""

    surveys_url: str = "/console/surveys"
    quarantine_url: str = "/console/quarantine"
    link_keys: str = Field(description="Comma-separated, the newest first.")
    company: str = Field(default="Northwind", description="In whose name we ask.")
    trusted_proxy_hops: int = Field(
        default=0, ge=0, le=10, description="How many proxies of ours stand before this service."
    )
    limit_per_address: str = Field(
        default="600/minute", description="Requests from one network; empty: no limit."
    )
    limit_per_link: str = Field(
        default="60/minute", description="Requests for one link; empty: no limit."
    )
    opened_after_seconds: float = Field(
        default=30, ge=0, le=300, description="How long a look is watched before it is a person's."
    )
    widget_origins: str = Field(
        default="", description="Whose pages may carry the widget, by commas; *: everybody's."
    )
    widget_demo: bool = Field(default=False, description="Whether /widget/demo is served.")

    @property
    def link_key_list(self) -> list[str]:
        """The keys that verify links, the newest first."""
        return [key.strip() for key in self.link_keys.split(",") if key.strip()]

    @property
    def secrets(self) -> list[bytes]:
        """What signs the times of pages and hashes clients, the newest first."""
        return [key.encode() for key in self.link_key_list]

    @property
    def widget_origin_list(self) -> frozenset[str]:
        """The origins whose pages may carry the widget."""
        return frozenset(part.strip() for part in self.widget_origins.split(",") if part.strip())

    @field_validator("limit_per_address", "limit_per_link")
    @classmethod
    def _limit_fits(cls, text: str) -> str:
        RateLimit(text)
        return text
