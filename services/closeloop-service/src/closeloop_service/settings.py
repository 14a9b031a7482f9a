"""What closeloop reads from the environment."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from heardback.calls.guard import Network, networks_in
from heardback.settings import ServiceSettings

SecretName = Annotated[str, Field(min_length=1, max_length=200)]


class Settings(ServiceSettings):
    """The settings of every service, its secrets, and where the console's pages are."""

    board_url: str = "/"
    improvements_url: str = "/console/improvements"
    rules_url: str = "/console/rulebooks"
    company: str = Field(default="", description="In whose name owners write to customers.")
    link_keys: str = Field(
        default="",
        description="Comma-separated, the newest first: they sign the links in alerts and those of "
        "calendars. None: there are no such links.",
    )
    board_public_url: str = Field(
        default="",
        description="Where people reach the board from outside, for links in alerts and tickets; "
        "none: BOARD_URL.",
    )
    allowed_networks: str = Field(
        default="",
        description="Comma-separated: networks of our own in which alert targets and trackers may "
        "be.",
    )
    secrets: Mapping[SecretName, SecretStr] = Field(
        default_factory=dict,
        description="In JSON, by name: what the rulebooks call alert targets and trackers with.",
    )

    @property
    def link_key_list(self) -> list[str]:
        """The keys that sign and verify links, the newest first."""
        return [key.strip() for key in self.link_keys.split(",") if key.strip()]

    @property
    def secret_values(self) -> dict[str, str]:
        """The secrets, plain, by their names."""
        return {name: secret.get_secret_value() for name, secret in self.secrets.items()}

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks of our own in which alert targets and trackers may be."""
        return networks_in(self.allowed_networks)

    @property
    def public_url(self) -> str:
        """Where the links in alerts and tickets lead, without a slash at its end."""
        known = (self.board_public_url, self.board_url)
        local = f"http://{self.http_host}:{self.http_port}"
        return next((url for url in known if "://" in url), local).rstrip("/")

    @field_validator("allowed_networks")
    @classmethod
    def _networks_fit(cls, text: str) -> str:
        networks_in(text)
        return text
