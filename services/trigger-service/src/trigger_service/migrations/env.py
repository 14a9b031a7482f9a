"""Runs the migrations of trigger."""

from heardback.migrations import run_environment
from trigger_service.tables import metadata

run_environment(metadata)
