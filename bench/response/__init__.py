"""Answers and pages per second: response-service against bare routes."""
