"""Fixtures of every suite: real Postgres and a real broker, started once when a test asks."""

pytest_plugins = ["heardback.testing.stack"]
