"""Calls to other systems over HTTP, and what keeps them out of our own network."""
