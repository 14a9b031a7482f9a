"""What trigger reads from the environment."""

from pathlib import Path
from typing import Final

from pydantic import Field

from heardback.settings import ServiceSettings

READY_MADE_PROGRAMS: Final = Path(__file__).parent / "programs"


class Settings(ServiceSettings):
    """The settings of every service, where the programs are, and the console's pages."""

    programs_url: str = "/"
    programs_folder: Path = Field(
        default=READY_MADE_PROGRAMS, description="Holds a YAML file for each program."
    )
