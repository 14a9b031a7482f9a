"""What insights reads from the environment."""

from pydantic import Field

from heardback.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and where the console's pages are."""

    board_url: str = Field(default="", description="The owners' board, for the navigation.")
    dashboard_url: str = Field(default="/", description="This page, for the navigation.")
    programs_url: str = Field(default="", description="The programs, for the navigation.")
