"""Benchmarks: each service against the raw limit of its parts and against peers."""
