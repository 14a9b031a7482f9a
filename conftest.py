"""Fixtures of every suite: real Postgres, broker and browser, started once when a test asks."""

pytest_plugins = ["heardback.testing.stack", "heardback.testing.browser"]
