"""The demo's programs: as the ready-made ones, but they ask within seconds."""

from pathlib import Path
from typing import Final

PROGRAMS_FOLDER: Final = Path(__file__).parent / "programs"
