"""Alembic's environment of dispatch-service."""

from dispatch_service.tables import metadata
from heardback.migrations import run_environment

run_environment(metadata)
