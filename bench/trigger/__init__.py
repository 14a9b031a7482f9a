"""The benchmark of trigger-service."""
