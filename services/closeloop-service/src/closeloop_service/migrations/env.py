"""Alembic's environment: the connection and the lock come from `heardback.migrations`."""

from closeloop_service.tables import metadata
from heardback.migrations import run_environment

run_environment(metadata)
