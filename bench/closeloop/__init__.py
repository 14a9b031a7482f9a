"""Benchmarks of closeloop-service."""
