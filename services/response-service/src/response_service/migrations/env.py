"""Alembic's environment of response-service."""

from heardback.migrations import run_environment
from response_service.tables import metadata

run_environment(metadata)
