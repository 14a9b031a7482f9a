"""The settings of response-service; the only file that reads the environment."""

from pydantic import Field

from heardback.settings import ServiceSettings


class Settings(ServiceSettings):
    """Those that every service has, the keys of the links, and in whose name we ask."""

    link_keys: str = Field(description="Comma-separated, the newest first.")
    company: str = Field(default="Northwind", description="In whose name we ask.")

    @property
    def link_key_list(self) -> list[str]:
        """The keys that verify links, the newest first."""
        return [key.strip() for key in self.link_keys.split(",") if key.strip()]
