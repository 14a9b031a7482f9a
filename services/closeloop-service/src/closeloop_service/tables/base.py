"""What every table stands in."""

from functools import partial
from typing import Final

from sqlalchemy import Column, DateTime, MetaData

metadata: Final = MetaData()
Instant: Final = DateTime(timezone=True)
Required: Final = partial(Column, nullable=False)
