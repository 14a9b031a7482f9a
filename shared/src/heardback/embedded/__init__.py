"""Databases and brokers that run as child processes: for the local stack and for tests."""
