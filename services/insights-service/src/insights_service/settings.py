"""What insights reads from the environment."""

from heardback.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and where the console's pages are."""

    dashboard_url: str = "/"
