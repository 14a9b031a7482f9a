"""Fixtures of every suite: real Postgres, broker and browser, started once when a test asks."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["heardback.testing.stack", "heardback.testing.browser"]

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
