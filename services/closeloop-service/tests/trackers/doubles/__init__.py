"""Trackers as they behave, over HTTP, in memory: what the real one refuses, these refuse."""
