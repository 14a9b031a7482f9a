"""Alembic's entry into insights' schema."""

from heardback.migrations import run_environment
from insights_service.tables import metadata

run_environment(metadata)
